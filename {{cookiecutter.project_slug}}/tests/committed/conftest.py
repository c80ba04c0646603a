"""The committed tier: a PostgreSQL database of its own for each test, for code that must really commit."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, create_engine


@pytest.fixture
def engine(committed_db: URL) -> Iterator[Engine]:
    """The test's own database, with as many connections as it takes."""
    engine = create_engine(committed_db)
    yield engine
    engine.dispose()
