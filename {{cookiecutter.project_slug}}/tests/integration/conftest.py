"""The integration tier: PostgreSQL, migrated by Alembic, rolled back after each test."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.database import create_sessionmaker

from tests.plugins.rollback import rolled_back


@pytest.fixture(scope="session")
def engine(worker_database: URL) -> Iterator[Engine]:
    """This worker's database. It has one connection, because what a second one does isn't rolled back."""
    engine = create_engine(worker_database, pool_size=1, max_overflow=0, pool_timeout=0)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Iterator[sessionmaker[Session]]:
    """Opens sessions in a transaction that is rolled back after the test, whatever they commit."""
    with rolled_back(engine) as connection:
        yield create_sessionmaker(connection)
