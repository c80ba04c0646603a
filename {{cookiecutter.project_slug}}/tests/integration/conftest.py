"""The integration tier: PostgreSQL, migrated by Alembic, rolled back after each test."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.database import create_sessionmaker

from tests.plugins.postgres import Databases
from tests.plugins.rollback import rolled_back


@pytest.fixture(scope="session")
def engine(worker_database: URL, databases: Databases) -> Iterator[Engine]:
    """This worker's database, over one connection; another one is refused."""
    engine = create_engine(worker_database, pool_size=1, max_overflow=0, pool_timeout=0)
    databases.close_behind(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine, databases: Databases, template_database: str) -> Iterator[sessionmaker[Session]]:
    """Opens sessions in a transaction that is rolled back after the test, whatever they commit."""

    def rebuild() -> None:
        databases.recreate(str(engine.url.database), template_database)
        databases.close_behind(engine)

    with rolled_back(engine, rebuild=rebuild) as connection:
        sessions = create_sessionmaker(connection)
        sessions.configure(join_transaction_mode="create_savepoint")
        yield sessions
