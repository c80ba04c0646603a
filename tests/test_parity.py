"""What SQLite hides: `nox -s parity` shows it, and what SQLite would drop is refused."""

import re
from dataclasses import dataclass

import pytest
from machinery import Machinery

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Difference:
    """Statements that SQLite takes and PostgreSQL doesn't, or whose result differs, and what PostgreSQL says."""

    name: str
    body: str
    says: str


ONE_COLUMN = "probe = table(db_session, Column('value', {}))\n"
DIFFERENCES = [
    Difference(
        "integer_overflow",
        ONE_COLUMN.format("Integer") + "db_session.execute(probe.insert().values(value=2**31))",
        "integer out of range",
    ),
    Difference(
        "string_length",
        ONE_COLUMN.format("String(3)") + "db_session.execute(probe.insert().values(value='four'))",
        "value too long for type character varying(3)",
    ),
    Difference(
        "boolean",
        ONE_COLUMN.format("Boolean") + "db_session.execute(text('INSERT INTO probe (value) VALUES (2)'))",
        'column "value" is of type boolean but expression is of type integer',
    ),
    Difference(
        "native_enum",
        ONE_COLUMN.format("Enum('a', 'b', name='kind')")
        + "db_session.execute(text(\"INSERT INTO probe (value) VALUES ('c')\"))",
        'invalid input value for enum kind: "c"',
    ),
    Difference(
        "like_ignores_case",
        ONE_COLUMN.format("Text")
        + "db_session.execute(probe.insert().values(value='Ada'))\n"
        + "assert db_session.scalars(select(probe.c.value).where(probe.c.value.like('ada'))).all() == ['Ada']",
        "assert [] == ['Ada']",
    ),
    Difference(
        "unique_with_nulls",
        "db_session.execute(text('CREATE TABLE probe (value TEXT PRIMARY KEY)'))\n"
        "for _ in range(2):\n    db_session.execute(text('INSERT INTO probe VALUES (NULL)'))",
        'null value in column "value" of relation "probe" violates not-null constraint',
    ),
    Difference(
        "time_zones",
        ONE_COLUMN.format("DateTime(timezone=True)")
        + "noon = datetime(2026, 3, 2, 12, tzinfo=timezone(timedelta(hours=2)))\n"
        + "db_session.execute(probe.insert().values(value=noon))\n"
        + "assert db_session.scalar(select(probe.c.value)).tzinfo is None",
        "is None",
    ),
    Difference(
        "decimal_rounding",
        ONE_COLUMN.format("Numeric(5, 2)")
        + "db_session.execute(text('INSERT INTO probe (value) VALUES (1.239)'))\n"
        + "assert float(db_session.scalar(text('SELECT value FROM probe'))) == 1.239",
        "assert 1.24 == 1.239",
    ),
    Difference(
        "json",
        ONE_COLUMN.format("JSON")
        + "db_session.execute(probe.insert().values(value={'a': 1}))\n"
        + "assert db_session.scalars(select(probe.c.id).where(probe.c.value == {'a': 1})).all() == [1]",
        "operator does not exist: json =",
    ),
    Difference(
        "foreign_keys",
        "db_session.execute(text('CREATE TABLE probe (other INTEGER REFERENCES nowhere (id))'))",
        'relation "nowhere" does not exist',
    ),
    Difference(
        "order_of_nulls",
        ONE_COLUMN.format("Integer")
        + "db_session.execute(probe.insert(), [{'value': 1}, {'value': None}])\n"
        + "assert db_session.scalars(select(probe.c.value).order_by(probe.c.value)).all() == [None, 1]",
        "assert [1, None] == [None, 1]",
    ),
    Difference(
        "collation_beyond_ascii",
        "assert db_session.scalar(select(func.lower('Ä'))) == 'Ä'",
        "AssertionError: assert 'ä' == 'Ä'",
    ),
    Difference(
        "type_affinity",
        ONE_COLUMN.format("Integer")
        + "db_session.execute(text(\"INSERT INTO probe (value) VALUES ('many')\"))",
        'invalid input syntax for type integer: "many"',
    ),
    Difference(
        "columns_that_are_not_grouped",
        ONE_COLUMN.format("Integer")
        + "db_session.execute(select(probe.c.value, func.count()).group_by(probe.c.id > 1)).all()",
        'column "probe.value" must appear in the GROUP BY clause',
    ),
    Difference(
        "after_an_error",
        ONE_COLUMN.format("Integer, unique=True")
        + "db_session.execute(probe.insert().values(value=1))\n"
        + "with suppress(IntegrityError):\n    db_session.execute(probe.insert().values(value=1))\n"
        + "assert db_session.scalar(select(func.count()).select_from(probe)) == 1",
        "current transaction is aborted",
    ),
    Difference(
        "nul_characters",
        ONE_COLUMN.format("Text") + "db_session.execute(probe.insert().values(value='a\\0b'))",
        "PostgreSQL text fields cannot contain NUL (0x00) bytes",
    ),
]
HEAD = """
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session


@pytest.fixture
def db_session(sessions):
    with sessions() as session:
        yield session


def table(db_session, *columns):
    probe = Table("probe", MetaData(), Column("id", Integer, primary_key=True), *columns)
    probe.create(db_session.connection())
    return probe


"""


def write_test(name: str, body: str, decorator: str = "") -> str:
    """Return a test's source."""
    lines = body.replace("\n", "\n    ")
    return f"{decorator}def test_{name}(db_session):\n    {lines}\n\n\n"


def parity(machinery: Machinery, tests: str, *arguments: str, status: int | None) -> str:
    """Put tests into the unit tier, run `nox -s parity` on it, and return what it says."""
    (machinery.service.folder / "tests/unit/test_kinds.py").write_text(HEAD + tests)
    command = (machinery.python, "-m", "tools.parity", "-n", "0", *(arguments or ("tests/unit",)))
    return machinery.service.run(*command, status=status, seconds=300, **machinery.environment()).output


def listed(output: str, heading: str) -> dict[str, str]:
    """Return what stands under a heading of the report: the lines about each test, by its name."""
    section = re.search(rf"^{heading} \((\d+)\):\n((?:  .*\n)+)", output, re.MULTILINE)
    if not section:
        return {}
    tests = re.split(r"^  tests/unit/test_kinds\.py::test_", section[2], flags=re.MULTILINE)[1:]
    found = {name: " ".join(lines.split()) for name, lines in (test.split("\n", 1) for test in tests)}
    assert len(found) == int(section[1])
    return found


def test_every_kind_of_difference_is_listed_with_both_outcomes_and_the_error(machinery):
    declared = '@pytest.mark.differs(reason="an old report relies on it")\n'
    tests = "".join(write_test(kind.name, kind.body) for kind in DIFFERENCES)
    tests += write_test("same", "assert db_session.scalar(select(1)) == 1")
    tests += write_test("declared", DIFFERENCES[0].body, declared)
    tests += write_test("gone", "assert db_session.scalar(select(1)) == 1", declared)
    tests += write_test("broken", "assert db_session.scalar(select(1)) == 2")
    output = parity(machinery, tests, status=1)
    said = listed(output, "differs")
    assert set(said) == {kind.name for kind in DIFFERENCES}, output
    for kind in DIFFERENCES:
        assert re.match(r"SQLite passed PostgreSQL failed: ", said[kind.name]), said[kind.name]
        assert kind.says in said[kind.name]
    declared_said = listed(output, "differs as declared")
    assert set(declared_said) == {"declared"}
    assert "integer out of range" in declared_said["declared"]
    assert declared_said["declared"].endswith("declared an old report relies on it")
    assert set(listed(output, "no longer differs")) == {"gone"}
    assert set(listed(output, "fails on both")) == {"broken"}
    assert (
        f"{len(DIFFERENCES) + 4} tests compared, {len(DIFFERENCES)} differ, 1 differ as declared." in output
    )
    assert "move the test to tests/integration, or declare the difference" in output
    assert len(DIFFERENCES) >= 12


def test_what_differs_only_as_declared_passes_and_what_differs_no_longer_fails(machinery):
    declared = '@pytest.mark.differs(reason="an old report relies on it")\n'
    known = write_test("known", DIFFERENCES[0].body, declared)
    output = parity(machinery, known, status=0)
    assert "1 tests compared, 0 differ, 1 differ as declared." in output
    # In any other session the declaration changes nothing.
    assert machinery.pytest("tests/unit/test_kinds.py").counts == [{"passed": 1}]
    output = parity(machinery, known + write_test("gone", "pass", declared), status=1)
    assert set(listed(output, "no longer differs")) == {"gone"}


def test_a_declaration_says_why(machinery):
    (machinery.service.folder / "tests/unit/test_kinds.py").write_text(
        "import pytest\n\n\n@pytest.mark.differs()\ndef test_known():\n    pass\n"
    )
    done = machinery.pytest("tests/unit/test_kinds.py", status=2)
    assert 'say why: differs(reason="…")' in done.output


@pytest.mark.parametrize(
    ("tests", "arguments", "status"),
    [
        ("import nothing_of_the_kind\n", (), 2),
        ("", ("tests/unit", "-k", "nothing_of_the_kind"), 5),
        ("", ("--nothing-of-the-kind",), 4),
    ],
    ids=["collection fails", "nothing is selected", "unknown option"],
)
def test_a_run_that_does_not_reach_its_end_compares_nothing(machinery, tests, arguments, status):
    output = parity(machinery, tests, *arguments, status=1)
    assert f"Nothing was compared: pytest ended with status {status} on SQLite." in output
    assert "tests compared" not in output


def test_the_services_own_unit_tests_end_alike_on_both(clone_service):
    done = clone_service().nox("-s", "parity")
    assert re.search(r"^(\d{3}) tests compared, 0 differ, 0 differ as declared\.$", done.stdout, re.MULTILINE)
    assert done.counts[0] == done.counts[1]


def test_the_unit_tier_is_left_as_it_is_and_each_test_is_rolled_back(machinery):
    add = "INSERT INTO customers (name, email, created_at) VALUES ('a', 'a', CURRENT_TIMESTAMP)"
    body = f'db_session.execute(text("{add}"))\ndb_session.commit()\n'
    body += "assert db_session.scalar(text('SELECT count(*) FROM customers')) == 1"
    pairs = write_test("one", body) + write_test("two", body)
    assert "2 tests compared, 0 differ" in parity(machinery, pairs, status=0)
    assert "4 tests compared" not in parity(machinery, pairs, "tests/unit", "-n", "2", status=0)


MODELS = """

class Odd(Base):
    __tablename__ = "odd"

    id: Mapped[int] = mapped_column(primary_key=True)
    {column}
    __table_args__ = ({arguments})
"""
IMPORTS = (
    "from sqlalchemy import Identity, Integer, Sequence, UniqueConstraint\n"
    "from sqlalchemy.dialects.postgresql import ARRAY, INET, TSVECTOR, ExcludeConstraint\n"
)
COLUMN = "value: Mapped[Any] = mapped_column({})"
TABLES = {
    "array": (COLUMN.format("ARRAY(Text)"), "", "can't render element of type ARRAY"),
    "inet": (COLUMN.format("INET"), "", "can't render element of type INET"),
    "tsvector": (COLUMN.format("TSVECTOR"), "", "can't render element of type TSVECTOR"),
    "default": (
        COLUMN.format("Text, server_default=func.gen_random_uuid().op('::')(Text)"),
        "",
        "SQLite can't hold it",
    ),
    "identity": (
        COLUMN.format("Integer, Identity(always=True)"),
        "",
        "GENERATED ALWAYS of value would be left out",
    ),
    "sequence": (
        COLUMN.format("Integer, Sequence('numbers')"),
        "",
        "the sequence of value would be left out",
    ),
    "nulls": (
        COLUMN.format("Text"),
        "UniqueConstraint('value', postgresql_nulls_not_distinct=True),",
        "NULLS NOT DISTINCT of uq_odd_value would be left out",
    ),
    "partial": (
        COLUMN.format("Text"),
        "Index('ix_odd', 'value', unique=True, postgresql_where=func.length(text('value')) > 3),",
        "the condition of the unique index ix_odd would be left out",
    ),
    "deferrable": (
        COLUMN.format("Text"),
        "UniqueConstraint('value', deferrable=True),",
        "SQLite can't hold it",
    ),
    "exclude": (COLUMN.format("Text"), "ExcludeConstraint(('value', '=')),", "SQLite can't hold it"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_that_sqlite_can_not_hold_is_refused_to_the_tests_that_touch_it_alone(machinery, kind):
    column, arguments, says = TABLES[kind]
    machinery.edit(
        "src/helpdesk/models.py",
        lambda source: (
            source.replace("from sqlalchemy import (", f"{IMPORTS}from sqlalchemy import (\n    text,")
            + MODELS.format(column=column, arguments=arguments)
        ),
    )
    tests = write_test("odd", "db_session.execute(text('SELECT * FROM odd'))")
    tests += write_test(
        "swallowed", "with suppress(Exception):\n    db_session.execute(text('SELECT * FROM odd'))"
    )
    tests += write_test("other", "assert db_session.scalar(text('SELECT count(*) FROM customers')) == 0")
    (machinery.service.folder / "tests/unit/test_kinds.py").write_text(HEAD + tests)
    done = machinery.pytest("tests/unit/test_kinds.py", status=1)
    assert done.counts == [{"failed": 2, "passed": 1}], done
    assert says in done.stdout
    assert "The test uses the table odd, and tests/unit doesn't have it" in done.stdout
    assert "What needs it belongs in tests/integration." in done.stdout


QUERIES = {
    "select(1).with_for_update(skip_locked=True)": "The test runs a query with FOR UPDATE SKIP LOCKED, which SQLite leaves out.",
    "select(1).with_for_update(nowait=True)": "The test runs a query with FOR UPDATE NOWAIT, which SQLite leaves out.",
    "select(1).ext(distinct_on(text('1')))": "SQLite doesn't know this. If PostgreSQL does, the test belongs in tests/integration.",
    "select(select(1).with_for_update(skip_locked=True).subquery())": "FOR UPDATE SKIP LOCKED, which SQLite leaves out.",
    "select(func.date_trunc('day', '2026-01-01'))": "SQLite doesn't know this. If PostgreSQL does, the test belongs in tests/integration.",
    "text('SELECT 1 FOR UPDATE SKIP LOCKED')": "SQLite doesn't know this. If PostgreSQL does, the test belongs in tests/integration.",
    "select(text('1')).where(literal('a').collate('de-x-icu') > 'b')": "SQLite doesn't know this. If PostgreSQL does, the test belongs in tests/integration.",
}


def test_queries_that_sqlite_would_change_are_refused_with_the_tier_to_move_to(machinery):
    tests = "".join(
        write_test(f"query_{number}", f"db_session.execute({query})") for number, query in enumerate(QUERIES)
    )
    tests += write_test("plain", "db_session.execute(select(1).with_for_update()).all()")
    (machinery.service.folder / "tests/unit/test_kinds.py").write_text(HEAD + tests)
    done = machinery.pytest("tests/unit/test_kinds.py", status=1)
    assert done.counts == [{"failed": len(QUERIES), "passed": 1}]
    reports = re.split(r"^_+ test_query_\d+ _+$", done.stdout, flags=re.MULTILINE)[1:]
    for query, report in zip(QUERIES, reports, strict=True):
        assert QUERIES[query] in report, query
    assert reports[0].count("belongs in tests/integration, or in tests/committed") >= 1
