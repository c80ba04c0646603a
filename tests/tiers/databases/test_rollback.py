"""What keeps tests apart that share a connection: shown by tests that would disturb each other, and by each way past it."""

from pytest_tiers.databases.remedies import IN_TRANSACTION
from shops import PROBE, migrated, tiers

WRITES = """
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from shop.models import Customer

COUNT = select(func.count()).select_from(Customer)


def write(sessions):
    with sessions() as outer, sessions() as inner:  # sessions may nest: the later one ends first
        assert outer.scalar(COUNT) == 0
        outer.add_all(Customer(email=f"{{n}}@example.com") for n in range(3))
        outer.flush()
        with outer.begin_nested():
            outer.execute(text("UPDATE customers SET email = 'changed' WHERE email = '0@example.com'"))
        with pytest.raises(SQLAlchemyError), outer.begin_nested():
            outer.execute(text("INSERT INTO customers (email) VALUES ('1@example.com')"))
        inner.execute(text("DELETE FROM customers WHERE email = '2@example.com'"))
        inner.commit()
        outer.commit()
    with sessions() as session:
        session.add(Customer(email="gone"))
        session.flush()
        session.rollback()
        assert set(session.scalars(select(Customer.email))) == {{"changed", "1@example.com"}}


@pytest.mark.parametrize("turn", range(3))
def test_a(sessions, db_session, turn):
    {a}


@pytest.mark.parametrize("turn", range(3))
def test_b(sessions, db_session, turn):
    {b}
"""
FINDS_NOTHING = "assert db_session.scalar(COUNT) == 0"
TIERS = ("unit", "integration")


def test_what_a_test_commits_is_gone_for_the_next_in_either_order_and_in_any_number_of_workers(suite):
    files = {}
    for tier in TIERS:
        for order, bodies in {
            "first": ("write(sessions)", FINDS_NOTHING),
            "last": (FINDS_NOTHING, "write(sessions)"),
        }.items():
            files[f"tests/{tier}/test_writes_{tier}_{order}.py"] = WRITES.format(a=bodies[0], b=bodies[1])
    files["tests/committed/test_probe.py"] = PROBE
    pytester = suite(migrated() | tiers() | files)
    for workers in "0", "2":
        pytester.runpytest_subprocess("-n", workers).assert_outcomes(passed=4 * 6 + 2)


BETWEEN = (
    PROBE
    + """

def test_terminated(databases, engine):
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'"
    with databases.server.connect() as other:
        other.execute(query % engine.url.database)


def test_next(sessions):
    probe(sessions)
"""
)


def test_a_connection_that_is_lost_between_two_tests_disturbs_neither(suite):
    pytester = suite(migrated() | tiers() | {"tests/integration/test_between.py": BETWEEN})
    pytester.runpytest_subprocess().assert_outcomes(passed=4)


ADOPTED = """
from contextlib import suppress

import pytest
from pytest_tiers import PostgresRollback
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker


@pytest.fixture(scope="session")
def rollback(worker_database, databases):
    engine = create_engine(worker_database, pool_size=1, max_overflow=0, pool_timeout=0)
    yield PostgresRollback(engine, databases)
    engine.dispose()


@pytest.fixture
def db(rollback):
    with rollback.sessions(lambda connection: sessionmaker(connection, expire_on_commit=False)) as sessions, sessions() as session:
        yield session


@pytest.mark.parametrize("turn", range(2))
def test_committed(db, turn):
    assert db.get_bind() is not None
    assert not db.expire_on_commit
    assert db.scalar(text("SELECT count(*) FROM customers")) == 0
    db.execute(text("INSERT INTO customers (email) VALUES ('a')"))
    db.commit()


def test_concurrently(db):
    db.execute(text("CREATE INDEX CONCURRENTLY emails ON customers (email)"))


def test_own():
    raise ValueError("cannot run inside a transaction block")
"""


def test_a_suite_without_tiers_gets_rollback_and_its_words(suite):
    pytester = suite(migrated() | {"tests/test_adopted.py": ADOPTED})
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2, failed=2)
    assert "\n".join(result.outlines).count(IN_TRANSACTION) == 1, "only where the test is rolled back"


def test_the_committed_tier_needs_no_such_words(suite):
    test = "def test_own():\n    raise ValueError('cannot run inside a transaction block')\n"
    result = suite(migrated() | tiers() | {"tests/committed/test_own.py": test}).runpytest_subprocess()
    result.assert_outcomes(failed=1)
    assert IN_TRANSACTION not in "\n".join(result.outlines)


def test_the_debugger_stops_within_the_transaction(suite):
    test = PROBE + "\ndef test_broken(sessions):\n    probe(sessions)\n    assert 0\n"
    pytester = suite(
        migrated()
        | tiers()
        | {"tests/integration/test_broken.py": test, "tests/integration/test_probe.py": PROBE}
    )
    result = pytester.runpytest_subprocess("--pdb", "tests/integration/test_broken.py")
    assert "entering PDB" in "\n".join(result.outlines)
    pytester.runpytest_subprocess("tests/integration/test_probe.py").assert_outcomes(passed=2)
