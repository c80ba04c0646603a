# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""PostgreSQL for the tests: one server for all workers, migrated once, a clone for whoever needs a database.

The server is TEST_DATABASE_URL's, else that of pytest-postgresql's option --postgresql-host, else the embedded one.
Alembic fills a template database whose name is a digest of the migrations; while they don't change, neither the other
workers nor the next run migrate again. Every worker, and every test with `committed_db`, gets a clone of it: 20 to 70 ms,
whatever the number of migrations.

A process owns its databases by holding an advisory lock on each one's name. That tells those of a killed run, which the
next run drops, from those of a run beside this one.
"""

import argparse
import hashlib
import os
import uuid
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from sqlalchemy import URL, Connection, Engine, create_engine

from tools.embedded_postgres import Address, EmbeddedPostgres, ServerError, project_name

OLDEST = 15
"""The first version with a choice of strategy for CREATE DATABASE."""

REMEDY = "Correct it, or unset it to use the embedded server"
SECOND_CONNECTION = (
    "The test opened another connection to the worker's database, whose work couldn't be rolled back.\n"
    "Use db_session's; what needs several connections belongs in tests/committed, or takes `committed_db`."
)
ROOT = Path(__file__).parents[2]
_SERVER = pytest.StashKey["_Server"]()


class _Server:
    """The server of this run, looked for in the background while the tests are collected."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._embedded: EmbeddedPostgres | None = None
        executor = ThreadPoolExecutor(max_workers=1)
        self._address: Future[Address] = executor.submit(self._find)
        executor.shutdown(wait=False)

    def _find(self) -> Address:
        url = os.environ.get("TEST_DATABASE_URL")
        if url:
            return _checked(_parsed(url), "TEST_DATABASE_URL")
        given = self._options
        if given.postgresql_host:
            address = Address(
                host=given.postgresql_host,
                port=int(given.postgresql_port or 5432),
                user=given.postgresql_user or "postgres",
                password=given.postgresql_password,
                dbname=given.postgresql_maintenance_dbname or "postgres",
            )
            return _checked(address, "--postgresql-host")
        self._embedded = EmbeddedPostgres()
        return self._embedded.acquire()

    def address(self) -> Address:
        """Wait for the server. Raises ServerError."""
        return self._address.result()

    def release(self) -> None:
        """Let go of the server. An error was reported already to every test that needed it."""
        if self._address.exception() is None and self._embedded is not None:
            self._embedded.release()


def _parsed(url: str) -> Address:
    # SQLAlchemy's form is taken as well: it is what people have in their DATABASE_URL.
    scheme, separator, rest = url.partition("://")
    try:
        given = conninfo_to_dict(scheme.partition("+")[0] + separator + rest)
        port = int(given.get("port") or 5432)
    except (psycopg.Error, ValueError):
        # Without the error's own message, which shows the password.
        raise ServerError(
            f"TEST_DATABASE_URL is not a URL of PostgreSQL: postgresql://user:password@host:port/postgres\n{REMEDY}"
        ) from None
    for option in Conninfo.get_defaults():
        # The rest, such as sslmode, by way of libpq's environment: so it holds for every connection of this process.
        keyword = option.keyword.decode()
        if (
            option.envvar
            and keyword in given
            and keyword not in ("host", "port", "user", "password", "dbname")
        ):
            os.environ[option.envvar.decode()] = str(given[keyword])
    return Address(
        host=str(given.get("host", "localhost")),
        port=port,
        user=str(given.get("user", "postgres")),
        password=str(given["password"]) if "password" in given else None,
        dbname=str(given.get("dbname", "postgres")),
    )


def _checked(address: Address, source: str) -> Address:
    """Return `address` if databases can be made there. Raises ServerError, which names `source`, within 5 s."""
    try:
        with address.connect(connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        raise ServerError(f"{source} can't be used: {str(error).strip()}\n{REMEDY}") from None
    if version < OLDEST:
        raise ServerError(f"{source} is PostgreSQL {version}, too old: use {OLDEST} or newer")
    if row != (True,):
        raise ServerError(f"{source}: user {address.user} may not create databases: ALTER ROLE … CREATEDB")
    return address


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start looking for the server. The workers of xdist find the one that the controller started."""
    if config.option.collectonly or config.option.help or config.option.version:
        return
    config.stash[_SERVER] = _Server(config.option)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what to do where a test was refused a second connection: the server's own words don't."""
    report = yield
    if report.failed and "is not currently accepting connections" in report.longreprtext:
        report.sections.append(("Second connection", SECOND_CONNECTION))
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of the server; the last one out stops it."""
    if _SERVER in config.stash:
        config.stash[_SERVER].release()


def _prefix() -> str:
    # A database's name has 63 bytes.
    return project_name().replace("-", "_").replace(".", "_")[:24] + "_tests_"


def _migrations_digest(server_version: int) -> str:
    digest = hashlib.sha256(str(server_version).encode())
    for path in sorted((ROOT / "migrations").rglob("*")):
        if path.suffix in (".py", ".sql") and path.is_file():
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def database_url(server: Address, name: str) -> URL:
    """Return SQLAlchemy's URL of a database on `server`. The host, perhaps a folder, is a query parameter."""
    return URL.create(
        "postgresql+psycopg",
        username=server.user,
        password=server.password,
        port=server.port,
        database=name,
        query={"host": server.host},
    )


def alembic_upgrade(connection: Connection) -> None:
    """Run all migrations on `connection`."""
    # Imported here: a run whose template database exists needs no Alembic, which takes 0.7 s to import.
    from alembic import command
    from alembic.config import Config

    config = Config(toml_file=ROOT / "pyproject.toml", attributes={"connection": connection})
    command.upgrade(config, "head")
    connection.commit()


class Databases:
    """Makes and drops this process's databases on the server, over one connection that holds their locks."""

    def __init__(self, server: Address) -> None:
        """Connect, and drop what killed runs left behind."""
        self.server = server
        self._admin = server.connect()
        fsync = self._admin.execute("SHOW fsync").fetchone()
        # Copying files beats writing them to the log, but only where the copies needn't be flushed to the disk.
        self._strategy = "FILE_COPY" if fsync == ("off",) else "WAL_LOG"
        self._reap()

    def template(self) -> str:
        """Return the name of the template database, built first if the migrations changed.

        Of several processes one builds, under a temporary name; the others wait for its lock.
        """
        name = f"{_prefix()}template_{_migrations_digest(self._admin.info.server_version)}"
        if not self._exists(name):
            self._lock(name)
            try:
                if not self._exists(name):
                    self._build(name)
            finally:
                self._unlock(name)
        return name

    def reserve(self) -> str:
        """Return a name that nobody has, and that is this process's from now on."""
        name = f"{_prefix()}{uuid.uuid4().hex[:12]}"
        self._lock(name)
        return name

    def clone(self, template: str) -> str:
        """Return the name of a new database, equal to `template`."""
        name = self.reserve()
        self._create(name, template)
        return name

    def recreate(self, name: str, template: str) -> None:
        """Replace a database that this process made by a new one of the same name."""
        self._drop(name)
        self._create(name, template)

    def close_behind(self, engine: Engine) -> None:
        """Connect `engine`, then close its database to everybody else.

        What a second connection does couldn't be rolled back. Whoever opens one, with whatever library, is refused
        by the server, in the test that does it.
        """
        with engine.connect():
            name = sql.Identifier(str(engine.url.database))
            self._admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))

    def drop(self, name: str) -> None:
        """Drop a database that this process made, and whatever is still connected to it."""
        self._drop(name)
        self._unlock(name)

    def _create(self, name: str, template: str) -> None:
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.SQL(self._strategy)
            )
        )

    def _drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        """Close the connection, and with it all locks."""
        self._admin.close()

    def _build(self, name: str) -> None:
        temporary = f"{name}_new"
        janitor = DatabaseJanitor(
            user=self.server.user,
            password=self.server.password,
            host=self.server.host,
            port=self.server.port,
            dbname=temporary,
            maintenance_dbname=self.server.dbname,
            connection_timeout=5,
        )
        janitor.drop()  # left by a process that was killed while it built
        janitor.init()
        try:
            janitor.load(self._migrate)
            identifier = sql.Identifier(temporary)
            # Closed before it has its final name: a single connection to it would make every clone fail.
            self._admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(identifier))
            self._admin.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(identifier, sql.Identifier(name))
            )
        except BaseException:
            janitor.drop()
            raise

    def _migrate(self, *, dbname: str, **_: object) -> None:
        engine = create_engine(database_url(self.server, dbname))
        try:
            with engine.connect() as connection:
                alembic_upgrade(connection)
        finally:
            engine.dispose()

    def _reap(self) -> None:
        rows = self._admin.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND NOT starts_with(datname, %s)",
            [_prefix(), f"{_prefix()}template_"],
        ).fetchall()
        for (name,) in rows:
            row = self._admin.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
            if row == (True,):
                self.drop(name)

    def _exists(self, name: str) -> bool:
        return (
            self._admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None
        )

    def _lock(self, name: str) -> None:
        self._admin.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])

    def _unlock(self, name: str) -> None:
        self._admin.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Address:
    """Where the PostgreSQL server of this run is."""
    try:
        return pytestconfig.stash[_SERVER].address()
    except ServerError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


@pytest.fixture(scope="session")
def databases(postgres_server: Address) -> Iterator[Databases]:
    """What makes and drops databases on the server."""
    databases = Databases(postgres_server)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def template_database(databases: Databases) -> str:
    """The name of the migrated database that all others are cloned from. Nobody can connect to it."""
    return databases.template()


@pytest.fixture(scope="session")
def worker_database(databases: Databases, template_database: str) -> Iterator[URL]:
    """The URL of this worker's database, where each test is rolled back."""
    name = databases.clone(template_database)
    yield database_url(databases.server, name)
    databases.drop(name)


@pytest.fixture
def committed_db(databases: Databases, template_database: str) -> Iterator[URL]:
    """The URL of a migrated database of the test's own: for real commits, several connections, locks, LISTEN."""
    name = databases.clone(template_database)
    yield database_url(databases.server, name)
    databases.drop(name)


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
def postgresql_noproc(databases: Databases, template_database: str) -> NoopExecutor:
    """pytest-postgresql's view of the server; its `postgresql` gives a connection to a migrated database.

    For tests that were written for it: it makes a database for each test, as `committed_db` does, only slower.
    """
    return _MigratedServer(databases.server, dbname=databases.reserve(), template=template_database)


@pytest.fixture(scope="session")
def postgresql_proc(postgresql_noproc: NoopExecutor) -> NoopExecutor:
    """The same server, under the name that pytest-postgresql's own `postgresql` asks for."""
    return postgresql_noproc
