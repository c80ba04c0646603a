# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""SQLite in memory for the unit tier: nothing to provision, a few tenths of a millisecond per test.

It behaves as PostgreSQL would where it can: foreign keys are checked, and savepoints work. It doesn't stand in for
PostgreSQL: row locks are silently dropped, types are not checked, text is compared by bytes. What depends on those
belongs in tests/integration.
"""

from typing import Any

from sqlalchemy import Connection, Engine, MetaData, QueuePool, create_engine, event

from tests.plugins.rollback import Rollback


def memory_engine(metadata: MetaData) -> Engine:
    """Return an engine on a new database in memory that has the tables of `metadata`.

    It has one connection. Taking a second one raises TimeoutError, where a shared one would mix two transactions.
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

    metadata.create_all(engine)
    return engine


class MemoryRollback(Rollback):
    """Rollback on a database that `memory_engine` made."""

    def __init__(self, engine: Engine, metadata: MetaData) -> None:
        """Watch `engine`, whose database has the tables of `metadata`."""
        super().__init__(engine)
        self._metadata = metadata

    def rebuild(self) -> None:
        """Make the tables anew; the database went with its connection."""
        self._metadata.create_all(self._engine)
