"""Cursors of psycopg that show their statements to their checkout."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import psycopg

from pytest_tiers.databases.engines.statements import Meaning, meaning

if TYPE_CHECKING:
    from pytest_tiers.databases.engines.on_psycopg import PsycopgCheckout


class _Watched:
    """Shows a cursor's statements to its checkout; stands before a class of psycopg's."""

    checkout: "PsycopgCheckout"

    @property
    def connection(self) -> Any:
        """The checkout."""
        return self.checkout

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Execute a statement."""
        __tracebackhide__ = True
        text = self.checkout.text_of(query)
        pieces = () if params or self.checkout.starting else meaning(text).pieces
        if pieces:
            for piece in pieces:
                self.execute(piece, **options)
            return self
        done = self.checkout.perform(
            text,
            lambda: super(_Watched, self).execute(query, params, **options),  # type: ignore[misc]
            lambda: self.checkout.with_parameters(query, params),
        )
        if done is None and self.description is not None:  # type: ignore[attr-defined]
            super().execute("")  # type: ignore[misc]
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> Any:
        """Execute a statement once for each of the parameters."""
        __tracebackhide__ = True
        return self.checkout.perform(
            self.checkout.text_of(query),
            lambda: super(_Watched, self).executemany(query, params_seq, **options),  # type: ignore[misc]
        )

    def stream(self, query: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        """Yield rows as they come."""
        __tracebackhide__ = True
        rows = super().stream(query, params, **options)  # type: ignore[misc]
        with self.checkout.line.holding(self.checkout, meaning(self.checkout.text_of(query))):
            yield from rows

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        """Begin a COPY, which has the connection for itself until it ends."""
        __tracebackhide__ = True
        with (
            self.checkout.line.holding(self.checkout, meaning(self.checkout.text_of(statement))),
            super().copy(statement, params, **options) as copy,  # type: ignore[misc]
        ):
            yield copy


class _WatchedServer(_Watched):
    """The same for a cursor on the server, whose rows are fetched by statements."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Declare the cursor. It ends with its transaction, as in production."""
        __tracebackhide__ = True
        name = self.name  # type: ignore[attr-defined]
        declared = Meaning(cursors=() if self.withhold else (name,))  # type: ignore[attr-defined]
        self.checkout.line.run(
            self.checkout,
            declared,
            lambda: super(_Watched, self).execute(query, params, **options),  # type: ignore[misc]
        )
        return self

    def _fetch(self, call: Callable[[], Any]) -> Any:
        __tracebackhide__ = True
        return self.checkout.line.send_and(call)

    def fetchone(self) -> Any:
        """Fetch a row."""
        return self._fetch(super().fetchone)  # type: ignore[misc]

    def fetchmany(self, size: int = 0) -> Any:
        """Fetch rows."""
        return self._fetch(lambda: super(_WatchedServer, self).fetchmany(size))  # type: ignore[misc]

    def fetchall(self) -> Any:
        """Fetch the rest."""
        return self._fetch(super().fetchall)  # type: ignore[misc]

    def __next__(self) -> Any:
        return self._fetch(super().__next__)  # type: ignore[misc]

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Move on."""
        self._fetch(lambda: super(_WatchedServer, self).scroll(value, mode))  # type: ignore[misc]


@lru_cache
def watched(kind: type) -> type:
    """Return a class of cursors, watched."""
    mixin = _WatchedServer if issubclass(kind, psycopg.ServerCursor | psycopg.RawServerCursor) else _Watched
    return type(kind.__name__, (mixin, kind), {"__module__": kind.__module__})
