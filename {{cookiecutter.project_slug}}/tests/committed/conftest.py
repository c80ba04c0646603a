"""The committed tier: a PostgreSQL database of its own for each test, for code that must really commit."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.database import create_sessionmaker


@pytest.fixture
def engine(committed_db: URL) -> Iterator[Engine]:
    """The test's own database, with as many connections as it takes."""
    engine = create_engine(committed_db)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Opens sessions that are independent of each other, each on a connection of its own."""
    return create_sessionmaker(engine)
