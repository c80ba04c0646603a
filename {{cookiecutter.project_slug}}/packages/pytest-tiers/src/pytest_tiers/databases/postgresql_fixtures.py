"""pytest-postgresql's fixtures, on the server of the run and with its tables."""

from typing import TYPE_CHECKING

import pytest
from pytest_postgresql.executors import NoopExecutor

from pytest_tiers.databases.preparation import reported

if TYPE_CHECKING:
    from pytest_tiers.databases.address import Address
    from pytest_tiers.databases.templates import Databases


class MigratedServer(NoopExecutor):
    """The server, in the form that pytest-postgresql's client fixtures take: they clone `template_dbname`."""

    def __init__(self, server: "Address", *, dbname: str, template: str) -> None:
        """Take the server, a name for the tests' databases, and that of their template."""
        super().__init__(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            options="",
            dbname=dbname,
            maintenance_dbname=server.dbname,
        )
        self._template = template

    @property
    def template_dbname(self) -> str:
        """The migrated database."""
        return self._template


@pytest.fixture(scope="session")
def postgresql_noproc(databases: "Databases") -> NoopExecutor:
    """pytest-postgresql's view of the server; its `postgresql` gives a connection to a migrated database.

    For tests that were written for it: it makes a database for each test, as `committed_db` does, only slower.
    """
    with reported():
        return MigratedServer(databases.server, dbname=databases.reserve(), template=databases.template)


@pytest.fixture(scope="session")
def postgresql_proc(postgresql_noproc: NoopExecutor) -> NoopExecutor:
    """The same server, under the name that pytest-postgresql's own `postgresql` asks for."""
    return postgresql_noproc
