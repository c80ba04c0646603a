"""A suite with a database in three tiers, whose engines are rolled back."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_tiers.databases.address import Address
from pytest_tiers.databases.embedded import EmbeddedPostgres
from pytest_tiers.databases.engines.drivers import PsycopgDriver, SqliteDriver
from pytest_tiers.databases.engines.line import Line
from pytest_tiers.databases.engines.pool import LinePool
from pytest_tiers.databases.engines.scopes import Scopes
from rolled_back_shop import PYPROJECT, SHOP, TIERS
from sqlalchemy import create_engine
from suites import Suite
from tier_engines import Make, Tier

Shop = Callable[..., pytest.Pytester]


@pytest.fixture
def shop(suite: Suite, server: Address) -> Shop:
    """Writes the shop with some tests: `shop({"tests/unit/test_a.py": "…"})`, to be run with pytester."""

    def write(files: dict[str, str], *, tiers: str = TIERS) -> pytest.Pytester:
        written: pytest.Pytester = suite({**SHOP, **files}, tiers=tiers, pyproject=PYPROJECT, loaded="")
        return written

    return write


@pytest.fixture(scope="session")
def database_cache() -> Iterator[Path]:
    """A cache folder of these tests' own: they hold its server, and others look whether theirs has stopped."""
    with tempfile.TemporaryDirectory(prefix="tiers-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, the server is another user
        yield Path(folder)


@pytest.fixture(scope="session")
def server(database_cache: Path) -> Iterator[Address]:
    """A PostgreSQL server, that of the suites as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(database_cache))
        embedded = EmbeddedPostgres("shop")
    with embedded as address:
        yield address


@pytest.fixture(scope="session")
def database(server: Address) -> Iterator[str]:
    """The name of a database with a table."""
    name = f"isolation_{os.getpid()}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with server.connect(name) as connection:
        connection.execute("CREATE TABLE items (id serial PRIMARY KEY, name text UNIQUE)")
    yield name
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def on_postgresql(server: Address, database: str) -> Iterator[Make]:
    """Makes an engine on PostgreSQL that is rolled back; arguments are create_engine()'s."""
    opened = []

    def make(**options: object) -> Tier:
        scopes = Scopes()
        line = Line(lambda: PsycopgDriver(server.connect(database)), scopes)
        engine = create_engine(server.url(database), **options)
        engine.pool = LinePool(line, engine.dialect, engine.pool)
        opened.append(line)
        return Tier(engine, line, scopes)

    yield make
    for line in opened:
        line.close()
    with server.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (0,), "something was left"


@pytest.fixture
def on_sqlite() -> Make:
    """Makes an engine on SQLite in memory that is rolled back."""

    def make(**options: object) -> Tier:
        def connect() -> SqliteDriver:
            raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            raw.execute("CREATE TABLE items (id integer PRIMARY KEY, name text UNIQUE)")
            return SqliteDriver(raw)

        scopes = Scopes()
        line = Line(connect, scopes)
        engine = create_engine("sqlite://", **options)
        engine.pool = LinePool(line, engine.dialect, engine.pool)
        return Tier(engine, line, scopes)

    return make


@pytest.fixture
def postgresql(on_postgresql: Make) -> Iterator[Tier]:
    """Such an engine, in a test."""
    tier = on_postgresql()
    with tier.scope():
        yield tier
    with tier.scope(name="the next"):
        assert tier.names() == [], "something was left"


@pytest.fixture(params=["postgresql", "sqlite"])
def tier(request: pytest.FixtureRequest) -> Iterator[Tier]:
    """The same on both databases."""
    if request.param == "postgresql":
        yield request.getfixturevalue("postgresql")
        return
    tier = request.getfixturevalue("on_sqlite")()
    with tier.scope():
        yield tier
    with tier.scope(name="the next"):
        assert tier.names() == [], "something was left"
