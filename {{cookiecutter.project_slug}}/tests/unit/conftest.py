"""The unit tier: SQLite in memory, rolled back after each test; no network."""

from collections.abc import Iterator

import pytest
from pytest_tiers import rolled_back_engine
from sqlalchemy import Engine, create_engine

from {{ cookiecutter.package_name }}.models import Base


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Iterator[Engine]:
    """SQLite in memory with all tables, made once per worker. Whatever works on it is rolled back."""
    with rolled_back_engine(create_engine("sqlite://"), pytestconfig, Base.metadata) as engine:
        yield engine
