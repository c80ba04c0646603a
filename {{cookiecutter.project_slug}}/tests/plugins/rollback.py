# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Rollback per test, for any database that has savepoints."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that is rolled back at the end.

    Sessions on it that were made with `join_transaction_mode="create_savepoint"` may commit and roll back as they like.
    One at a time: they share the connection, so they have to nest, as a request does within a test.
    """
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()
