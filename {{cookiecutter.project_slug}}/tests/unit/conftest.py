"""The unit tier: SQLite in memory, rolled back after each test; no network."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.database import create_sessionmaker
from {{ cookiecutter.package_name }}.models import Base

from tests.plugins.rollback import Rollback
from tests.plugins.sqlite import MemoryRollback, memory_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """SQLite in memory with all tables, made once per worker."""
    engine = memory_engine(Base.metadata)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def rollback(engine: Engine) -> Rollback:
    """Gives each test a transaction on the worker's one connection, and takes it back."""
    return MemoryRollback(engine, Base.metadata)


@pytest.fixture
def sessions(rollback: Rollback) -> Iterator[sessionmaker[Session]]:
    """Opens sessions in a transaction that is rolled back after the test, whatever they commit."""
    with rollback.transaction() as connection:
        sessions = create_sessionmaker(connection)
        sessions.configure(join_transaction_mode="create_savepoint")
        yield sessions
