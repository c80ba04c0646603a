"""When a run prepares PostgreSQL, when it doesn't, and what is left of it."""

import os

import pytest
from shops import CUSTOMERS, PROBE, USES, migrated, revision, tiers


@pytest.fixture
def no_server(suite, cache, running, monkeypatch):
    """Has suites start no server: their cache can't be written, nor any other place."""

    def forbid(pytester) -> None:
        (pytester.path / "forbid.py").write_text(
            "from pytest_tiers.databases import preparation\n"
            "def refuse(*_): raise AssertionError('a server was looked for')\n"
            "preparation.Preparation.__init__ = refuse\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
        monkeypatch.setenv("PYTEST_PLUGINS", "forbid")

    return forbid


OWN = "import pytest\n@pytest.fixture\ndef databases():\n    return 7\n@pytest.fixture\ndef db_session():\n    return 8\n"


@pytest.mark.parametrize(
    ("files", "arguments", "outcome"),
    [
        ({"tests/test_a.py": "def test_a(): pass"}, (), {"passed": 1}),
        (
            {
                "tests/test_a.py": "def test_a(databases, db_session): assert databases + db_session == 15",
                "tests/conftest.py": OWN,
            },
            (),
            {"passed": 1},
        ),
        (
            {"tests/unit/test_a.py": "def test_a(): pass", "tests/integration/test_b.py": USES},
            ("tests/unit",),
            {"passed": 1},
        ),
        (
            {"tests/unit/test_a.py": "def test_a(): pass", "tests/integration/test_b.py": USES},
            ("tests/unit/test_a.py::test_a",),
            {"passed": 1},
        ),
        ({"tests/integration/test_b.py": USES}, ("--collect-only",), {}),
        ({"tests/integration/test_b.py": USES}, ("--fixtures",), {}),
        ({"tests/integration/test_b.py": USES}, ("--markers",), {}),
        ({"tests/test_b.py": USES}, ("--collect-only",), {}),
        ({"tests/test_b.py": USES}, ("-k", "nothing"), {"deselected": 5}),
    ],
)
def test_who_needs_none_starts_none(suite, no_server, files, arguments, outcome):
    pytester = suite(files)
    no_server(pytester)
    result = pytester.runpytest_subprocess(*arguments)
    if "--markers" not in arguments:
        result.assert_outcomes(**outcome)
    assert "a server was looked for" not in "\n".join(result.outlines + result.errlines)


@pytest.mark.parametrize(
    ("directory", "arguments", "needed"),
    [
        ("", (), True),
        ("tests", (), True),
        ("tests/unit", (), False),
        ("", ("tests",), True),
        ("tests/unit", ("../integration/test_b.py::test_b",), True),
        ("", ("tests/unit", "tests/integration"), True),
    ],
)
def test_paths_say_whether_it_is_needed(suite, no_server, directory, arguments, needed):
    pytester = suite(
        {"tests/unit/test_a.py": "def test_a(): pass", "tests/integration/test_b.py": "def test_b(): pass"}
    )
    no_server(pytester)
    os.chdir(pytester.path / directory)
    result = pytester.runpytest_subprocess(*arguments)
    assert ("a server was looked for" in "\n".join(result.outlines + result.errlines)) is needed


def test_only_the_testpaths_count_in_the_projects_folder(suite, no_server):
    files = {"tests/unit/test_a.py": "def test_a(): pass", "more/integration/test_b.py": "def test_b(): pass"}
    loaded = (
        "[tool.pytest.ini_options]\ntestpaths = ['tests']\naddopts = '--disable-plugin-autoload -p tiers'\n"
    )
    pytester = suite(
        files, loaded=loaded, tiers="folders = { unit = 'tests/unit', integration = 'more/integration' }"
    )
    no_server(pytester)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("how", ["stash", "option"])
def test_somebody_may_want_it_whatever_the_paths_are(suite, monkeypatch, how):
    plugin = {
        "stash": "from pytest_tiers.databases import need_database\n"
        "def pytest_configure(config): need_database(config)\n",
        "option": "def pytest_addoption(parser): parser.addoption('--on-postgresql', action='store_true')\n",
    }[how]
    test = "def test_a(request):\n    preparer = request.config.pluginmanager.get_plugin('tiers-preparer')\n    assert preparer._preparation is not None\n"
    pytester = suite({"tests/unit/test_a.py": test, "wants.py": plugin} | migrated())
    arguments = {"stash": (), "option": ("--on-postgresql",)}[how]
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
    pytester.runpytest_subprocess("-p", "wants", "tests/unit", *arguments).assert_outcomes(passed=1)


CLONED = """
def pytest_unconfigure(config):
    preparation = config.pluginmanager.get_plugin("tiers-preparer")._preparation
    if not hasattr(config, "workerinput"):
        print("CLONED" if preparation._databases else "NOT CLONED")
"""


@pytest.mark.parametrize(("workers", "said"), [("0", "CLONED"), ("1", "NOT CLONED")])
def test_a_database_is_made_by_those_who_run_tests_alone(suite, workers, said):
    pytester = suite(
        migrated()
        | {"tests/integration/test_a.py": "def test_a(committed_db): pass\n", "conftest.py": CLONED}
    )
    result = pytester.runpytest_subprocess("-n", workers)
    result.assert_outcomes(passed=1)
    assert said in result.outlines


def test_the_header_says_what_is_unusual(suite, server):
    empty = "there is neither an alembic.ini nor [tool.alembic]"
    test = {"tests/integration/test_a.py": "def test_a(worker_database): pass"}
    assert empty in "\n".join(suite(test).runpytest_subprocess().outlines)
    url = f"{server.dsn('postgres')}&application_name=tiers"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_DATABASE_URL", url)
        result = suite(migrated() | {"tests/integration/test_a.py": USES}).runpytest_subprocess("-n", "1")
        result.assert_outcomes(passed=5)
        said = "\n".join(result.outlines)
        assert (
            f"PostgreSQL: TEST_DATABASE_URL, {server.host}:5432; the tests make databases of their own"
            in said
        )
        assert empty not in said
    with server.connect() as connection:
        left = [
            name
            for (name,) in connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'shop_tests%'"
            )
        ]
        assert len(left) == 1
        assert "_template_" in left[0]
        connection.execute(f"DROP DATABASE {left[0]}")


@pytest.mark.parametrize("where", ["command line", "addopts", "environment"])
def test_the_server_may_be_an_option_of_pytest_postgresql(
    suite, server, where, monkeypatch, cache, database_cache
):
    options = f"--postgresql-host={server.host} --postgresql-user=postgres"
    loaded = f"[tool.pytest.ini_options]\naddopts = '--disable-plugin-autoload -p tiers {options if where == 'addopts' else ''}'\n"
    test = f"def test_a(postgres_server): assert postgres_server.host == {server.host!r}\n"
    pytester = suite({"tests/integration/test_a.py": test}, loaded=loaded)
    if where == "environment":
        monkeypatch.setenv("PYTEST_ADDOPTS", options)
    arguments = options.split() if where == "command line" else []
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)
    with server.connect() as connection:
        for (name,) in connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'shop_tests%'"
        ).fetchall():
            connection.execute(f"DROP DATABASE {name}")


def test_a_run_that_fails_before_its_tests_stops_the_server(suite, running, database_cache):
    wait = (
        "import os\nfrom pathlib import Path\n"
        "while not list(Path(os.environ['XDG_CACHE_HOME']).glob('shop-tests/data-*/postmaster.pid')):\n    pass\n"
        "import nonsense_of_shop\n"
    )
    pytester = suite({"tests/conftest.py": wait, "tests/integration/test_a.py": ""})
    result = pytester.runpytest_subprocess()
    assert "No module named 'nonsense_of_shop'" in "\n".join(result.outlines + result.errlines)
    assert result.ret == 4
    assert not running()


def test_a_killed_worker_is_replaced_and_its_database_reaped(suite, database_cache):
    killed = "import os, signal\ndef test_killed(sessions):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    pytester = suite(
        migrated()
        | tiers()
        | {"tests/integration/test_killed.py": killed, "tests/integration/test_probe.py": PROBE}
    )
    result = pytester.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=2, failed=1)
    assert "crashed while running 'tests/integration/test_killed.py::test_killed'" in "\n".join(
        result.outlines
    )
    left = (
        "def test_left(databases):\n"
        "    with databases.server.connect() as connection:\n"
        "        names = {n for (n,) in connection.execute(\"SELECT datname FROM pg_database WHERE datname LIKE 'shop_tests%'\")}\n"
        "    assert not [n for n in names if '_template_' not in n and not n.startswith(databases._own)]\n"
    )
    pytester = suite({"tests/integration/test_left.py": left, "tests/integration/test_killed.py": ""})
    pytester.runpytest_subprocess("tests/integration/test_left.py").assert_outcomes(passed=1)


def test_a_second_run_uses_the_template_of_the_first(suite):
    files = migrated() | {"tests/integration/test_a.py": USES}
    files["migrations/versions/0001_customers.py"] = revision(f"open('built', 'a').write('.'); {CUSTOMERS}")
    pytester = suite(files)
    for _ in range(2):
        pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=5)
    assert (pytester.path / "built").read_text() == "."


INNER = """
import pytest

pytest_plugins = ["pytester"]
TOML = '''
[project]
name = "shop"
[tool.tiers]
[tool.pytest.ini_options]
addopts = "--disable-plugin-autoload -p tiers"
'''


@pytest.mark.unguarded("files", "process", reason="a run of pytest")
def test_outer(committed_db, pytester):
    pytester.makepyprojecttoml(TOML)
    pytester.makepyfile(test_inner="def test_inner(committed_db): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_after(committed_db, databases):
    assert databases.clone()
"""


def test_a_run_within_a_run_disturbs_neither(suite):
    suite({"test_outer.py": INNER}).runpytest_subprocess().assert_outcomes(passed=2)
