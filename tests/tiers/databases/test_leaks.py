"""Each way past the transaction around a test: the test that takes it fails by name, and the next one is right."""

import re

import pytest
from shops import PROBE, migrated, tiers

LEAKS = """
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from pytest_tiers import one_at_a_time
from sqlalchemy import func, select, text

from shop.models import Customer

ADD = text("INSERT INTO customers (email) VALUES ('a')")


def add(sessions):
    with sessions.begin() as session:
        session.add(Customer(email="ada@example.com"))


@pytest.fixture(autouse=True)
def nothing_is_left(db_session):
    assert db_session.scalar(select(func.count()).select_from(Customer)) == 0


def test_raw_commit(db_session):
    db_session.execute(ADD)
    db_session.execute(text("COMMIT"))


def test_swallowed_commit(db_session):
    with suppress(Exception):
        db_session.execute(text(" end transaction"))


def test_raw_rollback(sessions, db_session):
    db_session.commit()
    add(sessions)
    db_session.execute(text("ROLLBACK"))


def test_connection_commit(db_session):
    db_session.connection().execute(ADD)
    db_session.connection().commit()


def test_connection_rollback(db_session):
    db_session.connection().rollback()


def test_connection_close(db_session):
    with suppress(Exception):
        db_session.connection().close()


def test_driver_commit(db_session):
    db_session.connection().execute(ADD)
    db_session.connection().connection.driver_connection.commit()


def test_driver_commit_and_begin(db_session):
    db_session.connection().execute(ADD)
    driver = db_session.connection().connection.driver_connection
    driver.commit()
    driver.execute("BEGIN" if "sqlite" in type(driver).__module__ else "SELECT 1")


def test_interleaved(sessions):
    with sessions() as one, sessions() as two:
        one.execute(ADD)
        two.execute(select(Customer))
        one.commit()


def test_swallowed_interleaving(sessions):
    with sessions() as one, sessions() as two:
        one.execute(ADD)
        two.execute(select(Customer))
        with suppress(Exception):
            one.commit()


def test_parallel(sessions):
    with one_at_a_time(sessions), suppress(Exception), one_at_a_time(sessions):
        pass


def test_pool(db_session, engine):
    engine.connect()


@pytest.mark.unguarded("rollback", reason="to see that it can be lifted")
def test_lifted(db_session):
    db_session.connection().execute(ADD)
    db_session.execute(text("COMMIT"))


@pytest.mark.unguarded("rollback", reason="to see that it can be lifted")
def test_lifted_parallel(sessions):
    with one_at_a_time(sessions), one_at_a_time(sessions):
        pass
    with one_at_a_time(sessions):
        pass


def test_innocent(sessions, db_session):
    for _ in range(2):
        with one_at_a_time(sessions):
            pass
    db_session.commit()
    add(sessions)
    with pytest.raises(Exception, match="nonsense"):
        db_session.execute(text("SELECT nonsense"))
"""


POSTGRES_LEAKS = """

def connect(engine):
    import psycopg

    psycopg.connect(host=engine.url.query["host"], dbname=engine.url.database, user=engine.url.username)


def test_second_connection(db_session, engine):
    connect(engine)


def test_thread(db_session, engine):
    thread = threading.Thread(target=connect, args=[engine])
    thread.start()
    thread.join()


def test_logged_connection(db_session, engine):
    try:
        connect(engine)
    except Exception as error:
        logging.warning("it said: %s", error)
        assert not "connected"


def test_concurrently(db_session):
    db_session.execute(text("CREATE INDEX CONCURRENTLY emails ON customers (email)"))


def test_serializable(db_session):
    db_session.execute(text("SELECT 1"))
    db_session.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))


def test_deferred(db_session):
    db_session.execute(text("CREATE TABLE late (id int PRIMARY KEY, up int REFERENCES late INITIALLY DEFERRED)"))
    db_session.execute(text("INSERT INTO late VALUES (1, 7)"))
    db_session.commit()


def test_uncommitted(db_session):
    db_session.execute(text("CREATE TABLE late (id int PRIMARY KEY, up int REFERENCES late INITIALLY DEFERRED)"))
    db_session.execute(text("INSERT INTO late VALUES (1, 7)"))


def test_terminated(db_session):
    with suppress(Exception):
        db_session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_innocent_after_all(sessions):
    add(sessions)


@pytest.mark.parametrize("run", ["once", "again"])
def test_what_a_rollback_leaves_is_put_back(run, db_session):
    locks = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'")
    assert (db_session.scalar(locks), db_session.scalar(prepared)) == (0, 0), run
    with pytest.raises(Exception, match="is not yet defined in this session"):
        db_session.execute(text("SELECT currval('customers_id_seq')"))
    db_session.rollback()
    # Behind the rollback: there psycopg gives up all prepared statements, if it has any of its own.
    db_session.execute(text("SELECT pg_advisory_lock(7)"))
    db_session.execute(text("PREPARE mine AS SELECT 1"))
    db_session.execute(text("SELECT nextval('customers_id_seq')"))
    assert (db_session.scalar(locks), db_session.scalar(prepared)) == (1, 1)


@pytest.mark.parametrize("run", ["once", "again"])
def test_a_failed_transaction_ends_with_the_test(run, db_session):
    with pytest.raises(Exception, match="division by zero"):
        db_session.connection().execute(text("SELECT 1 / 0"))
    with pytest.raises(Exception, match="current transaction is aborted"):
        db_session.connection().execute(text(f"SELECT '{run}'"))
"""


ENDED = "The test ended the transaction around it: "


INTERLEAVED = "Two sessions on the one connection that is rolled back don't nest"


SECOND = "The test opened another connection to the database"


IN_TRANSACTION = "The test runs in a transaction, which is rolled back."


# What fails and with which words; the rest passes.
FAILING = {
    "raw_commit": f"{ENDED}COMMIT.",
    "swallowed_commit": f"{ENDED}end transaction.",
    "raw_rollback": f"{ENDED}ROLLBACK.",
    "connection_commit": f"{ENDED}commit(), rollback() or close() of its connection.",
    "connection_rollback": f"{ENDED}commit(), rollback() or close() of its connection.",
    "connection_close": f"{ENDED}commit(), rollback() or close() of its connection.",
    "driver_commit": ENDED,
    "driver_commit_and_begin": ENDED,
    "interleaved": INTERLEAVED,
    "swallowed_interleaving": INTERLEAVED,
    "parallel": "A request began while another one was under way",
    "pool": SECOND,
}


FAILING_ON_POSTGRES = {
    "second_connection": SECOND,
    "thread": SECOND,
    "logged_connection": SECOND,
    "concurrently": IN_TRANSACTION,
    "serializable": IN_TRANSACTION,
    "deferred": "The test committed what a deferred constraint refuses:\ninsert or update on table",
    "terminated": "The connection to the worker's database was lost",
}


@pytest.mark.parametrize(
    ("tier", "leaks", "failing"),
    [("unit", LEAKS, FAILING), ("integration", LEAKS + POSTGRES_LEAKS, FAILING | FAILING_ON_POSTGRES)],
    ids=["unit", "integration"],
)
def test_a_test_that_leaks_fails_by_name_and_the_next_one_is_right(suite, tier, leaks, failing):
    pytester = suite(migrated() | tiers() | {f"tests/{tier}/test_leaks.py": leaks})
    result = pytester.runpytest_subprocess("--tb=short", "-Werror")
    output = "\n".join(result.outlines)
    parts = re.split(r"^_{3,} (?:ERROR at \w+ of )?test_(\w+)(?:\[\w+\])? _{3,}$", output, flags=re.MULTILINE)
    said: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        said[name] = said.get(name, "") + text.partition("short test summary info")[0]
    assert said.keys() == failing.keys(), output
    for name, message in failing.items():
        assert message in said[name], name
        if name != "terminated":  # not a matter of what the test may do
            assert "the committed tier, or" in said[name], name
            assert "`committed_db`" in said[name], name


BROKEN = """
import pytest_tiers.databases.{module} as module

{fault}
"""


@pytest.mark.parametrize(
    ("tier", "module", "fault"),
    [
        ("unit", "rollback", "module.Rollback.end = lambda self, driver: driver.execute('COMMIT') and None"),
        (
            "integration",
            "postgres",
            "module.UNDO = module.UNDO.replace('ROLLBACK TO', 'RELEASE').replace('ROLLBACK;', 'COMMIT;')",
        ),
    ],
)
def test_the_same_tests_see_a_leak_when_there_is_one(suite, tier, module, fault):
    files = {
        f"tests/{tier}/test_probe.py": PROBE,
        "tests/conftest.py": BROKEN.format(module=module, fault=fault),
    }
    suite(migrated() | tiers() | files).runpytest_subprocess().assert_outcomes(passed=1, failed=1)
