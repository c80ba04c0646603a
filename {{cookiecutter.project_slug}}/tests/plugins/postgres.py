# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Fixtures on PostgreSQL: one server for all workers, migrated once, a clone for whoever needs a database."""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from pytest_postgresql.executors import NoopExecutor
from sqlalchemy import URL, Engine

from tests.plugins import guards, network
from tests.plugins.databases import Databases
from tests.plugins.rollback import ENDED, Rollback
from tests.plugins.server import Server, described
from tools.embedded_postgres import Address, ServerError

_PREPARATION = pytest.StashKey["Preparation"]()
DEFERRED = (
    "The test committed what a deferred constraint refuses:\n{error}\n"
    "In production commit() would fail. To test that, use tests/committed, or `committed_db`."
)
UNDO = (
    "ROLLBACK TO SAVEPOINT guard; ROLLBACK;"
    # What a rollback leaves: locks of the session, PREPARE, and what currval() says.
    " SELECT pg_advisory_unlock_all(); DEALLOCATE ALL; DISCARD SEQUENCES"
)


@contextmanager
def _reported() -> Iterator[None]:
    """Fail with the message of a ServerError, which says enough without a traceback."""
    try:
        yield
    except ServerError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


class PostgresRollback(Rollback):
    """Rollback on PostgreSQL: checks deferred constraints, and puts back what a rollback leaves.

    Two trips to the server for each test: what they carry costs less than each further trip, by way of SQLAlchemy, would.
    """

    def __init__(self, engine: Engine, databases: Databases) -> None:
        """Watch `engine`, on the worker's database, and close that to everybody else."""
        super().__init__(engine)
        self._databases = databases
        with _reported():
            databases.close_behind(engine)

    def rebuild(self) -> None:
        """Make the worker's database anew."""
        with _reported():
            self._databases.replace(self._engine)

    def begin(self, driver: psycopg.Connection[Any]) -> None:
        """Begin the transaction, and set the savepoint that tells whether it is still the same."""
        driver.pgconn.exec_(b"BEGIN; SAVEPOINT guard")

    def end(self, driver: psycopg.Connection[Any]) -> str | None:
        """Roll back. Returns what couldn't be, or what a deferred constraint refuses; None if all is well."""
        failed = driver.info.transaction_status == TransactionStatus.INERROR
        try:
            driver.execute(UNDO if failed else f"SET CONSTRAINTS ALL IMMEDIATE; {UNDO}", prepare=False)
        except psycopg.errors.InvalidSavepointSpecification:
            return ENDED.format(what="COMMIT or ROLLBACK on the driver's own connection")
        except psycopg.OperationalError as error:
            return f"The connection to the worker's database was lost: {str(error).strip()}"
        except psycopg.Error as error:
            return DEFERRED.format(error=str(error).strip().partition("\n")[0])
        return None


class Preparation:
    """What the tests of this process need, prepared in the background while they are imported and collected."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Begin to look for the server."""
        self._executor = ThreadPoolExecutor(1, "tests.plugins.preparation", guards.unwatch)
        self._server = Server(options)
        self.address = self._executor.submit(self._find)
        self.databases: Future[Databases] | None = None

    def _find(self) -> Address:
        address = self._server.find()
        network.allow("database", address.host, address.port)
        return address

    def clone(self) -> None:
        """Begin to make the worker's database, in a process that runs tests itself."""
        if self.databases is None:
            self.databases = self._executor.submit(lambda: Databases(self.address.result()))
            self.worker_database = self._executor.submit(self._clone)

    def _clone(self) -> URL:
        assert self.databases is not None
        return self.databases.result().clone()

    def close(self) -> None:
        """Drop what is left, and let go of the server. Errors were reported to every test that needed it."""
        self._executor.shutdown()
        if self.databases is not None and self.databases.exception() is None:
            if self.worker_database.exception() is None:
                self.databases.result().drop(self.worker_database.result())
            self.databases.result().close()
        self._server.release()


def prepare(config: pytest.Config) -> None:
    """Begin as early as is known what to do: importing the service takes longer than to start the server."""
    options = config.known_args_namespace
    waits_for_options = any(str(given).startswith("--postgresql") for given in config.invocation_params.args)
    if not waits_for_options:
        _begin(config, options, runs_tests=not options.numprocesses)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Do what could not be done before. The workers of xdist find the server that the controller started."""
    runs_tests = hasattr(config, "workerinput") or not config.option.numprocesses
    _begin(config, config.option, runs_tests=runs_tests)


def _begin(config: pytest.Config, options: argparse.Namespace, *, runs_tests: bool) -> None:
    if options.collectonly or options.help or options.version:
        return
    if _PREPARATION not in config.stash:
        config.stash[_PREPARATION] = Preparation(options)
        config.add_cleanup(config.stash[_PREPARATION].close)  # also called if a conftest can't be imported
    if runs_tests:
        config.stash[_PREPARATION].clone()


def pytest_report_header() -> str | None:
    """Say which server is used, if it isn't the embedded one, and that nothing in it is touched."""
    url = os.environ.get("TEST_DATABASE_URL")
    return described(url) if url else None


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Address:
    """Where the PostgreSQL server of this run is."""
    with _reported():
        return pytestconfig.stash[_PREPARATION].address.result()


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config) -> Databases:
    """What makes and drops databases on the server."""
    databases = pytestconfig.stash[_PREPARATION].databases
    assert databases is not None
    with _reported():
        return databases.result()


@pytest.fixture(scope="session")
def worker_database(pytestconfig: pytest.Config) -> URL:
    """The URL of this worker's database, where each test is rolled back."""
    with _reported():
        return pytestconfig.stash[_PREPARATION].worker_database.result()


@pytest.fixture
def committed_db(databases: Databases) -> Iterator[URL]:
    """The URL of a migrated database of the test's own: for real commits, several connections, locks, LISTEN."""
    with _reported():
        url = databases.clone()
    yield url
    databases.drop(url)


class _MigratedServer(NoopExecutor):
    """The server, in the form that pytest-postgresql's client fixtures take: they clone `template_dbname`."""

    def __init__(self, server: Address, *, dbname: str, template: str) -> None:
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
        return self._template


@pytest.fixture(scope="session")
def postgresql_noproc(databases: Databases) -> NoopExecutor:
    """pytest-postgresql's view of the server; its `postgresql` gives a connection to a migrated database.

    For tests that were written for it: it makes a database for each test, as `committed_db` does, only slower.
    """
    with _reported():
        return _MigratedServer(databases.server, dbname=databases.reserve(), template=databases.template)


@pytest.fixture(scope="session")
def postgresql_proc(postgresql_noproc: NoopExecutor) -> NoopExecutor:
    """The same server, under the name that pytest-postgresql's own `postgresql` asks for."""
    return postgresql_noproc
