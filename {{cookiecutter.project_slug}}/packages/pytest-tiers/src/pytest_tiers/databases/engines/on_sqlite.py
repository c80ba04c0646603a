"""Checkouts of sqlite3."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from pytest_tiers.databases.engines.checkout import Checkout


class Watched(sqlite3.Cursor):
    """A cursor that shows its statements to its checkout."""

    checkout: "SqliteCheckout"

    @property
    def connection(self) -> Any:
        """The checkout."""
        return self.checkout

    def execute(self, sql: str, parameters: Any = (), /) -> "Watched":
        """Execute a statement."""
        __tracebackhide__ = True
        if self.checkout.perform(sql, lambda: super(Watched, self).execute(sql, parameters)) is None:
            super().execute("")
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> "Watched":
        """Execute a statement once for each of the parameters."""
        __tracebackhide__ = True
        self.checkout.perform(sql, lambda: super(Watched, self).executemany(sql, parameters))
        return self

    def executescript(self, sql_script: str, /) -> "Watched":
        """Execute statements; what is open is committed first, as the driver does."""
        __tracebackhide__ = True
        checkout = self.checkout
        checkout.commit()
        was, checkout.autocommits = checkout.autocommits, True
        try:
            for statement in _statements(sql_script):
                self.execute(statement)
        finally:
            checkout.autocommits = was
        return self


def _statements(script: str) -> list[str]:
    statements, current = [], ""
    for part in script.split(";")[:-1]:
        current += part + ";"
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    rest = current + script.rpartition(";")[2]
    return [text for text in [*statements, rest] if text.strip(" ;\n\t")]


class SqliteCheckout(Checkout):
    """A connection of sqlite3. What it doesn't have, it takes from the one real connection."""

    own = frozenset({"row_factory", "text_factory", "isolation_level", "autocommit"})

    def __init__(self, line: Any) -> None:
        """Begin nothing."""
        super().__init__(line)
        object.__setattr__(self, "row_factory", None)

    @property
    def isolation_level(self) -> str | None:
        """None for autocommit, as the driver has it."""
        return None if self.autocommits else "DEFERRED"

    @isolation_level.setter
    def isolation_level(self, value: str | None) -> None:
        self.autocommits = value is None

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction of its own is open."""
        return bool(self.work.savepoints)

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor."""
        self._check_open()
        kind = Watched if factory is None else type(factory.__name__, (Watched, factory), {})
        cursor = self.line.raw.cursor(kind)
        cursor.checkout = self
        if self.row_factory is not None:
            cursor.row_factory = self.row_factory
        return cursor

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Execute a statement with a cursor of its own."""
        __tracebackhide__ = True
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Execute a statement once for each of the parameters."""
        __tracebackhide__ = True
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> Any:
        """Execute statements."""
        __tracebackhide__ = True
        return self.cursor().executescript(sql_script)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        (self.rollback if kind else self.commit)()

    def closed_error(self) -> Exception:
        """Return what the driver raises on a closed connection."""
        return sqlite3.ProgrammingError("Cannot operate on a closed database.")

    def in_failed_transaction(self) -> Exception:
        """Return what can't be: SQLite goes on after a statement that failed."""
        return sqlite3.OperationalError("the transaction has failed")
