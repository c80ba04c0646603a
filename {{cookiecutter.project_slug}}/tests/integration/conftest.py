"""The integration tier: PostgreSQL, migrated by Alembic, rolled back after each test."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.database import create_sessionmaker

from tests.plugins.databases import Databases
from tests.plugins.postgres import PostgresRollback
from tests.plugins.rollback import Rollback


@pytest.fixture(scope="session")
def engine(worker_database: URL) -> Iterator[Engine]:
    """This worker's database, over one connection; another one is refused."""
    engine = create_engine(worker_database, pool_size=1, max_overflow=0, pool_timeout=0)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def rollback(engine: Engine, databases: Databases) -> Rollback:
    """Gives each test a transaction on the worker's one connection, and takes it back."""
    return PostgresRollback(engine, databases)


@pytest.fixture
def sessions(rollback: Rollback) -> Iterator[sessionmaker[Session]]:
    """Opens sessions in a transaction that is rolled back after the test, whatever they commit."""
    with rollback.transaction() as connection:
        sessions = create_sessionmaker(connection)
        sessions.configure(join_transaction_mode="create_savepoint")
        yield sessions
