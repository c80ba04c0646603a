"""The integration tier: PostgreSQL, migrated by Alembic, rolled back after each test."""

from collections.abc import Iterator

import pytest
from pytest_tiers import rolled_back_engine
from sqlalchemy import URL, Engine, create_engine


@pytest.fixture(scope="session")
def engine(worker_database: URL, pytestconfig: pytest.Config) -> Iterator[Engine]:
    """This worker's database. Whatever works on it is rolled back."""
    with rolled_back_engine(create_engine(worker_database), pytestconfig) as engine:
        yield engine
