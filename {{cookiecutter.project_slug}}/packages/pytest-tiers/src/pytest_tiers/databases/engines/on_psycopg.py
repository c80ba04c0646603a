"""Checkouts of psycopg."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import Composable

from pytest_tiers.databases.engines import messages
from pytest_tiers.databases.engines.checkout import Checkout
from pytest_tiers.databases.engines.messages import say
from pytest_tiers.databases.engines.psycopg_cursors import watched

if TYPE_CHECKING:
    from pytest_tiers.databases.engines.line import Line


class _Info:
    """The connection's information, with the status of the checkout's own transaction."""

    def __init__(self, checkout: "PsycopgCheckout") -> None:
        self._checkout = checkout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkout.line.raw.info, name)

    @property
    def transaction_status(self) -> TransactionStatus:
        if not self._checkout.work.savepoints:
            return TransactionStatus.IDLE
        if self._checkout.work.failed:
            return TransactionStatus.INERROR
        status: TransactionStatus = self._checkout.line.raw.info.transaction_status
        return status


@dataclass(eq=False)
class Block:
    """What `transaction()` gives, as psycopg's own does."""

    connection: "PsycopgCheckout"
    savepoint_name: str


class PsycopgCheckout(Checkout):
    """A connection of psycopg. What it doesn't have, it takes from the one real connection."""

    own = frozenset(
        {
            "autocommit",
            "row_factory",
            "cursor_factory",
            "server_cursor_factory",
            "isolation_level",
            "read_only",
            "deferrable",
            "reads_only",
        }
    )

    def __init__(self, line: "Line") -> None:
        """Begin nothing."""
        super().__init__(line)
        set_ = object.__setattr__
        raw: psycopg.Connection[Any] = line.raw
        for name in ("row_factory", "cursor_factory", "server_cursor_factory"):
            set_(self, name, getattr(raw, name))
        set_(self, "info", _Info(self))

    # What is set on it

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return self.autocommits

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if bool(value) != self.autocommits and self.work.savepoints:
            raise psycopg.ProgrammingError(
                "can't change 'autocommit' now: connection in transaction status INTRANS"
            )
        self.autocommits = bool(value)

    def set_autocommit(self, value: bool) -> None:
        """Set whether each statement is a transaction of its own."""
        self.autocommit = value

    @property
    def isolation_level(self) -> Any:
        """That of all transactions."""
        return self.line.isolation

    @isolation_level.setter
    def isolation_level(self, value: Any) -> None:
        __tracebackhide__ = True
        if self.starting:
            self.line.begin_with(value)
        elif value is not None and int(value) != int(
            self.line.isolation or psycopg.IsolationLevel.READ_COMMITTED
        ):
            level = psycopg.IsolationLevel(int(value)).name.replace("_", " ")
            self.line.check_begin(f"ISOLATION LEVEL {level}")

    def set_isolation_level(self, value: Any) -> None:
        """Set that of all transactions to come."""
        self.isolation_level = value

    @property
    def read_only(self) -> bool | None:
        """Whether transactions to come only read."""
        return self.reads_only or None

    @read_only.setter
    def read_only(self, value: bool | None) -> None:
        self.reads_only = bool(value)

    def set_read_only(self, value: bool | None) -> None:
        """Set whether transactions to come only read."""
        self.read_only = value

    deferrable = None
    """Makes no difference but to serializable transactions that only read."""

    def set_deferrable(self, value: bool | None) -> None:
        """Take it, and do nothing: see `deferrable`."""

    # Statements

    def text_of(self, query: Any) -> str:
        """Return a statement as a text."""
        if isinstance(query, str):
            return query
        if isinstance(query, bytes):
            return query.decode(errors="replace")
        if isinstance(query, Composable):
            return query.as_string(self.line.raw)
        return "".join(part if isinstance(part, str) else "''" for part in query)  # a template string

    def with_parameters(self, query: Any, params: Any) -> str:
        """Return a statement with its parameters in it."""
        if not params:
            return self.text_of(query)
        return psycopg.ClientCursor(self.line.raw).mogrify(query, params)

    def cursor(
        self,
        name: str = "",
        *,
        binary: bool = False,
        row_factory: Any = None,
        scrollable: bool | None = None,
        withhold: bool = False,
    ) -> Any:
        """Return a cursor, of the server's if it has a name."""
        self._check_open()
        options: dict[str, Any] = {"row_factory": row_factory or self.row_factory}
        cursor: Any
        if name:
            kind = watched(self.server_cursor_factory)
            cursor = kind(self.line.raw, name, scrollable=scrollable, withhold=withhold, **options)
        else:
            cursor = watched(self.cursor_factory)(self.line.raw, **options)
        if binary:
            cursor.format = psycopg.pq.Format.BINARY
        cursor.checkout = self
        return cursor

    def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Any:
        """Execute a statement with a cursor of its own."""
        __tracebackhide__ = True
        return self.cursor(binary=binary).execute(query, params, prepare=prepare)

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator["Block"]:
        """Begin a transaction, or set a savepoint in the one that is open, until the end of the block."""
        __tracebackhide__ = True
        nested = bool(self.work.savepoints)
        if not nested:
            self.perform("BEGIN", lambda: None)
        block = Block(self, savepoint_name or "")
        name = f'"{savepoint_name or f"block {id(block)}"}"' if nested or savepoint_name else ""
        if name:
            self.perform(f"SAVEPOINT {name}", lambda: None)

        def end(*, back: bool) -> None:
            if nested and back:
                self.perform(f"ROLLBACK TO SAVEPOINT {name}", lambda: None)
            if nested:
                self.perform(f"RELEASE SAVEPOINT {name}", lambda: None)
            elif back:
                self.rollback()
            else:
                self.commit()

        try:
            yield block
        except psycopg.Rollback as rollback:
            end(back=True)
            if rollback.transaction is not None and rollback.transaction is not cast("object", block):
                raise
        except BaseException:
            end(back=True)
            raise
        else:
            end(back=force_rollback)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self.ended:
            (self.rollback if kind else self.commit)()
            self.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed, or lost."""
        return self.ended or self.line.raw.closed

    def notifies(self, *_: object, **__: object) -> Iterator[Any]:
        """Refuse what never comes."""
        __tracebackhide__ = True
        say(messages.LISTENS)
        return iter(())

    def closed_error(self) -> Exception:
        """Return what the driver raises on a closed connection."""
        return psycopg.OperationalError("the connection is closed")

    def in_failed_transaction(self) -> Exception:
        """Return what the server says in a transaction in which a statement has failed."""
        return psycopg.errors.InFailedSqlTransaction(
            "current transaction is aborted, commands ignored until end of transaction block"
        )
