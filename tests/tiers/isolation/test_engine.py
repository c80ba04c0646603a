"""What works on an engine whose commits are savepoints, on PostgreSQL and on SQLite: it does what it does in production, and is gone."""

import sqlite3
import threading
from contextlib import closing, suppress

import psycopg
import pytest
from pytest_tiers.guards import GuardError
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from tier_engines import Make, Tier, add, read


def refused(what: str) -> "pytest.RaisesExc[GuardError]":
    return pytest.raises(GuardError, match=what)


def test_begin(tier: Tier) -> None:
    with tier.engine.begin() as connection:
        add(connection, "a")
    assert tier.names() == ["a"]


def test_begin_that_fails(tier: Tier) -> None:
    with suppress(IntegrityError), tier.engine.begin() as connection:
        add(connection, "a")
        add(connection, "a")
    assert tier.names() == []


def test_connection_that_is_closed_without_a_commit(tier: Tier) -> None:
    with tier.engine.connect() as connection:
        add(connection, "a")
    assert tier.names() == []


def test_session_that_commits_and_rolls_back(tier: Tier) -> None:
    with Session(tier.engine) as session:
        add(session, "a")
        session.commit()
        add(session, "b")
        session.rollback()
        with suppress(IntegrityError), session.begin_nested():
            add(session, "a")
        add(session, "c")
        session.commit()
    assert tier.names() == ["a", "c"]


def test_nested_savepoints(tier: Tier) -> None:
    with Session(tier.engine) as session:
        with session.begin_nested():
            add(session, "a")
            with session.begin_nested() as inner:
                add(session, "b")
                inner.rollback()
            add(session, "c")
        outer = session.begin_nested()
        add(session, "d")
        outer.rollback()
        session.commit()
    assert tier.names() == ["a", "c"]


def test_savepoints_in_raw_sql(tier: Tier) -> None:
    with tier.engine.connect() as connection:
        for statement in ("SAVEPOINT one", "INSERT INTO items (name) VALUES ('a')", "SAVEPOINT one"):
            connection.exec_driver_sql(statement)
        add(connection, "b")
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT one")
        connection.exec_driver_sql("RELEASE SAVEPOINT one")
        connection.exec_driver_sql("RELEASE one")
        connection.commit()
    assert tier.names() == ["a"]


def test_commit_and_rollback_in_raw_sql(tier: Tier) -> None:
    with tier.engine.connect() as connection:
        add(connection, "a")
        connection.exec_driver_sql("COMMIT")
        add(connection, "b")
        connection.exec_driver_sql("-- not this\nROLLBACK")
        connection.exec_driver_sql("BEGIN")
        add(connection, "c")
        connection.exec_driver_sql("END")
    assert tier.names() == ["a", "c"]


def test_raw_connection(tier: Tier) -> None:
    with closing(tier.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO items (name) VALUES ('a')")
        connection.commit()
        cursor.execute("INSERT INTO items (name) VALUES ('b')")
        connection.rollback()
        cursor.execute("INSERT INTO items (name) VALUES ('c')")
    assert tier.names() == ["a"]


def test_class_of_the_driver(tier: Tier) -> None:
    driver = psycopg.Connection if tier.engine.dialect.name == "postgresql" else sqlite3.Connection
    with tier.engine.connect() as connection:
        assert isinstance(connection.connection.driver_connection, driver)
        cursor = connection.connection.cursor()
        assert isinstance(cursor, psycopg.Cursor if driver is psycopg.Connection else sqlite3.Cursor)
        assert isinstance(cursor.connection, driver)


def test_autocommit(tier: Tier) -> None:
    with tier.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        add(connection, "a")
        with suppress(IntegrityError):
            add(connection, "a")
        add(connection, "b")
    assert tier.names() == ["a", "b"]
    with tier.engine.connect() as connection:
        add(connection, "c")  # the option was of that engine only
    assert tier.names() == ["a", "b"]


@pytest.mark.parametrize("make", ["on_postgresql", "on_sqlite"])
def test_autocommit_of_the_whole_engine(make: str, request: pytest.FixtureRequest) -> None:
    tier: Tier = request.getfixturevalue(make)(isolation_level="AUTOCOMMIT")
    with tier.scope():
        with tier.engine.connect() as connection, tier.engine.connect() as other:
            add(connection, "a")
            add(other, "b")
        assert tier.names() == ["a", "b"]
    with tier.scope():
        assert tier.names() == []


def test_session_in_a_thread(tier: Tier) -> None:
    def work() -> None:
        with Session(tier.engine) as session:
            add(session, "a")
            session.commit()

    with Session(tier.engine) as session:
        read(session)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert read(session) == ["a"]


def test_dispose(tier: Tier) -> None:
    with Session(tier.engine) as session:
        add(session, "a")
        tier.engine.dispose()
        session.commit()
    tier.engine.dispose(close=False)
    assert tier.names() == ["a"]


def test_invalidate_and_detach(tier: Tier) -> None:
    with tier.engine.connect() as connection:
        add(connection, "a")
        connection.invalidate()
    with tier.engine.connect() as connection:
        connection.detach()
        add(connection, "b")
        connection.commit()
    assert tier.names() == ["b"]


def test_listeners_set_up_each_connection_as_in_production(tier: Tier) -> None:
    seen = []

    @event.listens_for(tier.engine, "connect")
    def _connected(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("SELECT 1")
        seen.append(cursor.fetchone()[0])
        cursor.close()
        connection.commit()  # type: ignore[attr-defined]

    assert tier.names() == []
    assert tier.names() == []
    assert seen == [1]


# A commit inside another transaction.


def test_commit_inside_a_session_that_has_only_read(tier: Tier) -> None:
    with Session(tier.engine) as outer:
        assert read(outer) == []
        with Session(tier.engine) as inner:
            add(inner, "inner")
            inner.commit()
        assert read(outer) == ["inner"]
        add(outer, "outer")
        outer.rollback()
    assert tier.names() == ["inner"]


def test_commit_inside_a_session_that_reads_in_a_savepoint(tier: Tier) -> None:
    with Session(tier.engine) as outer:
        savepoint = outer.begin_nested()
        read(outer)
        with Session(tier.engine) as inner:
            add(inner, "inner")
            inner.commit()
        add(outer, "outer")
        savepoint.rollback()
        add(outer, "after")
        outer.commit()
    assert tier.names() == ["after", "inner"]


def test_commit_inside_a_session_that_has_written_and_commits(tier: Tier) -> None:
    with Session(tier.engine) as outer:
        add(outer, "outer")
        with Session(tier.engine) as inner:
            add(inner, "inner")
            inner.commit()
        with Session(tier.engine) as inner:
            add(inner, "not this")
            inner.rollback()
        outer.commit()
    assert tier.names() == ["inner", "outer"]


def test_commit_inside_a_session_that_has_written_and_rolls_back(tier: Tier) -> None:
    with Session(tier.engine) as outer:
        add(outer, "outer")
        with Session(tier.engine) as inner:
            add(inner, "inner")
            inner.commit()
        with refused("Another session committed while this one was open(.|\n)*committed_db"):
            outer.rollback()


def test_commit_inside_a_savepoint_that_is_rolled_back(tier: Tier) -> None:
    with Session(tier.engine) as outer, outer.begin_nested() as savepoint:
        add(outer, "outer")
        with Session(tier.engine) as inner:
            add(inner, "inner")
            inner.commit()
        with refused("Another session committed"):
            savepoint.rollback()


def test_commit_inside_a_savepoint_that_is_released_before_all_is_rolled_back(tier: Tier) -> None:
    with Session(tier.engine) as outer:
        with outer.begin_nested():
            add(outer, "outer")
            with Session(tier.engine) as inner:
                add(inner, "inner")
                inner.commit()
        with refused("Another session committed"):
            outer.rollback()


def test_commit_that_wrote_nothing_inside_a_session_that_rolls_back(tier: Tier) -> None:
    with Session(tier.engine) as outer:
        add(outer, "outer")
        with Session(tier.engine) as inner:
            read(inner)
            inner.commit()
        outer.rollback()
    assert tier.names() == []


def test_autocommit_inside_a_session_that_rolls_back(tier: Tier) -> None:
    with Session(tier.engine) as outer:
        add(outer, "outer")
        with tier.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            add(connection, "inner")
        with refused("Another session committed"):
            outer.rollback()


def test_session_inside_one_that_has_failed(postgresql: Tier) -> None:
    with Session(postgresql.engine) as outer:
        add(outer, "outer")
        with suppress(IntegrityError):
            add(outer, "outer")
        with Session(postgresql.engine) as inner:
            add(inner, "inner")
            inner.commit()
        with pytest.raises(SQLAlchemyError, match="current transaction is aborted"):
            outer.execute(text("SELECT 1"))
        outer.rollback()
        assert read(outer) == ["inner"]


# Interleaving.


def test_interleaving_with_one_that_has_only_read(tier: Tier) -> None:
    with Session(tier.engine) as first, Session(tier.engine) as second:
        add(first, "first")
        assert read(second) == ["first"]
        first.commit()
        add(second, "second")
        read(first)
        second.commit()
    assert tier.names() == ["first", "second"]


def test_rollback_under_one_that_has_only_read(tier: Tier) -> None:
    with Session(tier.engine) as first, Session(tier.engine) as second:
        add(first, "first")
        read(second)
        first.rollback()
        assert read(second) == []


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_interleaving_with_one_that_has_written(tier: Tier, end: str) -> None:
    with Session(tier.engine) as first, Session(tier.engine) as second:
        add(first, "first")
        add(second, "second")
        with refused("don't nest(.|\n)*End the later one first"):
            getattr(first, end)()
        second.commit()


def test_statement_under_one_that_has_written(tier: Tier) -> None:
    with Session(tier.engine) as first, Session(tier.engine) as second:
        add(first, "first")
        add(second, "second")
        assert read(first) == ["first", "second"]
        with refused("don't nest"):
            add(first, "third")
        second.commit()
        first.commit()
    assert tier.names() == ["first", "second"]


def test_parallel_statements(postgresql: Tier) -> None:
    begun = threading.Event()
    notices = []

    def slow() -> None:
        with postgresql.engine.connect() as connection:
            begun.set()
            connection.execute(text("SELECT pg_sleep(0.4)"))

    thread = threading.Thread(target=slow)
    thread.start()
    begun.wait()
    with suppress(GuardError), postgresql.engine.connect() as connection:
        while thread.is_alive():
            try:
                connection.execute(text("SELECT 1"))
            except GuardError as error:
                notices.append(str(error))
                break
    thread.join()
    assert notices
    assert "A request began while another one was under way" in notices[0]


def test_session_left_open_is_ended_with_its_test(on_postgresql: Make) -> None:
    tier = on_postgresql()
    with tier.scope(name="the first"):
        reader, writer = Session(tier.engine), Session(tier.engine)
        read(reader)
        add(writer, "a")
    with tier.scope(name="the second"):
        assert read(reader) == []
        with refused("A session that was open when the test the first ended is used again"):
            read(writer)
        add(writer, "b")
        writer.commit()
        assert read(reader) == ["b"]


def test_connection_that_is_given_up_while_another_one_is_busy(postgresql: Tier) -> None:
    """As the garbage collector does it, in the midst of a statement."""
    forgotten = postgresql.engine.raw_connection()
    forgotten.cursor().execute("INSERT INTO items (name) VALUES ('forgotten')")
    with closing(postgresql.engine.raw_connection()) as connection:
        with connection.cursor().copy("COPY (SELECT 1) TO STDOUT") as copy:
            forgotten.close()
            assert list(copy.rows()) == [("1",)]
        connection.rollback()
    assert postgresql.names() == []


def test_pandas(tier: Tier) -> None:
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame({"name": ["a", "b"]}).to_sql("items", tier.engine, if_exists="append", index=False)
    assert list(pandas.read_sql("SELECT name FROM items ORDER BY name", tier.engine)["name"]) == ["a", "b"]
    assert tier.names() == ["a", "b"]
