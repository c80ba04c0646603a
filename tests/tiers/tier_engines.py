"""An engine whose commits are savepoints, without pytest around it: what the tests of isolation work on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_tiers.databases.engines.line import Line
from pytest_tiers.databases.engines.scopes import Scope, Scopes
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session


@dataclass
class Tier:
    """An engine whose commits are savepoints, and the scopes that it is told of."""

    engine: Engine
    line: Line
    scopes: Scopes

    @contextmanager
    def scope(self, kind: str = "test", name: str = "this") -> Iterator[Scope]:
        """Open a scope, and let it end."""
        scope = Scope(kind, name)
        self.scopes.open.append(scope)
        try:
            yield scope
        finally:
            self.scopes.open.remove(scope)
            self.line.end_scope(scope)

    @contextmanager
    def working_in(self, scope: Scope) -> Iterator[None]:
        """Be a fixture of a wider scope meanwhile."""
        self.scopes.working.append(scope)
        try:
            yield
        finally:
            self.scopes.working.remove(scope)

    def names(self) -> list[str]:
        """Return what is in the table, to another session."""
        with self.engine.connect() as connection:
            return sorted(connection.scalars(text("SELECT name FROM items")))


Make = Callable[..., Tier]
"""Makes one; its arguments are create_engine()'s."""


def add(on: Connection | Session, name: str) -> None:
    """Insert a row."""
    on.execute(text("INSERT INTO items (name) VALUES (:name)"), {"name": name})


def read(on: Connection | Session) -> list[str]:
    """Return the names of all rows."""
    return sorted(on.scalars(text("SELECT name FROM items")))
