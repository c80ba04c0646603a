"""SQLite in memory, for an engine that is rolled back."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, StaticPool, create_engine, event

from pytest_tiers.databases.engines.drivers import SqliteDriver
from pytest_tiers.databases.sqlite import NO_TABLE, _Compiler, create_tables
from pytest_tiers.guards import refuse

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext


class Memory:
    """Databases in memory with the tables of some metadata, one for each connection."""

    def __init__(self, metadata: MetaData | None) -> None:
        """Take the tables."""
        self._metadata = metadata if metadata is not None else MetaData()
        self.left_out: dict[str, str] = {}
        """The tables that SQLite can't hold as they are, and why."""

    def connect(self) -> SqliteDriver:
        """Open a new database."""
        # Endpoints run in worker threads. The driver's own transactions are off: it would begin them too late for savepoints.
        raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        raw.execute("PRAGMA foreign_keys = ON")
        self.left_out.update(
            create_tables(
                create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool), self._metadata
            )
        )
        return SqliteDriver(raw)


@contextmanager
def refusing(engine: "Engine", left_out: dict[str, str]) -> Iterator[None]:
    """Refuse what SQLite would leave out without a word, in queries and of tables, as long as the block lasts."""

    def say_why(context: "ExceptionContext") -> None:
        missing = re.fullmatch(r"no such table: (?:main\.)?(.+)", str(context.original_exception))
        if missing and missing[1] in left_out:
            refuse(NO_TABLE.format(table=missing[1], why=left_out[missing[1]]))

    compiler = engine.dialect.statement_compiler
    engine.dialect.statement_compiler = _Compiler
    event.listen(engine, "handle_error", say_why)
    try:
        yield
    finally:
        event.remove(engine, "handle_error", say_why)
        engine.dialect.statement_compiler = compiler
