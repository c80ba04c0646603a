# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Rollback per test, for any database that has savepoints.

A test that ends the transaction around it (COMMIT in raw SQL, a commit on the connection itself) fails by name, and the
next one finds a database made anew. What a second connection does isn't seen here: SQLite's pool and PostgreSQL, which is
told to, refuse it.

Costs 1.3 ms per test on PostgreSQL and 0.6 ms on SQLite, of which the savepoint that shows the leak takes 0.6 and 0.1.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

LEAKED = (
    "The test ended the transaction around it: COMMIT or ROLLBACK in raw SQL, or on the connection itself.\n"
    "Use the session's own; what must really commit belongs in tests/committed, or takes `committed_db`.\n"
    "The next test gets a new database."
)


@contextmanager
def rolled_back(engine: Engine, *, rebuild: Callable[[], None]) -> Iterator[Connection]:
    """Give a connection in a transaction that is rolled back at the end.

    Sessions on it that were made with `join_transaction_mode="create_savepoint"` may commit and roll back as they like.
    One at a time: they share the connection, so they have to nest, as a request does within a test.

    Fails the test if the transaction was ended by anybody else, and has `rebuild` make the engine's database anew.
    """
    with engine.connect() as connection:
        transaction = connection.begin()
        # Whatever ends the transaction takes this along. SQLAlchemy needn't know of it.
        connection.exec_driver_sql("SAVEPOINT guard")
        yield connection
        intact = transaction.is_active
        try:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT guard")
        except SQLAlchemyError:
            intact = False
        if intact:
            transaction.rollback()
        else:
            connection.invalidate()
    if not intact:
        engine.dispose()
        rebuild()
        pytest.fail(LEAKED, pytrace=False)
