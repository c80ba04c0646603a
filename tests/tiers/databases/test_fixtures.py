"""PostgreSQL's fixtures in a run: there for who asks, prepared in time where there are tiers, and nothing for all others."""

import os

import pytest
from shops import HIDE, PROBE, USES, migrated, revision, tiers

AUTOLOAD = "[tool.pytest.ini_options]\naddopts = '-p no:randomly'\n"


ASKS = """

def test_nothing_came_before_the_tests_were_known():
    assert EARLY == ["sqlalchemy"]


def test_it_began_before_the_first_test(pytestconfig):
    assert pytestconfig.pluginmanager.get_plugin("tiers-preparer")._preparation


def test_late(request):
    assert request.getfixturevalue("worker_database")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_in_tiers_they_are_prepared(suite, workers, running):
    files = {
        "tests/committed/test_uses_committed.py": USES,
        "tests/integration/test_uses.py": USES,
        "tests/unit/test_probe.py": PROBE,
    }
    pytester = suite(migrated() | files | {"tests/unit/conftest.py": tiers()["tests/unit/conftest.py"]})
    pytester.runpytest_subprocess("-n", workers).assert_outcomes(passed=12)
    assert not running()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_without_tiers_they_are_there_for_who_asks(suite, workers, running):
    pytester = suite(migrated() | {"tests/api/test_uses.py": ASKS + USES})
    pytester.runpytest_subprocess("-n", workers).assert_outcomes(passed=8)
    assert not running()


def test_without_being_asked_at_all_they_are_there_with_p_tiers(suite):
    suite(migrated() | {"tests/test_uses.py": USES}, tiers=None).runpytest_subprocess().assert_outcomes(
        passed=5
    )


def test_a_fixture_that_is_asked_for_in_a_test_comes_then(suite):
    test = "def test_late(request):\n    assert request.getfixturevalue('committed_db')\n"
    suite(migrated() | {"tests/test_late.py": test}).runpytest_subprocess("-Werror").assert_outcomes(passed=1)
    files = {"tests/unit/test_late.py": test, "tests/integration/test_late.py": ""}
    suite(migrated() | files).runpytest_subprocess("tests/unit").assert_outcomes(passed=1)


def run_without(pytester, monkeypatch, *names: str, arguments=()):
    """Run a suite as if some packages weren't installed."""
    (pytester.path / "hidden").mkdir()
    (pytester.path / "hidden" / "sitecustomize.py").write_text(HIDE.format(names=names))
    monkeypatch.setenv("PYTHONPATH", str(pytester.path / "hidden"), prepend=os.pathsep)
    return pytester.runpytest_subprocess(*arguments)


FIXTURES = ["postgres_server", "databases", "worker_database", "committed_db"]


@pytest.mark.parametrize("name", ["psycopg", "pytest_postgresql", "platformdirs"])
@pytest.mark.parametrize("place", ["tests/integration", "tests"])
def test_what_isnt_installed_isnt_missed_until_it_is_asked_for(suite, monkeypatch, name, place):
    tests = "".join(f"def test_{fixture}({fixture}): pass\n" for fixture in FIXTURES)
    pytester = suite({f"{place}/test_a.py": f"{tests}def test_other(): pass\n"})
    result = run_without(pytester, monkeypatch, name)
    result.assert_outcomes(passed=1, errors=4)
    said = "\n".join(result.outlines)
    assert said.count(f"need more than is installed here ({name}): install pytest-tiers[postgresql]") >= 4


def test_without_sqlalchemy_urls_are_texts_and_the_rest_works(suite, monkeypatch):
    test = (
        "import psycopg\n"
        "def test_a(committed_db, worker_database, databases):\n"
        "    for url in committed_db, worker_database, databases.clone():\n"
        "        assert isinstance(url, str)\n"
        "        with psycopg.connect(url) as connection:\n"
        "            assert connection.execute('SELECT * FROM made').fetchall() == []\n"
        "def test_b(postgresql):\n"
        "    assert postgresql.execute('SELECT * FROM made').fetchall() == []\n"
    )
    files = {
        "tests/integration/test_a.py": test,
        "make.py": "def make(connection):\n    connection.execute('CREATE TABLE made ()')\n",
    }
    pytester = suite(files, tiers='migrations = "make:make"')
    run_without(pytester, monkeypatch, "sqlalchemy", "alembic").assert_outcomes(passed=2)


POSTGRESQL = """
def test_postgresql(postgresql):
    postgresql.execute("INSERT INTO customers (email) VALUES ('a')")
    postgresql.commit()
    assert postgresql.execute("SELECT count(*) FROM customers").fetchone() == (1,)


def test_again(postgresql):
    assert postgresql.execute("SELECT count(*) FROM customers").fetchone() == (0,)


def test_noproc(postgresql_noproc, postgresql_proc, postgresql, committed_db):
    assert postgresql_noproc is postgresql_proc
    assert postgresql_noproc.host == committed_db.query["host"]
    assert postgresql_noproc.port == committed_db.port
    assert postgresql.info.dbname == postgresql_noproc.dbname
    assert postgresql_noproc.template_dbname.startswith("shop_tests_template_")
"""


@pytest.mark.parametrize(
    ("loaded", "arguments"),
    [(None, ()), (None, ("-n", "1")), (AUTOLOAD, ()), (None, ("-p", "pytest_postgresql.plugin"))],
    ids=["named", "in a worker", "autoloaded", "named twice"],
)
def test_pytest_postgresqls_fixtures_are_on_the_same_server(suite, loaded, arguments):
    given = {"loaded": loaded} if loaded else {}
    pytester = suite(migrated() | {"tests/integration/test_postgresql.py": POSTGRESQL}, **given)
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=3)


def test_without_tiers_a_suite_keeps_its_own_of_them(suite):
    test = "def test_a(pytestconfig, request):\n    assert 'pytest_postgresql' in request._fixturemanager.getfixturedefs('postgresql_proc', request.node)[-1].func.__module__\n"
    pytester = suite({"tests/test_a.py": test}, loaded=AUTOLOAD)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_db_session_of_another_plugin_stays(suite, monkeypatch):
    plugin = "import pytest\n@pytest.fixture\ndef db_session():\n    return 'theirs'\n"
    pytester = suite(
        {"tests/test_a.py": "def test_a(db_session): assert db_session == 'theirs'\n", "theirs.py": plugin}
    )
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
    pytester.runpytest_subprocess("-p", "theirs").assert_outcomes(passed=1)


def test_what_env_does_to_logging_is_no_matter_of_the_run(suite):
    test = "import logging\ndef test_a(worker_database, caplog):\n    logging.getLogger('shop.a').warning('heard')\n    assert 'heard' in caplog.text\n"
    files = migrated()
    files["migrations/env.py"] = (
        "from logging.config import dictConfig\ndictConfig({'version': 1})\n" + files["migrations/env.py"]
    )
    files |= {
        "shop/a.py": "import logging\nlogger = logging.getLogger('shop.a')\n",
        "tests/integration/test_a.py": f"import shop.a\n{test}",
    }
    suite(files).runpytest_subprocess().assert_outcomes(passed=1)


def test_migrations_that_fail_are_the_error_of_each_test_that_needs_them(suite):
    files = migrated() | {"migrations/versions/0001_customers.py": revision("op.execute('SELECT nonsense')")}
    test = "def test_a(worker_database): pass\ndef test_b(committed_db): pass\ndef test_c(): pass\ndef test_d(postgresql): pass"
    result = suite(files | {"tests/integration/test_a.py": test}).runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=3)
    said = "\n".join(result.outlines)
    assert (
        said.count('The migrations fail in migrations/versions/0001_customers.py, line 12: column "nonsense"')
        >= 3
    )
    assert "Traceback" not in said
