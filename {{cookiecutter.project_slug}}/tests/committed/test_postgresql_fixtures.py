"""pytest-postgresql's own fixtures, for tests that were written for them."""

from typing import Any

import psycopg
from pytest_postgresql.executors import NoopExecutor
from sqlalchemy import URL


def test_postgresql_is_a_connection_to_a_migrated_database(postgresql: psycopg.Connection[Any]) -> None:
    postgresql.execute("INSERT INTO customers (name, email) VALUES ('Ada', 'ada@example.com')")
    postgresql.commit()

    assert postgresql.execute("SELECT name FROM customers").fetchall() == [("Ada",)]


def test_postgresql_noproc_is_the_same_server(
    postgresql_noproc: NoopExecutor, postgresql: psycopg.Connection[Any], committed_db: URL
) -> None:
    assert postgresql_noproc.host == committed_db.query["host"]
    assert postgresql_noproc.port == committed_db.port
    assert postgresql.execute("SELECT count(*) FROM customers").fetchone() == (0,)
