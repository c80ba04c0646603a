"""SQLite in memory for the unit tier: nothing to provision, a few tenths of a millisecond per test.

It behaves as PostgreSQL would where it can: foreign keys are checked, and savepoints work. What it can't hold, or would
silently drop, is refused: tables, when a test touches them, and queries. It doesn't stand in for PostgreSQL: types are not
checked, text is compared by bytes. `tiers parity` finds the tests for which that makes a difference.
"""

import re
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, QueuePool, Sequence, Table, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import CompileError, DatabaseError

from pytest_tiers.databases.rollback import Rollback
from pytest_tiers.guards import refuse

NO_TABLE = (
    "The test uses the table {table}, and the unit tier doesn't have it: {why}.\n"
    "What needs it belongs in the integration tier. Or give the column a type that SQLite holds as well:\n"
    'JSON().with_variant(JSONB(), "postgresql").'
)
NO_QUERY = (
    "The test runs a query with {what}, which SQLite leaves out.\n"
    "What is tested is something else then: it belongs in the integration tier, or in the committed one if several connections\n"
    "take part."
)


class _Compiler(SQLiteCompiler):
    """Refuses what the dialect leaves out without a word."""

    def for_update_clause(self, select: Any, **_: Any) -> str:
        # A plain FOR UPDATE makes no difference: on one connection nobody is locked out.
        if select._for_update_arg.skip_locked or select._for_update_arg.nowait:
            lock = "SKIP LOCKED" if select._for_update_arg.skip_locked else "NOWAIT"
            refuse(NO_QUERY.format(what=f"FOR UPDATE {lock}"))
        return ""

    def get_select_precolumns(self, select: Any, **options: Any) -> str:
        if (
            select._distinct_on
        ):  # of `distinct(column)`; what SQLAlchemy 2.1 has in its place, SQLite itself refuses
            refuse(NO_QUERY.format(what="DISTINCT ON"))
        return str(super().get_select_precolumns(select, **options))


def _dropped(table: Table) -> str:
    """Return what SQLite would leave out of a table without a word; nothing if all is well."""
    for column in table.columns:
        if column.identity is not None and column.identity.always:
            return f"GENERATED ALWAYS of {column.name} would be left out"
        if isinstance(column.default, Sequence):
            return f"the sequence of {column.name} would be left out"
    parts: list[Any] = [*table.indexes, *table.constraints]
    for part in parts:
        options = set(part.dialect_kwargs)
        if "postgresql_nulls_not_distinct" in options:
            return f"NULLS NOT DISTINCT of {part.name} would be left out"
        if getattr(part, "unique", False) and "postgresql_where" in options and "sqlite_where" not in options:
            return f"the condition of the unique index {part.name} would be left out (there is sqlite_where, too)"
    return ""


def create_tables(engine: Engine, metadata: MetaData) -> dict[str, str]:
    """Create the tables that SQLite can hold as they are; return the others, with the reason why not."""
    left_out = {}
    for table in metadata.sorted_tables:
        why = _dropped(table)
        if not why:
            try:
                metadata.create_all(engine, tables=[table])
            except (CompileError, DatabaseError) as error:
                why = f"SQLite can't hold it ({str(error).splitlines()[0]})"
        if why:
            left_out[table.name] = why
    return left_out


def memory_engine(metadata: MetaData) -> Engine:
    """Return an engine on a new database in memory that has the tables of `metadata`.

    It has one connection. Taking a second one raises TimeoutError, where a shared one would mix two transactions. What
    SQLite can't hold is left out, and a test that uses it fails.
    """
    engine = create_engine(
        "sqlite://",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=0,
        # Endpoints run in worker threads. The driver's own transactions are off: it would begin them too late for
        # savepoints, and commit before DDL.
        connect_args={"check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _check_foreign_keys(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    engine.dialect.statement_compiler = _Compiler
    left_out = create_tables(engine, metadata)

    @event.listens_for(engine, "handle_error")
    def _say_why(context: ExceptionContext) -> None:
        missing = re.fullmatch(r"no such table: (?:main\.)?(.+)", str(context.original_exception))
        if missing and missing[1] in left_out:
            refuse(NO_TABLE.format(table=missing[1], why=left_out[missing[1]]))

    return engine


class MemoryRollback(Rollback):
    """Rollback on a database that `memory_engine` made."""

    def __init__(self, engine: Engine, metadata: MetaData) -> None:
        """Watch `engine`, whose database has the tables of `metadata`."""
        super().__init__(engine)
        self._metadata = metadata

    def rebuild(self) -> None:
        """Make the tables anew; the database went with its connection."""
        create_tables(self._engine, self._metadata)
