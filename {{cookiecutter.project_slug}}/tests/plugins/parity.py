# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""The unit tier, unchanged, on PostgreSQL, for `nox -s parity`, which loads this with `-p tests.plugins.parity`.

In place of `engine` and `rollback` of tests/unit/conftest.py tests get those of a database on PostgreSQL.
"""

from collections.abc import Generator
from typing import Any

import pytest
from sqlalchemy import create_engine

from tests.plugins import network


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `tools.parity` passes."""
    parser.addoption("--on-postgresql", action="store_true", help="run the unit tier on PostgreSQL")


def pytest_configure(config: pytest.Config) -> None:
    """Let the unit tier reach the database."""
    if config.option.on_postgresql:
        network.tiers_without_database.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Any:
    """Give the unit tier a database on PostgreSQL."""
    if not request.config.option.on_postgresql or fixturedef.baseid != "tests/unit":
        return None
    value: Any
    if fixturedef.argname == "engine":
        url = request.getfixturevalue("worker_database")
        value = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0)
        fixturedef.addfinalizer(value.dispose)
    elif fixturedef.argname == "rollback":
        from tests.plugins.postgres import PostgresRollback

        value = PostgresRollback(request.getfixturevalue("engine"), request.getfixturevalue("databases"))
    else:
        return None
    fixturedef.cached_result = (value, fixturedef.cache_key(request), None)  # type: ignore[arg-type]
    return value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the declared difference to the report, which goes into the report log."""
    report = yield
    marker = item.get_closest_marker("differs")
    if marker is not None:
        report.__dict__["differs"] = marker.kwargs["reason"]
    return report
