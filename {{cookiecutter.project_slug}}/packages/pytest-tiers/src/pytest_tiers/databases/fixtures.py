"""Fixtures on PostgreSQL: one server for all workers, migrated once, a clone for whoever needs a database."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_tiers.databases.preparation import prepared, reported

if TYPE_CHECKING:
    from sqlalchemy import URL

    from pytest_tiers.databases.address import Address
    from pytest_tiers.databases.templates import Databases


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> "Address":
    """Where the PostgreSQL server of this run is: `host`, `port`, `user`, `password`."""
    with reported():
        return prepared(pytestconfig).address.result()


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config) -> "Databases":
    """Makes and drops databases on the server: `databases.clone()` returns the URL of one that is migrated."""
    with reported():
        return prepared(pytestconfig).databases


@pytest.fixture(scope="session")
def worker_database(pytestconfig: pytest.Config) -> "URL":
    """The URL of this worker's database, which is migrated, and lasts as long as the run."""
    with reported():
        return prepared(pytestconfig).worker_database


@pytest.fixture
def committed_db(databases: "Databases") -> Iterator["URL"]:
    """The URL of a migrated database of the test's own: for real commits, several connections, locks, LISTEN."""
    with reported():
        url = databases.clone()
    yield url
    databases.drop(url)
