"""A small project with a database, as its files: what the tests of databases run, whole or in parts."""

MODELS = """
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String, unique=True)
"""
REVISION = '''
"""{revision}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before!r}


def upgrade():
    {upgrade}


def downgrade():
    pass
'''
CUSTOMERS = (
    'op.create_table("customers", sa.Column("id", sa.Integer, primary_key=True),'
    ' sa.Column("email", sa.String, nullable=False, unique=True))'
)
ALEMBIC_INI = "[alembic]\nscript_location = %(here)s/{folder}\n"
ENV = """
from alembic import context

with context.config.attributes["connection"].begin():
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()
"""
"""The shortest env.py that takes the connection it is given."""
UNIT = """
import pytest
from pytest_tiers import MemoryRollback, memory_engine

from shop.models import Base


@pytest.fixture(scope="session")
def engine():
    engine = memory_engine(Base.metadata)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def rollback(engine):
    return MemoryRollback(engine, Base.metadata)


@pytest.fixture
def sessions(rollback):
    with rollback.sessions() as sessions:
        yield sessions
"""
INTEGRATION = """
import pytest
from pytest_tiers import PostgresRollback
from sqlalchemy import create_engine


@pytest.fixture(scope="session")
def engine(worker_database):
    engine = create_engine(worker_database, pool_size=1, max_overflow=0, pool_timeout=0)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def rollback(engine, databases):
    return PostgresRollback(engine, databases)


@pytest.fixture
def sessions(rollback):
    with rollback.sessions() as sessions:
        yield sessions
"""
COMMITTED = """
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker


@pytest.fixture
def sessions(committed_db):
    engine = create_engine(committed_db)
    yield sessionmaker(engine)
    engine.dispose()
"""
ENV_OF_SETTINGS = """
from alembic import context
from sqlalchemy import create_engine
from shop.settings import URL

with create_engine(URL).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
"""An env.py that takes its URL from the application's settings."""
ENV_ASYNC = """
import asyncio

from alembic import context
from shop.database import engine


def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    async with engine.connect() as connection:
        await connection.run_sync(run)


asyncio.run(main())
"""
"""One that takes the asynchronous engine which the application makes at import."""
PRODUCTION = "postgresql{}://ann:hunter2@database.invalid:1/shop?connect_timeout=1"
ASYNC_ENGINE = f"""
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine({PRODUCTION.format("+asyncpg")!r})
"""
USES = """
import sys

import pytest
from sqlalchemy import create_engine, text

PLUGIN = sys.modules["pytest_postgresql.plugin"] if "pytest_postgresql.plugin" in sys.modules else None
EARLY = sorted(name for name in ("psycopg", "sqlalchemy", "alembic", "pytest_postgresql") if name in sys.modules)


def count(url):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO customers (email) VALUES (gen_random_uuid())"))
        found = connection.scalar(text("SELECT count(*) FROM customers"))
    engine.dispose()
    return found


def test_committed(committed_db):
    assert count(committed_db) == 1


def test_committed_again(committed_db):
    assert count(committed_db) == 1


def test_worker(worker_database):
    assert count(worker_database) == count(worker_database) - 1


def test_worker_again(worker_database):
    assert count(worker_database) >= 1


def test_server(postgres_server, databases, worker_database):
    assert databases.server == postgres_server
    assert worker_database.query["host"] == postgres_server.host
"""
"""Five tests that ask for PostgreSQL's fixtures."""
PROBE = """
from sqlalchemy import text


def probe(sessions):
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM customers")) == 0
        session.execute(text("INSERT INTO customers (email) VALUES ('ada@example.com')"))
        session.commit()


def test_probe(sessions):
    probe(sessions)


def test_probe_again(sessions):
    probe(sessions)
"""
"""Two tests that each commit the same row, and find none."""
HIDE = """
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec


@classmethod  # pytest makes it an attribute of a class of its own
def find_others(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in {names!r} else find_spec(name, path, target)


PathFinder.find_spec = find_others
"""
"""A sitecustomize.py that makes packages look as if they weren't installed."""


def revision(upgrade: str = CUSTOMERS, name: str = "0001", before: str | None = None) -> str:
    """Return the source of a revision of Alembic."""
    return REVISION.format(revision=name, before=before, upgrade=upgrade)


def migrated(folder: str = "migrations") -> dict[str, str]:
    """Return the project's package and migrations."""
    return {
        "conftest.py": "",  # for which pytest puts the project's folder on sys.path
        "shop/__init__.py": "",
        "shop/models.py": MODELS,
        "alembic.ini": ALEMBIC_INI.format(folder=folder),
        f"{folder}/env.py": ENV,
        f"{folder}/script.py.mako": "",
        f"{folder}/versions/0001_customers.py": revision(),
    }


def tiers() -> dict[str, str]:
    """Return the conftests of the tiers."""
    return {
        "tests/unit/conftest.py": UNIT,
        "tests/integration/conftest.py": INTEGRATION,
        "tests/committed/conftest.py": COMMITTED,
    }
