"""The ways to give a test a clean database, side by side: the same two tests for each of them.

The service's own tiers run them in their own folders, with their own conftests: see `TIER` in benchmarks/database.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TypeAlias

import psycopg
import pytest
from helpdesk.models import Base, Customer, Ticket
from pytest_postgresql import factories
from pytest_tiers import Databases
from pytest_tiers.databases.address import Address
from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, func, select
from sqlalchemy.orm import Session, sessionmaker

Sessions: TypeAlias = sessionmaker[Session]
EngineFor: TypeAlias = Callable[[str], Engine]


def add_and_count(sessions: Sessions) -> None:
    """Add a customer, commit, add a ticket, commit, count: what a small test of a service does."""
    with sessions() as session:
        customer = Customer(name="Ada", email="ada@example.com")
        session.add(customer)
        session.commit()
        session.add(Ticket(customer=customer, subject="Printer", body="It is on fire."))
        session.commit()
        assert session.scalar(select(func.count()).select_from(Ticket)) == 1


class Bodies:
    """The two tests. A method adds the fixture `sessions`, unless its tier has it."""

    slow = False
    """Whether one takes ten milliseconds or more, so that fewer of them do."""

    def test_nothing(self, sessions: Sessions) -> None:
        """Take the fixture, no more."""

    def test_rows(self, sessions: Sessions) -> None:
        """Work with it."""
        add_and_count(sessions)


@contextmanager
def plainly_rolled_back(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that is rolled back, as SQLAlchemy's documentation does; nothing is made sure of."""
    with engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


def nested(connection: Connection) -> Sessions:
    """Return what opens sessions whose commits stay in the transaction of `connection`."""
    return sessionmaker(connection, join_transaction_mode="create_savepoint")


@contextmanager
def sessions_on(connection: psycopg.Connection[Any]) -> Iterator[Sessions]:
    """Give sessions on the one connection of pytest-postgresql."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    yield sessionmaker(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def engine_for(databases: Databases) -> Iterator[EngineFor]:
    """Return a function that gives each method an engine on a migrated database of its own, one for all its tests."""
    engines: dict[str, tuple[Engine, URL]] = {}

    def engine_for(method: str) -> Engine:
        if method not in engines:
            url = databases.clone()
            engines[method] = (create_engine(url), url)
        return engines[method][0]

    yield engine_for
    for engine, url in engines.values():
        engine.dispose()
        databases.drop(url)


class TestEmpty:
    """No database at all: what pytest itself takes, which is subtracted from the others."""

    slow = False

    def test_nothing(self) -> None:
        """Do nothing."""


class TestPlain(Bodies):
    @pytest.fixture
    def sessions(self, engine_for: EngineFor) -> Iterator[Sessions]:
        with plainly_rolled_back(engine_for("plain")) as connection:
            yield nested(connection)


class TestDelete(Bodies):
    @pytest.fixture
    def sessions(self, engine_for: EngineFor) -> Iterator[Sessions]:
        engine = engine_for("delete")
        yield sessionmaker(engine)
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())


class TestTruncate(Bodies):
    slow = True

    @pytest.fixture
    def sessions(self, engine_for: EngineFor) -> Iterator[Sessions]:
        engine = engine_for("truncate")
        yield sessionmaker(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(Base.metadata.tables)}")


class TestCreateAll(Bodies):
    slow = True

    @pytest.fixture
    def sessions(self, engine_for: EngineFor) -> Iterator[Sessions]:
        engine = engine_for("create_all")
        Base.metadata.create_all(engine)  # the very first test finds the tables there, but doesn't count
        yield sessionmaker(engine)
        Base.metadata.drop_all(engine)


class TestOwnPostgresql(Bodies):
    slow = True

    @pytest.fixture
    def sessions(self, postgresql: psycopg.Connection[Any]) -> Iterator[Sessions]:
        with sessions_on(postgresql) as sessions:
            yield sessions


def load_tables(dbname: str, **options: Any) -> None:
    """Create the tables in pytest-postgresql's template database."""
    options.pop("autocommit")
    engine = create_engine(Address(**options).url(dbname))
    Base.metadata.create_all(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def server_of_this_run(postgres_server: Address) -> SimpleNamespace:
    """Where the server is, in place of pytest-postgresql's options for that."""
    server = postgres_server
    others = {"options": "", "maintenance_dbname": server.dbname, "template_dbname": None}
    return SimpleNamespace(
        host=server.host, port=server.port, user=server.user, password=server.password, **others
    )


loaded_noproc = factories.postgresql_noproc(
    dbname="loaded", load=[load_tables], depends_on="server_of_this_run"
)
loaded_postgresql = factories.postgresql("loaded_noproc")


class TestLoadedPostgresql(Bodies):
    slow = True

    @pytest.fixture
    def sessions(self, loaded_postgresql: psycopg.Connection[Any]) -> Iterator[Sessions]:
        with sessions_on(loaded_postgresql) as sessions:
            yield sessions
