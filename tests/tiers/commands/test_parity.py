"""`tiers parity`: each test of the unit tier that ends otherwise on PostgreSQL is listed, with both outcomes."""

import re
from dataclasses import dataclass

import pytest
from pytest_tiers.commands import parity
from pytest_tiers.timing.records import Result


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
TABLES = """
from sqlalchemy import Column, Integer, MetaData, Table, Text

metadata = MetaData()
Table("customers", metadata, Column("id", Integer, primary_key=True), Column("name", Text))
"""
CONFTEST = """
import pytest
from sqlalchemy.orm import sessionmaker

from pytest_tiers import MemoryRollback, memory_engine
from shop.tables import metadata


@pytest.fixture(scope="session")
def engine():
    engine = memory_engine(metadata)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def rollback(engine):
    return MemoryRollback(engine, metadata)


@pytest.fixture
def sessions(rollback):
    with rollback.transaction() as connection:
        yield sessionmaker(connection, join_transaction_mode="create_savepoint")
"""
HEAD = """
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import *
from sqlalchemy.exc import IntegrityError


@pytest.fixture
def db_session(sessions):
    with sessions() as session:
        yield session


def table(db_session, *columns):
    probe = Table("probe", MetaData(), Column("id", Integer, primary_key=True), *columns)
    probe.create(db_session.connection())
    return probe


"""
FILE = "tests/unit/test_kinds.py"
DECLARED = '@pytest.mark.differs(reason="an old report relies on it")\n'
PATH = '[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload -p xdist.plugin -p tiers --strict-markers"\npythonpath = ["src"]\n'


def write_test(name, body, decorator=""):
    """Return a test's source."""
    lines = body.replace("\n", "\n    ")
    return f"{decorator}def test_{name}(db_session):\n    {lines}\n\n\n"


@pytest.fixture
def unit(suite):
    """Writes a suite whose unit tier has these tests, in the folder `unit`."""

    def unit(tests, folder="tests/unit", loaded=PATH):
        named = "" if folder == "tests/unit" else f'folders = {{ unit = ["{folder}"] }}\n'
        files = {
            "src/shop/__init__.py": "",
            "src/shop/tables.py": TABLES,
            f"{folder}/conftest.py": CONFTEST,
            f"{folder}/test_kinds.py": HEAD + tests,
        }
        return suite(files, tiers=f'{named}metadata = "shop.tables:metadata"', loaded=loaded)

    return unit


def listed(said, heading):
    """Return what stands under a heading of the report: the lines about each test, by its name."""
    section = re.search(rf"^{heading} \((\d+)\):\n((?:  .*\n)+)", said, re.MULTILINE)
    if not section:
        return {}
    tests = re.split(r"^  tests/unit/test_kinds\.py::test_", section[2], flags=re.MULTILINE)[1:]
    found = {name: " ".join(lines.split()) for name, lines in (test.split("\n", 1) for test in tests)}
    assert len(found) == int(section[1])
    return found


def test_every_kind_of_difference_is_listed_with_both_outcomes_and_the_error(unit, tiers):
    tests = "".join(write_test(kind.name, kind.body) for kind in DIFFERENCES)
    tests += write_test("same", "assert db_session.scalar(select(1)) == 1")
    tests += write_test("declared", DIFFERENCES[0].body, DECLARED)
    tests += write_test("gone", "assert db_session.scalar(select(1)) == 1", DECLARED)
    tests += write_test("broken", "assert db_session.scalar(select(1)) == 2")
    unit(tests)
    done = tiers("parity", status=1)
    said = listed(done.out, "differs")
    assert set(said) == {kind.name for kind in DIFFERENCES}, done.out
    for kind in DIFFERENCES:
        assert re.match(r"SQLite passed PostgreSQL failed: ", said[kind.name]), said[kind.name]
        assert kind.says in said[kind.name]
    declared = listed(done.out, "differs as declared")
    assert set(declared) == {"declared"}
    assert "integer out of range" in declared["declared"]
    assert declared["declared"].endswith("declared an old report relies on it")
    assert set(listed(done.out, "no longer differs")) == {"gone"}
    assert set(listed(done.out, "fails on both")) == {"broken"}
    count = len(DIFFERENCES)
    assert f"{count + 4} tests compared, {count} differ, 1 differ as declared." in done.out
    assert "move the test to the integration tier, or declare the difference" in done.err


def test_what_differs_only_as_declared_passes_and_what_differs_no_longer_fails(unit, tiers):
    known = write_test("known", DIFFERENCES[0].body, DECLARED)
    pytester = unit(known)
    assert "1 tests compared, 0 differ, 1 differ as declared." in tiers("parity").out
    # In any other run the declaration changes nothing.
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    unit(known + write_test("gone", "pass", DECLARED))
    assert set(listed(tiers("parity", status=1).out, "no longer differs")) == {"gone"}


ADD = (
    "db_session.execute(text(\"INSERT INTO customers (name) VALUES ('a')\"))\n"
    "db_session.commit()\n"
    "assert db_session.scalar(text('SELECT count(*) FROM customers')) == 1"
)
PAIR = write_test("one", ADD) + write_test("two", ADD)


@pytest.mark.parametrize(
    ("folder", "arguments", "loaded"),
    [
        ("tests/unit", ["-n2"], PATH),
        ("tests/quick", [], PATH),
        ("tests/unit", ["tests/unit/test_kinds.py"], '[tool.pytest.ini_options]\npythonpath = ["src"]\n'),
    ],
    ids=["workers", "another folder", "autoloaded, a file"],
)
def test_each_test_is_rolled_back_on_both(unit, tiers, folder, arguments, loaded):
    unit(PAIR, folder, loaded)
    said = tiers("parity", *arguments).out
    assert "2 tests compared, 0 differ, 0 differ as declared." in said
    assert said.startswith("The unit tier on SQLite:\n")
    assert "The unit tier on PostgreSQL:\n" in said


def test_it_really_is_postgresql_and_only_there(unit, tiers):
    body = "dialect = db_session.connection().dialect.name\nassert dialect == 'sqlite', dialect"
    unit(write_test("which", body))
    said = listed(tiers("parity", status=1).out, "differs")
    assert re.search(r"PostgreSQL failed: AssertionError: postgresql", said["which"])


def test_one_is_seen_as_it_says(unit, tiers):
    pytester = unit(write_test("which", DIFFERENCES[0].body))
    see = re.match(r"See one with `pytest (.*) TEST`", tiers("parity", status=1).err)[1].split()
    result = pytester.runpytest_subprocess(*see, FILE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*integer out of range*"])


@pytest.mark.parametrize(
    ("tests", "arguments", "status"),
    [
        ("import nothing_of_the_kind\n", (), 2),
        ("", ("-k", "nothing_of_the_kind"), 5),
        ("", ("--nothing-of-the-kind",), 4),
    ],
    ids=["collection fails", "nothing is selected", "unknown option"],
)
def test_a_run_that_does_not_reach_its_end_compares_nothing(unit, tiers, tests, arguments, status):
    unit(tests)
    done = tiers("parity", *arguments, status=status)
    assert f"Nothing was compared: pytest ended with status {status} on SQLite." in done.err
    assert "tests compared" not in done.out


def test_without_a_unit_tier_there_is_nothing_to_compare(suite, tiers):
    suite({"tests/test_a.py": ""})
    assert tiers("parity", status=2).err.startswith("There is no unit tier to compare: name its folders in")


@pytest.mark.parametrize(("missing", "extra"), [("sqlalchemy", "sqlalchemy"), ("psycopg", "postgresql")])
def test_what_isnt_installed_is_named(unit, tiers, monkeypatch, missing, extra):
    unit("")
    monkeypatch.setattr(
        "pytest_tiers.commands.running.find_spec", lambda name: None if name == missing else object()
    )
    assert tiers("parity", status=2).err == f"{missing} can't be imported: install pytest-tiers[{extra}]\n"


PASSED, FAILED, SKIPPED = Result("passed"), Result("failed", "no"), Result("skipped", "why")
KNOWN = "it is known"


@pytest.mark.parametrize(
    ("ours", "theirs", "heading"),
    [
        (PASSED, PASSED, None),
        (PASSED, FAILED, "differs"),
        (FAILED, PASSED, "differs"),
        (PASSED, SKIPPED, "differs"),
        (PASSED, None, "differs"),
        (None, PASSED, "differs"),
        (FAILED, FAILED._replace(error="another"), "fails on both"),
        (SKIPPED, SKIPPED, None),
        (PASSED._replace(differs=KNOWN), FAILED, "differs as declared"),
        (PASSED, FAILED._replace(differs=KNOWN), "differs as declared"),
        (PASSED._replace(differs=KNOWN), PASSED, "no longer differs"),
        (FAILED._replace(differs=KNOWN), FAILED, "fails on both"),
    ],
)
def test_what_comes_under_which_heading(ours, theirs, heading):
    results = [{"a::b": result} if result else {} for result in (ours, theirs)]
    found = parity.compare(*results)
    assert [name for name, tests in found.items() if tests] == ([heading] if heading else [])
