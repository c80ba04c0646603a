"""Ways to use a database that are right: each passes in all tiers. Beside many stands one that isn't, and is named."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

Shop = Callable[..., pytest.Pytester]


@dataclass(frozen=True)
class Use:
    """A body of a test that is right; and a twin that leaks or can't be right on one connection, with what is said of it."""

    name: str
    right: str
    twin: str = ""
    says: str = ""
    tiers: tuple[str, ...] = ("unit", "integration", "committed")
    twin_tiers: tuple[str, ...] = ("unit", "integration")


HEAD = """
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from sqlalchemy import delete, event, func, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from shop.models import Base, Customer


def ada(n=0):
    return Customer(email=f"ada{n}@example.org")


def count(engine):
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(Customer))


@pytest.fixture(autouse=True)
def nothing_is_left(engine):
    assert count(engine) == 0


def in_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


"""
LOST = "Another session committed while this one was open with rows of its own"
NEST = "Two sessions on the one connection that is rolled back don't nest"
POSTGRESQL = ("integration", "committed")
USES = [
    Use("session", "with Session(engine) as s:\n    s.add(ada())\n    s.commit()\nassert count(engine) == 1"),
    Use(
        "session_begin", "with Session(engine) as s, s.begin():\n    s.add(ada())\nassert count(engine) == 1"
    ),
    Use(
        "sessionmaker_begin",
        "with sessionmaker(engine).begin() as s:\n    s.add(ada())\nassert count(engine) == 1",
    ),
    Use("db_session", "db_session.add(ada())\ndb_session.commit()\nassert count(engine) == 1"),
    Use(
        "db_session_flush",
        "db_session.add(ada())\ndb_session.flush()\nassert db_session.scalar(select(func.count()).select_from(Customer)) == 1",
    ),
    Use("rollback", "db_session.add(ada())\ndb_session.rollback()\nassert count(engine) == 0"),
    Use(
        "conflict",
        "db_session.add_all([ada(), ada()])\nwith pytest.raises(IntegrityError):\n    db_session.commit()\ndb_session.rollback()\nassert count(engine) == 0",
    ),
    Use(
        "begin_nested",
        "with Session(engine) as s:\n    s.add(ada())\n    s.flush()\n    with suppress(IntegrityError), s.begin_nested():\n        s.add(ada())\n        s.flush()\n    s.commit()\nassert count(engine) == 1",
    ),
    Use(
        "nested_twice",
        "with Session(engine) as s:\n    with s.begin_nested():\n        s.add(ada(1))\n        s.flush()\n        inner = s.begin_nested()\n        s.add(ada(2))\n        s.flush()\n        inner.rollback()\n    s.commit()\nassert count(engine) == 1",
    ),
    Use(
        "engine_begin",
        "with engine.begin() as c:\n    c.execute(insert(Customer).values(email='a'))\nassert count(engine) == 1",
    ),
    Use(
        "engine_connect",
        "with engine.connect() as c:\n    c.execute(insert(Customer).values(email='a'))\n    c.commit()\nassert count(engine) == 1",
    ),
    Use(
        "connection_forgotten",
        "with engine.connect() as c:\n    c.execute(insert(Customer).values(email='a'))\nassert count(engine) == 0",
    ),
    Use(
        "connection_begin",
        "with engine.connect() as c:\n    with c.begin():\n        c.execute(insert(Customer).values(email='a'))\n    with c.begin():\n        c.execute(insert(Customer).values(email='b'))\nassert count(engine) == 2",
    ),
    Use(
        "connection_nested",
        "with engine.begin() as c:\n    c.execute(insert(Customer).values(email='a'))\n    with suppress(ZeroDivisionError), c.begin_nested():\n        c.execute(insert(Customer).values(email='b'))\n        1 / 0\nassert count(engine) == 1",
    ),
    Use(
        "autocommit",
        "with engine.connect().execution_options(isolation_level='AUTOCOMMIT') as c:\n    c.execute(insert(Customer).values(email='a'))\nassert count(engine) == 1",
    ),
    Use(
        "autocommit_engine",
        "auto = engine.execution_options(isolation_level='AUTOCOMMIT')\nwith auto.connect() as c:\n    c.execute(insert(Customer).values(email='a'))\nassert count(auto) == 1",
    ),
    Use(
        "raw_connection",
        "with closing(engine.raw_connection()) as c:\n    c.cursor().execute(\"INSERT INTO customers (email) VALUES ('a')\")\n    c.commit()\nassert count(engine) == 1",
    ),
    Use(
        "raw_commit",
        "with engine.connect() as c:\n    c.execute(text(\"INSERT INTO customers (email) VALUES ('a')\"))\n    c.execute(text('COMMIT'))\nassert count(engine) == 1",
        tiers=POSTGRESQL,
    ),
    Use(
        "driver_connection",
        "with engine.connect() as c:\n    driver = c.connection.driver_connection\n    driver.execute(\"INSERT INTO customers (email) VALUES ('a')\")\n    driver.commit()\nassert count(engine) == 1",
    ),
    Use(
        "driver_transaction",
        "with engine.connect() as c:\n    with c.connection.driver_connection.transaction():\n        c.connection.driver_connection.execute(\"INSERT INTO customers (email) VALUES ('a')\")\nassert count(engine) == 1",
        tiers=POSTGRESQL,
    ),
    Use(
        "executemany",
        "with engine.begin() as c:\n    c.execute(insert(Customer), [{'email': str(n)} for n in range(30)])\nassert count(engine) == 30",
    ),
    Use(
        "bulk",
        "with Session(engine) as s:\n    s.bulk_insert_mappings(Customer, [{'email': str(n)} for n in range(9)])\n    s.execute(update(Customer).values(email=Customer.email + '@'))\n    s.execute(delete(Customer).where(Customer.email == '3@'))\n    s.commit()\nassert count(engine) == 8",
    ),
    Use(
        "scoped_session",
        "session = scoped_session(sessionmaker(engine))\nsession.add(ada())\nsession.commit()\nsession.remove()\nassert count(engine) == 1",
    ),
    Use(
        "session_that_is_not_closed",
        "s = Session(engine)\ns.add(ada())\ns.commit()\nassert s.scalar(select(func.count()).select_from(Customer)) == 1",
    ),
    Use(
        "two_sessions_in_turn",
        "for n in range(2):\n    with Session(engine) as s:\n        s.add(ada(n))\n        s.commit()\nassert count(engine) == 2",
    ),
    Use(
        "thread",
        "def work():\n    with Session(engine) as s:\n        s.add(ada())\n        s.commit()\nin_thread(work)\nassert count(engine) == 1",
        "def work():\n    with Session(engine) as s:\n        s.execute(select(Customer)).all()\n        s.add(ada(threading.get_ident()))\n        barrier.wait()\n        s.flush()\n        barrier.wait()\n        s.commit()\nbarrier = threading.Barrier(2, timeout=2)\nwith ThreadPoolExecutor(2) as pool:\n    for job in [pool.submit(work) for _ in range(2)]:\n        job.result(10)",
        f"{NEST}|A request began while another one was under way",
    ),
    Use(
        "thread_while_a_session_reads",
        "db_session.execute(select(Customer)).all()\ndef work():\n    with Session(engine) as s:\n        s.add(ada())\n        s.commit()\nin_thread(work)\ndb_session.rollback()\nassert count(engine) == 1",
        "db_session.add(ada(1))\ndb_session.flush()\ndef work():\n    with Session(engine) as s:\n        s.add(ada(2))\n        s.commit()\nin_thread(work)\ndb_session.rollback()",
        LOST,
    ),
    Use(
        "commit_inside_a_reader",
        "with Session(engine) as outer:\n    outer.execute(select(Customer)).all()\n    with Session(engine) as inner:\n        inner.add(ada())\n        inner.commit()\n    outer.rollback()\nassert count(engine) == 1",
        "with Session(engine) as outer:\n    outer.add(ada(1))\n    outer.flush()\n    with engine.begin() as inner:\n        inner.execute(insert(Customer).values(email='inner'))\n    outer.rollback()",
        LOST,
    ),
    Use(
        "commit_inside_a_writer_that_commits",
        "with Session(engine) as outer:\n    outer.add(ada(1))\n    outer.flush()\n    with Session(engine) as inner:\n        inner.add(ada(2))\n        inner.commit()\n    outer.commit()\nassert count(engine) == 2",
        "with Session(engine) as outer:\n    nested = outer.begin_nested()\n    outer.add(ada(1))\n    outer.flush()\n    with Session(engine) as inner:\n        inner.add(ada(2))\n        inner.commit()\n    nested.rollback()\n    outer.commit()",
        LOST,
        tiers=POSTGRESQL,
    ),
    Use(
        "interleaved_readers",
        "with Session(engine) as one, Session(engine) as two:\n    one.execute(select(Customer)).all()\n    two.execute(select(Customer)).all()\n    one.commit()\n    two.execute(select(Customer)).all()",
        "with Session(engine) as one, Session(engine) as two:\n    one.add(ada(1))\n    one.flush()\n    two.add(ada(2))\n    two.flush()\n    one.commit()",
        NEST,
    ),
    Use(
        "later_one_reads",
        "with Session(engine) as one, Session(engine) as two:\n    one.add(ada())\n    one.flush()\n    two.execute(select(1))\n    one.commit()\n    assert two.scalar(select(func.count()).select_from(Customer)) == 1",
        "with Session(engine) as one, Session(engine) as two:\n    one.add(ada(1))\n    one.flush()\n    two.add(ada(2))\n    two.flush()\n    with suppress(Exception):\n        one.rollback()",
        NEST,
        tiers=POSTGRESQL,
    ),
    Use(
        "dispose",
        "with engine.begin() as c:\n    c.execute(insert(Customer).values(email='a'))\nengine.dispose()\nassert count(engine) == 1",
    ),
    Use(
        "invalidate",
        "c = engine.connect()\nc.execute(insert(Customer).values(email='a'))\nc.invalidate()\nc.close()\nassert count(engine) == 0",
    ),
    Use(
        "detach",
        "with engine.connect() as c:\n    c.detach()\n    c.execute(insert(Customer).values(email='a'))\n    c.commit()\nassert count(engine) == 1",
    ),
    Use("create_all", "Base.metadata.create_all(engine)\nassert inspect(engine).has_table('customers')"),
    Use(
        "ddl",
        "with engine.begin() as c:\n    c.execute(text('CREATE TABLE more (id int)'))\n    c.execute(text('INSERT INTO more VALUES (1)'))\nassert inspect(engine).has_table('more')\nwith engine.begin() as c:\n    c.execute(text('DROP TABLE more'))",
    ),
    Use("ddl_of_the_next", "assert not inspect(engine).has_table('more')"),
    Use(
        "listeners",
        "seen = []\n@event.listens_for(engine, 'before_cursor_execute')\ndef saw(conn, cursor, statement, *_):\n    seen.append(statement)\ncount(engine)\nevent.remove(engine, 'before_cursor_execute', saw)\nassert len(seen) == 1",
    ),
    Use(
        "yield_per",
        "with Session(engine) as s:\n    s.add_all(ada(n) for n in range(9))\n    s.commit()\n    assert len(list(s.scalars(select(Customer).execution_options(yield_per=2)))) == 9",
    ),
    Use(
        "stream_in_one_transaction",
        "with engine.connect().execution_options(stream_results=True) as c:\n    rows = c.execute(text('SELECT generate_series(1, 9)'))\n    assert len(rows.fetchall()) == 9",
        "with engine.connect() as c:\n    rows = c.execution_options(yield_per=2).execute(text('SELECT generate_series(1, 9)'))\n    next(rows)\n    c.commit()\n    rows.fetchall()",
        'cursor "\\w+" does not exist',
        tiers=POSTGRESQL,
        twin_tiers=POSTGRESQL,
    ),
    Use(
        "setting_of_a_transaction",
        "with Session(engine) as s:\n    s.execute(text(\"SET LOCAL lock_timeout = 99\"))\n    s.commit()\n    assert s.scalar(text('SHOW lock_timeout')) != '99ms'",
        "with engine.connect() as c:\n    c.execute(text('ALTER ROLE CURRENT_USER SET lock_timeout = 99'))",
        "The test changes what belongs to the whole server",
        tiers=POSTGRESQL,
        twin_tiers=("integration",),
    ),
    Use(
        "notify",
        "with engine.begin() as c:\n    c.execute(text(\"NOTIFY shop, 'x'\"))",
        "with engine.begin() as c:\n    c.execute(text('LISTEN shop'))",
        "LISTEN on the connection that is rolled back never hears",
        tiers=POSTGRESQL,
        twin_tiers=("integration",),
    ),
    Use(
        "copy",
        "with closing(engine.raw_connection()) as c:\n    with c.cursor().copy('COPY customers (email) FROM STDIN') as copy:\n        copy.write_row(('a',))\n    c.commit()\nassert count(engine) == 1",
        "c = engine.connect()\ncopying = c.connection.cursor().copy('COPY customers TO STDOUT')\ncopying.__enter__()\ncount(engine)",
        "A request began while another one was under way|isn't read to its end|wasn't read to its end",
        tiers=POSTGRESQL,
        twin_tiers=("integration",),
    ),
    Use(
        "one_database",
        "with engine.connect() as c:\n    assert c.scalar(text('SELECT current_database()'))",
        "import psycopg\nwith suppress(Exception):\n    psycopg.connect(host=engine.url.query['host'], dbname=engine.url.database, user=engine.url.username)",
        "The test opened another connection to the database",
        tiers=POSTGRESQL,
        twin_tiers=("integration",),
    ),
    Use(
        "isolation_of_all",
        "with engine.connect() as c:\n    assert c.get_isolation_level() == 'READ COMMITTED'",
        "with engine.connect().execution_options(isolation_level='SERIALIZABLE') as c:\n    c.execute(text('SELECT 1'))",
        "The test asks for",
        tiers=POSTGRESQL,
        twin_tiers=("integration",),
    ),
    Use(
        "index",
        "with engine.begin() as c:\n    c.execute(text('CREATE INDEX emails ON customers (email)'))",
        "with engine.connect().execution_options(isolation_level='AUTOCOMMIT') as c:\n    c.execute(text('CREATE INDEX CONCURRENTLY emails ON customers (email)'))",
        "The test runs in a transaction, which is rolled back",
        tiers=POSTGRESQL,
        twin_tiers=("integration",),
    ),
    Use(
        "connection_that_lives",
        "with engine.connect() as c:\n    assert c.scalar(text('SELECT 1')) == 1",
        "with suppress(Exception), engine.connect() as c:\n    c.execute(text('SELECT pg_terminate_backend(pg_backend_pid())'))",
        "The connection to the worker's database was lost",
        tiers=POSTGRESQL,
        twin_tiers=("integration",),
    ),
]


def written(uses: list[tuple[str, str]]) -> str:
    """Return a file with tests of these names and bodies."""
    tests = []
    for name, body in uses:
        lines = body.replace("\n", "\n    ")
        tests.append(f"def test_{name}(engine, db_session):\n    {lines}\n")
    return HEAD + "\n\n".join(tests)


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(USES) >= 40


@pytest.mark.parametrize("tier", ["unit", "integration", "committed"])
def test_right_uses_pass_in_each_tier(shop: Shop, tier: str) -> None:
    uses = [(use.name, use.right) for use in USES if tier in use.tiers]
    done = shop({f"tests/{tier}/test_right.py": written(uses)}).runpytest_subprocess(
        "-q", "--tb=short", f"tests/{tier}"
    )
    done.assert_outcomes(passed=len(uses))


@pytest.mark.parametrize("tier", ["unit", "integration"])
def test_twins_that_leak_are_named_and_the_next_test_is_right(shop: Shop, tier: str) -> None:
    twins = [use for use in USES if use.twin and tier in use.twin_tiers]
    pairs = [
        pair
        for use in twins
        for pair in ((use.name, use.twin), (f"after_{use.name}", "assert count(engine) == 0"))
    ]
    done = shop({f"tests/{tier}/test_twins.py": written(pairs)}).runpytest_subprocess(
        "-q", "--tb=short", "-p", "no:tiers-order", f"tests/{tier}"
    )
    parts = re.split(r"^_{3,} (?:ERROR at \w+ of )?test_(\w+) _{3,}$", done.stdout.str(), flags=re.MULTILINE)
    said: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        said[name] = said.get(name, "") + body.partition("short test summary info")[0]
    assert said.keys() == {use.name for use in twins}, done.stdout.str()
    for use in twins:
        assert re.search(use.says, said[use.name]), said[use.name]


GOES_ON = """
import threading
from sqlalchemy import text

events = threading.Event(), threading.Event()


def test_begins_it(engine):
    def work():
        events[0].wait(20)
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        finally:
            events[1].set()

    threading.Thread(target=work).start()


def test_innocent(engine):
    events[0].set()
    events[1].wait(20)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 7")) == 7
"""


def test_work_that_goes_on_is_blamed_on_the_test_that_began_it(shop: Shop) -> None:
    done = shop({"tests/integration/test_a.py": GOES_ON}).runpytest_subprocess(
        "-q", "-p", "no:tiers-order", "-W", "ignore", "tests/integration"
    )
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*test_a.py::test_begins_it*"])
    text = done.stdout.str()
    assert "test_innocent" not in text.partition("short test summary")[2]


def test_a_refusal_shows_the_tests_line_first(shop: Shop) -> None:
    body = (
        "from sqlalchemy.orm import Session\n\n\ndef helper(session):\n    session.rollback()\n\n\n"
        "def test_a(engine):\n    with Session(engine) as one, Session(engine) as two:\n"
        "        for session in (one, two):\n"
        "            session.connection().exec_driver_sql(\"INSERT INTO customers (email) VALUES ('%s')\" % id(session))\n"
        "        helper(one)\n"
    )
    done = shop({"tests/unit/test_a.py": body}).runpytest_subprocess("-q", "--tb=short", "tests/unit")
    said = done.stdout.str()
    assert re.search(r"test_a.py:12: in test_a\n    helper\(one\)\ntests/unit/test_a.py:5: in helper", said)
    assert "sqlalchemy" not in said.partition("short test summary")[0].replace("from sqlalchemy", "")
