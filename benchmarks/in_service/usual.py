"""The usual set-ups, for `benchmarks/scale.py`: each test on PostgreSQL, with a database of its own or with its tables made anew.

`tests/conftest.py` takes all of this in, and the tiers have none; USUAL names the set-up. The machinery's plugins aren't loaded.
"""

import os
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from helpdesk.database import create_sessionmaker
from helpdesk.models import Base
from pytest_postgresql import factories
from sqlalchemy import Engine, StaticPool, create_engine
from sqlalchemy.orm import Session, sessionmaker

Sessions: TypeAlias = sessionmaker[Session]
SERVER: dict[str, Any] = {"host": os.environ["USUAL_HOST"], "port": 5432, "user": "postgres"}


def load_tables(**options: Any) -> None:
    """Create the tables in pytest-postgresql's template database."""
    host, port, user, dbname = (options[name] for name in ("host", "port", "user", "dbname"))
    engine = create_engine(f"postgresql+psycopg://{user}@/{dbname}?host={host}&port={port}")
    Base.metadata.create_all(engine)
    engine.dispose()


usual_noproc = factories.postgresql_noproc(**SERVER, load=[load_tables])
usual_postgresql = factories.postgresql("usual_noproc")


@pytest.fixture(scope="session")
def usual_engine(worker_id: str) -> Iterator[Engine]:
    """An engine on a database of this worker's own."""
    url = "postgresql+psycopg://postgres@/{}?host={host}&port={port}"
    admin = create_engine(url.format("postgres", **SERVER), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS usual_{worker_id} WITH (FORCE)")
        connection.exec_driver_sql(f"CREATE DATABASE usual_{worker_id}")
    engine = create_engine(url.format(f"usual_{worker_id}", **SERVER))
    yield engine
    engine.dispose()
    admin.dispose()


@pytest.fixture
def sessions(request: pytest.FixtureRequest) -> Iterator[Sessions]:
    """Sessions on an empty database, in the way that USUAL names."""
    if os.environ["USUAL"] == "client":
        connection = request.getfixturevalue("usual_postgresql")
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        yield create_sessionmaker(engine)
        engine.dispose()
    else:
        engine = request.getfixturevalue("usual_engine")
        Base.metadata.create_all(engine)
        yield create_sessionmaker(engine)
        Base.metadata.drop_all(engine)


@pytest.fixture
def db_session(sessions: Sessions) -> Iterator[Session]:
    """One of them: with pytest-tiers, that is its fixture."""
    with sessions() as session:
        yield session
