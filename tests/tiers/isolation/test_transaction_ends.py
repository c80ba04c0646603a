"""What ends with a transaction or a session in production: it ends here, too, or is refused."""

from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest
from pytest_tiers.databases.address import Address
from pytest_tiers.guards import GuardError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from tier_engines import Make, Tier, add, read


def refused(what: str) -> "pytest.RaisesExc[GuardError]":
    return pytest.raises(GuardError, match=what)


@pytest.fixture
def session(postgresql: Tier) -> Session:
    return Session(postgresql.engine)


def value(session: Session, query: str) -> object:
    return session.scalar(text(query))


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize(
    "set_",
    [
        "SET LOCAL statement_timeout = '1234ms'",
        "SET LOCAL statement_timeout TO 1234",
        "SELECT set_config('statement_timeout', '1234', true)",
        "SELECT 1; SET LOCAL statement_timeout = 1234",
        "/* as the ORM's listeners do */ SET LOCAL statement_timeout = '1234'",
    ],
)
def test_setting_of_the_transaction(session: Session, set_: str, end: str) -> None:
    session.execute(text(set_))
    assert value(session, "SHOW statement_timeout") == "1234ms"
    getattr(session, end)()
    assert value(session, "SHOW statement_timeout") == "0"


def test_setting_of_the_transaction_by_a_parameter(session: Session) -> None:
    session.execute(text("SELECT set_config('app.tenant', :tenant, true)"), {"tenant": "o'hara"})
    assert value(session, "SELECT current_setting('app.tenant')") == "o'hara"
    session.commit()
    assert value(session, "SELECT current_setting('app.tenant', true)") == ""


def test_setting_of_a_transaction_that_has_floated(session: Session, postgresql: Tier) -> None:
    session.execute(text("SET LOCAL lock_timeout = 77"))
    with Session(postgresql.engine) as other:
        add(other, "a")
        other.commit()
    session.rollback()
    assert value(session, "SHOW lock_timeout") == "0"


def test_setting_of_the_session_outlives_a_commit_and_not_its_test(on_postgresql: Make) -> None:
    tier = on_postgresql()
    with tier.scope(), Session(tier.engine) as session:
        session.execute(text("SET search_path TO pg_catalog"))
        session.execute(text("SET ROLE pg_monitor"))
        session.commit()
        assert value(session, "SHOW search_path") == "pg_catalog"
    with tier.scope(), Session(tier.engine) as session:
        assert value(session, "SHOW search_path") == '"$user", public'
        assert value(session, "SELECT current_user") == "postgres"


def test_role_of_the_transaction(session: Session) -> None:
    session.execute(text("SET LOCAL ROLE pg_monitor"))
    session.commit()
    assert value(session, "SELECT current_user") == "postgres"


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_rows_that_are_read_past_the_end(session: Session, end: str) -> None:
    rows = session.execute(text("SELECT generate_series(1, 20)").execution_options(yield_per=5))
    next(rows)
    getattr(session, end)()
    with pytest.raises(SQLAlchemyError, match=r'cursor "\w+" does not exist'):
        rows.fetchall()


def test_rows_that_are_read_to_the_end(session: Session) -> None:
    rows = session.execute(text("SELECT generate_series(1, 20)").execution_options(yield_per=5))
    assert len(rows.fetchall()) == 20
    session.commit()


def test_cursor_in_raw_sql(session: Session) -> None:
    session.execute(text('DECLARE "My" CURSOR FOR SELECT 1'))
    assert value(session, 'FETCH "My"') == 1
    session.commit()
    with pytest.raises(SQLAlchemyError, match='cursor "My" does not exist'):
        session.execute(text('FETCH "My"'))


def test_cursor_that_is_held(session: Session) -> None:
    session.execute(text("DECLARE mine CURSOR WITH HOLD FOR SELECT 7"))
    session.commit()
    assert value(session, "FETCH mine") == 7


def test_cursors_of_the_driver(postgresql: Tier) -> None:
    with postgresql.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        named = driver.cursor(name="named")
        named.execute("SELECT generate_series(1, 9)")
        assert named.fetchone() == (1,)
        assert [row for (row,) in named] == list(range(2, 10))
        named.execute("SELECT 3")
        driver.commit()
        with pytest.raises(psycopg.errors.InvalidCursorName):
            named.fetchmany(2)
        driver.rollback()
        named.close()


@pytest.mark.parametrize(("what", "left"), [("DROP", None), ("DELETE ROWS", 0), ("PRESERVE ROWS", 1)])
def test_temporary_table(session: Session, what: str, left: int | None) -> None:
    session.execute(text(f"CREATE TEMP TABLE mine (id int) ON COMMIT {what}"))
    session.execute(text("INSERT INTO mine VALUES (1)"))
    session.commit()
    if left is None:
        assert value(session, "SELECT to_regclass('pg_temp.mine')") is None
    else:
        assert value(session, "SELECT count(*) FROM mine") == left


def test_temporary_table_of_another_test(on_postgresql: Make) -> None:
    tier = on_postgresql()
    with tier.scope(), Session(tier.engine) as session:
        session.execute(text("CREATE TEMP TABLE mine (id int)"))
        session.commit()
    with tier.scope(), Session(tier.engine) as session:
        assert value(session, "SELECT to_regclass('pg_temp.mine')") is None


DEFERRABLE = "CREATE TABLE late (id int PRIMARY KEY, up int REFERENCES late DEFERRABLE INITIALLY {})"


def test_deferred_constraint_raises_at_the_commit(session: Session) -> None:
    session.execute(text(DEFERRABLE.format("DEFERRED")))
    session.commit()
    session.execute(text("INSERT INTO late VALUES (1, 7)"))
    with pytest.raises(IntegrityError, match="late_up_fkey"):
        session.commit()
    session.rollback()
    session.execute(text("INSERT INTO late VALUES (1, 2)"))
    session.execute(text("INSERT INTO late VALUES (2, 2)"))
    session.commit()
    assert value(session, "SELECT count(*) FROM late") == 2


def test_deferred_constraint_that_is_never_committed(session: Session) -> None:
    session.execute(text(DEFERRABLE.format("DEFERRED")))
    session.commit()
    session.execute(text("INSERT INTO late VALUES (1, 7)"))
    session.rollback()


def test_constraint_that_is_deferred_for_a_transaction(session: Session) -> None:
    session.execute(text(DEFERRABLE.format("IMMEDIATE")))
    session.commit()
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    session.execute(text("INSERT INTO late VALUES (1, 2)"))
    session.execute(text("INSERT INTO late VALUES (2, 2)"))
    session.commit()
    with pytest.raises(IntegrityError):
        session.execute(text("INSERT INTO late VALUES (3, 4)"))


def test_trigger_that_works_at_the_commit(session: Session) -> None:
    for statement in (
        (
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN INSERT INTO items (name) VALUES (NEW.name || '!'); RETURN NULL; END $$"
        ),
        (
            "CREATE CONSTRAINT TRIGGER noting AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (NEW.name = 'a') EXECUTE FUNCTION note()"
        ),
    ):
        session.execute(text(statement))
    session.commit()
    add(session, "a")
    assert read(session) == ["a"]
    session.commit()
    assert read(session) == ["a", "a!"]


def test_locks_of_the_session(on_postgresql: Make) -> None:
    tier = on_postgresql()
    with tier.scope(), Session(tier.engine) as session:
        session.execute(text("SELECT pg_advisory_lock(7)"))
        session.commit()
    with tier.scope(), Session(tier.engine) as session:
        assert value(session, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


@pytest.mark.parametrize(
    "set_", ["SELECT setval('items_id_seq', 777)", "SELECT pg_catalog.setval('items_id_seq', 777, false)"]
)
def test_sequence_that_is_set(on_postgresql: Make, set_: str) -> None:
    tier = on_postgresql()
    with tier.scope(), Session(tier.engine) as session:
        before = value(session, "SELECT nextval('items_id_seq')")
        session.execute(text(set_))
        session.commit()
    with tier.scope(), Session(tier.engine) as session:
        assert value(session, "SELECT nextval('items_id_seq')") == before + 1  # type: ignore[operator]


def test_sequence_that_is_used_up(on_postgresql: Make, server: Address, database: str) -> None:
    with psycopg_connection(server, database) as connection:
        connection.execute("CREATE SEQUENCE short MAXVALUE 3")
    tier = on_postgresql()
    for _ in range(3):
        with tier.scope(), Session(tier.engine) as session:
            for number in (1, 2, 3):
                assert value(session, "SELECT nextval('short')") == number
    tier.line.close()
    with psycopg_connection(server, database) as connection:
        connection.execute("DROP SEQUENCE short")


def psycopg_connection(server: Address, database: str) -> "psycopg.Connection[tuple[object, ...]]":
    return server.connect(database)


def test_prepared_statements(on_postgresql: Make) -> None:
    tier = on_postgresql()
    for _ in range(2):
        with tier.scope(), Session(tier.engine) as session:
            session.execute(text("PREPARE mine AS SELECT 1"))
            session.commit()
            for _ in range(8):  # psycopg prepares its own from the fifth on
                assert value(session, "SELECT count(*) FROM items") == 0


def test_what_the_driver_prepared_before_a_table_was_changed(on_postgresql: Make) -> None:
    tier = on_postgresql()
    with tier.scope(), Session(tier.engine) as session:
        session.execute(text("ALTER TABLE items ADD COLUMN more int"))
        for _ in range(8):
            session.execute(text("SELECT * FROM items")).all()
    with tier.scope(), Session(tier.engine) as session:
        for _ in range(8):
            session.execute(text("SELECT * FROM items")).all()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE somebody",
        "create  user somebody",
        "ALTER ROLE postgres SET work_mem = '5MB'",
        "ALTER DATABASE postgres SET work_mem = '5MB'",
        "ALTER SYSTEM SET work_mem = '5MB'",
        "GRANT pg_monitor TO pg_read_all_data",
        "DROP DATABASE IF EXISTS nothing",
        "CREATE TABLESPACE here LOCATION '/nowhere'",
    ],
)
def test_what_belongs_to_the_server(session: Session, statement: str) -> None:
    with refused("The test changes what belongs to the whole server(.|\n)*committed_db"):
        session.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT SELECT ON items TO pg_monitor",
        "CREATE TABLE create_role (alter_system text)",
        "SELECT 'CREATE ROLE x; DROP DATABASE y'",
        "COMMENT ON TABLE items IS 'ALTER SYSTEM'",
        "REVOKE ALL ON items FROM PUBLIC",
    ],
)
def test_what_only_looks_like_it(session: Session, statement: str) -> None:
    session.execute(text(statement))


def test_listening(session: Session) -> None:
    with refused("LISTEN on the connection that is rolled back never hears"):
        session.execute(text("LISTEN channel"))
    session.rollback()
    session.execute(text("NOTIFY channel"))
    session.commit()


def test_two_phases(postgresql: Tier) -> None:
    with Session(postgresql.engine, twophase=True) as session, refused("PREPARE TRANSACTION"):
        add(session, "a")


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ"])
def test_isolation_level_of_one_connection(postgresql: Tier, level: str) -> None:
    with refused(f"The test asks for .*{level}(.|\n)*create_engine"):
        postgresql.engine.connect().execution_options(isolation_level=level)
    with postgresql.engine.connect() as connection, refused(level):
        connection.exec_driver_sql(f"BEGIN ISOLATION LEVEL {level}")


def test_isolation_level_of_the_engine(on_postgresql: Make) -> None:
    tier = on_postgresql(isolation_level="REPEATABLE READ")
    with tier.scope(), Session(tier.engine) as session:
        assert value(session, "SHOW transaction_isolation") == "repeatable read"
        session.commit()
        with tier.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            connection.exec_driver_sql("SELECT 1")


def test_transaction_that_only_reads(postgresql: Tier) -> None:
    with postgresql.engine.connect().execution_options(postgresql_readonly=True) as connection:
        assert connection.scalar(text("SHOW transaction_read_only")) == "on"
        with Session(postgresql.engine) as other:
            add(other, "a")
            other.commit()
        assert read(connection) == ["a"]
        with pytest.raises(SQLAlchemyError, match="read-only transaction"):
            add(connection, "b")
        connection.rollback()
    with Session(postgresql.engine) as session:
        add(session, "c")
        session.commit()
        assert read(session) == ["a", "c"]


def driver_of(tier: Tier) -> "psycopg.Connection[tuple[object, ...]]":
    connection = tier.engine.raw_connection().driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def test_transactions_of_the_driver(postgresql: Tier) -> None:
    driver = driver_of(postgresql)
    with driver.transaction():
        driver.execute("INSERT INTO items (name) VALUES ('a')")
        with suppress(ZeroDivisionError), driver.transaction():
            driver.execute("INSERT INTO items (name) VALUES ('b')")
            raise ZeroDivisionError
        with driver.transaction("mine", force_rollback=True):
            driver.execute("INSERT INTO items (name) VALUES ('c')")
        with driver.transaction():
            driver.execute("INSERT INTO items (name) VALUES ('d')")
            raise psycopg.Rollback
    assert postgresql.names() == ["a"]
    with suppress(psycopg.errors.UniqueViolation), driver.transaction():
        driver.execute("INSERT INTO items (name) VALUES ('e')")
        driver.execute("INSERT INTO items (name) VALUES ('a')")
    assert postgresql.names() == ["a"]
    driver.rollback()


def status(driver: "psycopg.Connection[tuple[object, ...]]") -> psycopg.pq.TransactionStatus:
    return driver.info.transaction_status


def test_what_else_the_driver_can(postgresql: Tier) -> None:
    driver = driver_of(postgresql)
    with driver.cursor() as cursor:
        cursor.executemany("INSERT INTO items (name) VALUES (%s)", [("a",), ("b",)])
        with cursor.copy("COPY items (name) FROM STDIN") as copy:
            copy.write_row(("c",))
        with cursor.copy("COPY (SELECT name FROM items ORDER BY name) TO STDOUT") as copy:
            assert list(copy.rows()) == [("a",), ("b",), ("c",)]
        assert list(cursor.stream("SELECT 1")) == [(1,)]
        cursor.execute("INSERT INTO items (name) VALUES ('d'); COMMIT; INSERT INTO items (name) VALUES ('e')")
    assert status(driver) == psycopg.pq.TransactionStatus.INTRANS
    driver.rollback()
    assert status(driver) == psycopg.pq.TransactionStatus.IDLE
    assert postgresql.names() == ["a", "b", "c", "d"]
    with driver.pipeline():
        driver.execute("INSERT INTO items (name) VALUES ('f')")
        driver.execute("SELECT 1")
    driver.commit()
    assert "f" in postgresql.names()


Break = Callable[[Session], object]


@pytest.mark.parametrize(
    ("said", "break_"),
    [
        ("The connection to the worker's database was lost", "SELECT pg_terminate_backend(pg_backend_pid())"),
        ("The test ended the transaction around it", None),
    ],
)
def test_connection_that_is_lost(
    on_postgresql: Make, monkeypatch: pytest.MonkeyPatch, said: str, break_: str | None
) -> None:
    tier = on_postgresql()
    blamed: list[str] = []
    monkeypatch.setattr(tier.line, "blame", blamed.append)
    module = tier.scope("module", "the module")
    with module as scope:
        with tier.working_in(scope), Session(tier.engine) as session:
            add(session, "of the module")
            session.commit()
        with tier.scope(name="that breaks it"), suppress(SQLAlchemyError), Session(tier.engine) as session:
            add(session, "a")
            if break_:
                session.execute(text(break_))
            else:
                tier.line.raw.pgconn.exec_(b"ROLLBACK")
                session.execute(text("SELECT 1"))
        assert [text for text in blamed if said in text]
        with (
            tier.scope(name="the next"),
            refused("wrote is gone since"),
            Session(tier.engine) as session,
        ):
            read(session)
    with tier.scope(name="of another module"):
        assert tier.names() == []


def test_engine_that_is_not_adopted_is_left_alone(server: Address, database: str) -> None:
    engine = create_engine(server.url(database))
    with engine.connect() as connection:
        assert type(connection.connection.driver_connection) is psycopg.Connection
    engine.dispose()
