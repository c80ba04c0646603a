"""A pool whose connections are all the tier's one connection."""

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from pytest_tiers.databases.engines.checkout import Checkout
from pytest_tiers.databases.engines.line import Line


def checkout_of(line: Line) -> Checkout:
    """Return a new connection on a line."""
    if line.is_sqlite:
        from pytest_tiers.databases.engines.on_sqlite import SqliteCheckout

        return SqliteCheckout(line)
    from pytest_tiers.databases.engines.on_psycopg import PsycopgCheckout

    return PsycopgCheckout(line)


class LinePool(Pool):
    """Hands out checkouts of a line, as many as are asked for.

    Listeners to "connect" set up each of them, the first ones outside of any transaction, so that what they set stays. What
    they set within one is gone with it, and so is that checkout.
    """

    def __init__(self, line: Line, dialect: Dialect, like: Pool) -> None:
        """Take a line, and the listeners of the pool that this stands in for."""
        self._line = line
        self._idle: list[ConnectionPoolEntry] = []
        super().__init__(self._begin, dialect=dialect, echo=like.echo, _dispatch=like.dispatch)

    def _begin(self) -> Any:
        checkout = checkout_of(self._line)
        checkout.starting = True
        return checkout

    def _do_get(self) -> ConnectionPoolEntry:
        while self._idle:
            entry = self._idle.pop()
            checkout: Any = entry.dbapi_connection
            if checkout is not None and not checkout.ended and checkout.is_usable():
                return entry
        entry = self._create_connection()
        started: Any = entry.dbapi_connection
        started.starting = False
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._idle.append(record)

    def dispose(self) -> None:
        """Close the connections that nobody has."""
        idle, self._idle = self._idle, []
        for entry in idle:
            entry.close()

    def recreate(self) -> "LinePool":
        """Return a new one on the same line."""
        return LinePool(self._line, self._dialect, self)  # type: ignore[arg-type]

    def status(self) -> str:
        """Say what it is."""
        return "the tier's one connection, which is rolled back"
