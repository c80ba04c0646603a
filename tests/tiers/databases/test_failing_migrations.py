"""Migrations that fail, and what is said then: where it was, why, and the way out where there is one."""

import re

import pytest
from pytest_tiers.databases.address import ServerError
from pytest_tiers.databases.migrating import migrate
from shops import ASYNC_ENGINE, ENV_ASYNC, ENV_OF_SETTINGS, migrated, revision


@pytest.mark.parametrize(
    ("upgrade", "says"),
    [
        ("op.execute('SELECT nonsense')", 'line 12: column "nonsense" does not exist'),
        ("op.execute('SELECT 1 / 0')", "line 12: division by zero"),
        ("raise KeyError('TENANT')", "line 12: KeyError: 'TENANT'"),
        ("import sys; sys.exit('no')", "line 12: SystemExit: no"),
        ("assert not 1", "line 12: AssertionError"),
        ("from shop.helpers import fail; fail()", "line 12 (shop/helpers.py, line 2): ValueError: odd"),
    ],
)
def test_a_migration_that_fails_is_named_with_its_line_and_the_cause(project, failure, upgrade, says):
    files = {
        "migrations/versions/0001_customers.py": revision(upgrade),
        "shop/helpers.py": "def fail():\n    raise ValueError('odd')",
    }
    said = failure(project(migrated() | files))
    assert said.startswith(f"The migrations fail in migrations/versions/0001_customers.py, {says}")
    assert "[SQL" not in said
    assert "sqlalche.me" not in said


def test_so_is_one_under_an_asynchronous_driver(project, failure):
    files = {
        "migrations/env.py": ENV_ASYNC,
        "shop/database.py": ASYNC_ENGINE,
        "migrations/versions/0001_customers.py": revision("op.execute('SELECT nonsense')"),
    }
    said = failure(project(migrated() | files))
    assert said.startswith(
        'The migrations fail in migrations/versions/0001_customers.py, line 12: column "nonsense" does not exist'
    )


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"migrations/env.py": "\nimport nothing_there"},
            r"migrations/env\.py, line 2: ModuleNotFoundError: No module named 'nothing",
        ),
        (
            {"migrations/env.py": "import shop.settings", "shop/settings.py": "1 / 0"},
            r"env\.py, line 1 \(shop/settings\.py, line 1\): Zero",
        ),
        ({"migrations/versions/0002.py": revision("pass", "0002", "0099")}, r"0099"),
        ({"migrations/versions/0002.py": "def upgrade(:\n"}, r"SyntaxError: .*0002\.py"),
        ({"migrations/env.py": "import os; os._exit(3)"}, r"ended with status 3"),
        (
            {
                "migrations/env.py": "import os, sys; print('last words', file=sys.stderr, flush=True); os._exit(3)"
            },
            r"\nlast words$",
        ),
    ],
    ids=["import", "settings", "revision", "syntax", "exit", "last words"],
)
def test_whatever_else_goes_wrong_is_said(project, failure, files, says):

    said = failure(project(migrated() | files))
    assert re.search(says, said), said


def test_migrations_that_go_elsewhere_are_noticed(project, failure, ask, tmp_path):
    files = {"migrations/env.py": ENV_OF_SETTINGS, "shop/settings.py": "URL = 'sqlite:///other.db'"}
    said = failure(project(migrated() | files))
    assert (
        said
        == "The migrations fail in Alembic: its upgrade didn't reach the test database: it connected to sqlite:///other.db"
    )
    said = failure(project(migrated() | {"migrations/env.py": "pass"}))
    assert said == "The migrations fail in Alembic: its upgrade didn't reach the test database"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "\n\ndef fill(connection):\n    1 / 0\n",
            "The seed fails in tests/seed.py, line 4: ZeroDivisionError: division by zero",
        ),
        (
            "async def fill(connection): pass\n",
            "The seed fails in tests.seed:fill: it is async: it has to be a plain function",
        ),
        (
            "",
            "The seed fails in tests.seed:fill: AttributeError: module 'tests.seed' has no attribute 'fill'",
        ),
    ],
)
def test_a_seed_that_fails_is_named(project, failure, source, says):
    said = failure(project({"tests/seed.py": source}, tiers='seed = "tests.seed:fill"'))
    assert said.startswith(says)


def test_a_function_that_fails_is_named(project, failure):
    said = failure(project({}, tiers='migrations = "tests.nowhere:make"'))
    assert said.startswith(
        "The migrations fail in tests.nowhere:make: ModuleNotFoundError: No module named 'tests"
    )


@pytest.mark.parametrize(
    "statement",
    ['CREATE EXTENSION "uuid-ossp"', "CREATE EXTENSION postgis", "SELECT 'a' < 'b' COLLATE \"de-x-icu\""],
)
def test_what_the_wheels_server_cant_do_is_named_with_the_way_out(project, failure, statement):
    said = failure(
        project(
            migrated() | {"migrations/versions/0001_customers.py": revision(f"op.execute({statement!r})")}
        )
    )
    assert "0001_customers.py, line 12: " in said
    assert (
        "\nThis server doesn't have it: set TEST_DATABASE_URL to one that does; or install PostgreSQL with"
        in said
    )
    said = failure(
        project(
            migrated() | {"migrations/versions/0001_customers.py": revision("op.execute('SELECT nonsense')")}
        )
    )
    assert "TEST_DATABASE_URL" not in said


def test_a_server_that_went_away_is_said(project, server):
    gone = type(server)(host="/nowhere", port=1, user="nobody")
    with pytest.raises(ServerError, match=r"The migrations fail in Alembic: .*connection"):
        migrate(project(migrated()), gone, "empty")
