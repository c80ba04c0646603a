"""SQLite in memory: as PostgreSQL where it can be, and refused where it would leave something out."""

import warnings

import pytest
from pytest_tiers import GuardError, MemoryRollback, memory_engine
from shops import migrated, tiers
from sqlalchemy import (
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, TSVECTOR, ExcludeConstraint
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

# Each is made anew for a table of its own.
TABLES = {
    "array": (lambda: [Column("value", ARRAY(Text))], "can't render element of type ARRAY"),
    "inet": (lambda: [Column("value", INET)], "can't render element of type INET"),
    "tsvector": (lambda: [Column("value", TSVECTOR)], "can't render element of type TSVECTOR"),
    "default": (
        lambda: [Column("value", Text, server_default=func.gen_random_uuid().op("::")(Text))],
        "SQLite can't hold it",
    ),
    "identity": (
        lambda: [Column("value", Integer, Identity(always=True))],
        "GENERATED ALWAYS of value would be left out",
    ),
    "sequence": (
        lambda: [Column("value", Integer, Sequence("numbers"))],
        "the sequence of value would be left out",
    ),
    "nulls": (
        lambda: [
            Column("value", Text),
            UniqueConstraint("value", name="uq_odd", postgresql_nulls_not_distinct=True),
        ],
        "NULLS NOT DISTINCT of uq_odd would be left out",
    ),
    "partial": (
        lambda: [
            Column("value", Text),
            Index("ix_odd", "value", unique=True, postgresql_where=text("value > ''")),
        ],
        "the condition of the unique index ix_odd would be left out (there is sqlite_where, too)",
    ),
    "deferrable": (
        lambda: [Column("value", Text), UniqueConstraint("value", deferrable=True)],
        "SQLite can't hold it",
    ),
    "exclude": (lambda: [Column("value", Text), ExcludeConstraint(("value", "="))], "SQLite can't hold it"),
}
FINE = {
    "identity": lambda: [Column("value", Integer, Identity())],
    "nulls": lambda: [Column("value", Text), UniqueConstraint("value")],
    "partial": lambda: [
        Column("value", Text),
        Index(
            "ix_odd",
            "value",
            unique=True,
            postgresql_where=text("value > ''"),
            sqlite_where=text("value > ''"),
        ),
    ],
    "not unique": lambda: [
        Column("value", Text),
        Index("ix_odd", "value", postgresql_where=text("value > ''")),
    ],
}


def distinct_on_one():
    """Return a query with DISTINCT ON, in the way that both SQLAlchemy 2.0 and 2.1 have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return select(literal(1)).distinct(text("1"))


@pytest.fixture
def metadata() -> MetaData:
    metadata = MetaData()
    Table("customers", metadata, Column("id", Integer, primary_key=True), Column("name", Text, unique=True))
    Table(
        "tickets",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("customer", ForeignKey("customers.id")),
    )
    return metadata


@pytest.fixture
def make():
    """Returns an engine on a database with these tables."""
    engines = []

    def make(metadata: MetaData):
        engines.append(memory_engine(metadata))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_that_it_can_not_hold_is_refused_to_those_who_touch_it_alone(make, metadata, kind):
    parts, says = TABLES[kind]
    Table("odd", metadata, Column("id", Integer, primary_key=True), *parts())
    with make(metadata).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM customers")) == 0
        with pytest.raises(GuardError) as refused:
            connection.execute(text("SELECT * FROM odd"))
        said = str(refused.value)
        assert said.startswith("The test uses the table odd, and the unit tier doesn't have it: ")
        assert says in said
        assert "What needs it belongs in the integration tier." in said
        with pytest.raises(OperationalError, match="no such table: nowhere"):
            connection.execute(text("SELECT * FROM nowhere"))


@pytest.mark.parametrize("kind", FINE)
def test_what_it_can_hold_is_there(make, metadata, kind):
    Table("odd", metadata, Column("id", Integer, primary_key=True), *FINE[kind]())
    with make(metadata).connect() as connection:
        assert connection.execute(text("SELECT * FROM odd")).all() == []


@pytest.mark.parametrize(
    ("query", "what"),
    [
        (select(literal(1)).with_for_update(skip_locked=True), "FOR UPDATE SKIP LOCKED"),
        (select(literal(1)).with_for_update(nowait=True), "FOR UPDATE NOWAIT"),
        (distinct_on_one(), "DISTINCT ON"),
        (select(select(literal(1)).with_for_update(skip_locked=True).subquery()), "FOR UPDATE SKIP LOCKED"),
    ],
)
def test_queries_that_it_would_change_are_refused_with_the_tier_to_move_to(make, metadata, query, what):
    with make(metadata).connect() as connection, pytest.raises(GuardError) as refused:
        connection.execute(query)
    assert str(refused.value).startswith(f"The test runs a query with {what}, which SQLite leaves out.")
    assert "belongs in the integration tier, or in the committed one if several connections" in str(
        refused.value
    )


def test_a_plain_distinct_is_no_matter(make, metadata):
    with make(metadata).connect() as connection:
        assert connection.execute(select(literal(1)).distinct()).all() == [(1,)]


def test_a_plain_lock_makes_no_difference_on_one_connection(make, metadata):
    with make(metadata).connect() as connection:
        assert connection.execute(select(literal(1)).with_for_update()).all() == [(1,)]


def test_foreign_keys_and_savepoints_work(make, metadata):
    with make(metadata).connect() as connection:
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(text("INSERT INTO tickets (customer) VALUES (7)"))
        connection.execute(text("INSERT INTO customers (name) VALUES ('Ada')"))
        with connection.begin_nested() as savepoint:
            connection.execute(text("INSERT INTO customers (name) VALUES ('Eve')"))
            savepoint.rollback()
        assert connection.scalars(text("SELECT name FROM customers")).all() == ["Ada"]
        connection.rollback()
        assert connection.scalar(text("SELECT count(*) FROM customers")) == 0


def test_a_table_made_in_a_transaction_ends_with_it(make, metadata):
    with make(metadata).connect() as connection:
        connection.execute(text("CREATE TABLE later (id int)"))
        connection.rollback()
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT * FROM later"))


def test_a_second_connection_is_an_error_and_no_second_view_of_the_first(make, metadata):
    engine = make(metadata)
    with engine.connect(), pytest.raises(NoConnectionError):
        engine.connect()


def test_a_database_that_was_lost_is_made_anew(make, metadata):
    engine = make(metadata)
    rollback = MemoryRollback(engine, metadata)
    engine.dispose()
    with engine.connect() as connection, pytest.raises(OperationalError):
        connection.execute(text("SELECT * FROM customers"))
    rollback.rebuild()
    with rollback.transaction() as connection:
        connection.execute(text("INSERT INTO customers (name) VALUES ('Ada')"))
    with rollback.transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM customers")) == 0


QUERIES = """
import pytest
from sqlalchemy import *

QUERIES = [
    select(func.date_trunc("day", "2026-01-01")),
    text("SELECT 1 FOR UPDATE SKIP LOCKED"),
    select(text("1")).where(literal("a").collate("de-x-icu") > "b"),
]


@pytest.mark.parametrize("number", range(3))
def test_query(db_session, number):
    db_session.execute(QUERIES[number])
"""


def test_what_it_doesnt_know_is_said_with_the_tier_to_move_to(suite):
    result = suite(migrated() | tiers() | {"tests/unit/test_queries.py": QUERIES}).runpytest_subprocess()
    result.assert_outcomes(failed=3)
    said = "SQLite doesn't know this. If PostgreSQL does, the test belongs in the integration tier."
    assert "\n".join(result.outlines).count(said) == 3
