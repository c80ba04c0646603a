"""Prepares PostgreSQL for a run, in the background while its tests are imported and collected: server, template, clone."""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.databases.address import Address, ServerError
from pytest_tiers.guards import unwatch
from pytest_tiers.guards.network import allow

if TYPE_CHECKING:
    from sqlalchemy import URL

    from pytest_tiers.databases.templates import Databases

NEEDED = ("psycopg", "pytest_postgresql", "platformdirs")
NOT_INSTALLED = (
    "PostgreSQL's fixtures need more than is installed here ({}): install pytest-tiers[postgresql]"
)
NO_TABLES = (
    "PostgreSQL: WARNING: the tests' databases are empty: there is neither an alembic.ini nor [tool.alembic],"
    " and [tool.tiers] has no `migrations`"
)
FIXTURES = "pytest_tiers.databases.fixtures"
WANTED = pytest.StashKey[bool]()
"""Set where a run needs PostgreSQL whatever its paths are."""
_PREPARER = pytest.StashKey["Preparer"]()


def missing() -> list[str]:
    """Return what isn't installed of what PostgreSQL's fixtures need."""
    return [name for name in NEEDED if find_spec(name) is None]


@contextmanager
def reported() -> Iterator[None]:
    """Fail with the message of a ServerError, which says enough without a traceback."""
    try:
        yield
    except ServerError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


class Preparation:
    """The server of a run, and in a process that runs tests, its databases."""

    def __init__(self, config: pytest.Config, options: argparse.Namespace) -> None:
        """Begin to look for the server. `options` are pytest's, as far as they are known."""
        from pytest_tiers.databases.server import Server

        self._config = config
        self._settings = settings_of(config)
        self._server = Server(options, self._settings.name)
        self._executor = ThreadPoolExecutor(1, "pytest_tiers.preparation", unwatch)
        self.address = self._executor.submit(self._find)
        self._databases: Future[Databases] | None = None
        self._worker_database: Future[URL] | None = None

    def clone(self) -> None:
        """Begin to make the worker's database, in a process that runs tests itself."""
        if self._databases is None:
            self._databases = self._executor.submit(self._connect)
            self._worker_database = self._executor.submit(self._clone, self._databases)

    @property
    def databases(self) -> "Databases":
        """What makes and drops databases. Raises ServerError."""
        assert self._databases is not None, "clone() comes first"  # noqa: S101
        return self._databases.result()

    @property
    def worker_database(self) -> "URL":
        """The URL of the worker's database. Raises ServerError."""
        assert self._worker_database is not None, "clone() comes first"  # noqa: S101
        return self._worker_database.result()

    def close(self) -> None:
        """Drop what is left, and let go of the server. Errors were reported to every test that needed it."""
        self._executor.shutdown()
        if self._databases is not None and self._databases.exception() is None:
            if self._worker_database is not None and self._worker_database.exception() is None:
                self.databases.drop(self.worker_database)
            self.databases.close()
        self._server.release()

    def _find(self) -> Address:
        address = self._server.find()
        allow(self._config, "database", address.host, address.port)
        return address

    def _connect(self) -> "Databases":
        from pytest_tiers.databases.templates import Databases

        return Databases(self.address.result(), self._settings)

    @staticmethod
    def _clone(databases: "Future[Databases]") -> "URL":
        return databases.result().clone()


class Preparer:
    """Knows when a run needs PostgreSQL, and begins to prepare it then.

    Where there are tiers, that is at once, if there is one with a database among the paths of the run: importing a project
    takes longer than to start the server. Where there are none, it is when tests were collected that ask for it.
    """

    def __init__(self, config: pytest.Config, *, early: bool) -> None:
        """Begin, if `early` and nothing is left to wait for."""
        self._config = config
        self._early = early
        self._preparation: Preparation | None = None
        config.stash[_PREPARER] = self
        given = [
            *config.invocation_params.args,
            *config.getini("addopts"),
            os.environ.get("PYTEST_ADDOPTS", ""),
        ]
        if early and not any("--postgresql" in str(argument) for argument in given):
            options = config.known_args_namespace
            self._begin(options, runs_tests=not getattr(options, "numprocesses", None))

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Do what could not be done before. The workers of xdist find the server that the controller started."""
        if self._early or WANTED in config.stash:
            self._begin(config.option, runs_tests=_runs_tests(config))

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Say which server is used, if it isn't the embedded one, and that nothing in it is touched."""
        said = []
        url = os.environ.get("TEST_DATABASE_URL")
        if url and not missing():
            from pytest_tiers.databases.server import described

            said.append(described(url))
        if self._early and settings_of(config).migrations is None:
            said.append(NO_TABLES)
        return said

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Begin behind the collection, where there are no tiers, and tests that ask for a database."""
        if self._preparation is None and any(map(_asks, session.items)) and not missing():
            self._begin(session.config.option, runs_tests=True)

    def prepared(self) -> Preparation:
        """Return what was prepared; it is now, if nobody could know that it would be needed."""
        absent = missing()
        if absent:
            pytest.fail(NOT_INSTALLED.format(", ".join(absent)), pytrace=False)
        preparation = self._preparation or self._prepare(self._config.option)
        preparation.clone()
        return preparation

    def _begin(self, options: argparse.Namespace, *, runs_tests: bool) -> None:
        if any(
            getattr(options, name, False)
            for name in ("collectonly", "help", "version", "markers", "showfixtures")
        ):
            return
        preparation = self._preparation or self._prepare(options)
        if runs_tests:
            preparation.clone()

    def _prepare(self, options: argparse.Namespace) -> Preparation:
        self._preparation = Preparation(self._config, options)
        self._config.add_cleanup(self._preparation.close)  # also called if a conftest can't be imported
        return self._preparation


def prepared(config: pytest.Config) -> Preparation:
    """Return PostgreSQL as it was prepared for a run. Fails the test where it isn't installed."""
    return config.stash[_PREPARER].prepared()


def _runs_tests(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)


def _asks(item: pytest.Item) -> bool:
    """Tell whether a test asks for a fixture of ours, not for one of its own that has the name."""
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return any(
        definition.func.__module__ == FIXTURES for found in definitions.values() for definition in found[-1:]
    )
