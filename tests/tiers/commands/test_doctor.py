"""`tiers doctor`: a line for each thing, what to do where it is missing, and an exit code for what the settings need."""

import sys

import pytest
from pytest_tiers.commands import doctor
from pytest_tiers.commands.loaded import Loaded

UNIT = {"tests/unit/test_a.py": "", "src/shop/__init__.py": ""}
ALL = UNIT | {"tests/integration/test_b.py": "", "alembic.ini": "[alembic]\nscript_location = x\n"}


@pytest.fixture
def without(monkeypatch):
    """Lets modules and distributions count as not installed."""

    def without(*names):
        real = doctor.find_spec
        monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in names else real(name))
        installed = doctor._installed
        monkeypatch.setattr(doctor, "_installed", lambda name: None if name in names else installed(name))

    return without


def lines(done):
    """Return each line, by its mark and the words before the first colon, and the rest of it."""
    found = {}
    for line in done.out.splitlines():
        mark, what = line[:8].strip(), line[9:]
        key, _, rest = what.partition(":")
        found[key] = (mark, rest.strip())
    return found


def test_a_suite_that_is_well(suite, tiers, monkeypatch):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    suite(ALL, tiers='environment = { SECRET_KEY = "x" }')
    found = lines(tiers("doctor"))
    assert found["plugin"] == ("ok", "active, by [tool.tiers]")
    assert found["tier unit"] == ("ok", "tests/unit")
    assert found["tier integration"] == ("ok", "tests/integration")
    assert "tier committed" not in found
    assert found["packages"] == ("ok", "shop (src/shop)")
    assert found["migrations"] == ("ok", "alembic.ini")
    assert found["environment of the tests"] == ("ok", "SECRET_KEY")
    assert found["PostgreSQL"][0] == "ok"
    assert found["PostgreSQL"][1].startswith("embedded, pg_ctl (PostgreSQL) ")
    assert found["cache"] == ("ok", ".cache/tests")
    assert {f"extra {name}" for name in doctor.EXTRAS} <= found.keys()
    python = ".".join(map(str, sys.version_info[:3]))
    assert found[f"Python {python}, {sys.executable}"][0] == "ok"
    assert "MISSING" not in {mark for mark, _ in found.values()}


def test_what_nobody_needs_may_be_missing(suite, tiers, without, monkeypatch):
    suite({})
    monkeypatch.setenv("PATH", "")
    without(
        "psycopg", "alembic", "redis", "openai", "time_machine", "testmon", "pytest_randomly", "pytest-xdist"
    )
    found = lines(tiers("doctor"))
    assert found["uv"] == ("-", "not on PATH; sessions of nox may need it")
    assert found["pytest-xdist"] == ("-", "install it to run in parallel")
    assert found["tiers"][0] == "-"
    assert found["packages"][0] == "-"
    assert found["packages"][1].startswith("none: no guard watches their variables")
    assert found["migrations"] == ("-", "none")
    assert found["PostgreSQL"] == ("-", "psycopg can't be imported: install pytest-tiers[postgresql]")
    assert found["extra redis"] == ("-", "without redis: install pytest-tiers[redis]")
    assert found["extra isolation"] == ("-", "without pytest_randomly: install pytest-tiers[isolation]")


@pytest.mark.parametrize(
    ("files", "modules", "missing"),
    [
        (ALL, ["psycopg"], {"PostgreSQL", "extra postgresql"}),
        (ALL, ["alembic"], {"extra sqlalchemy"}),
        (UNIT, ["pytest-reportlog"], {"pytest-reportlog"}),
        (UNIT, ["psycopg", "alembic"], set()),
    ],
)
def test_what_the_settings_need_has_to_be_there(suite, tiers, without, files, modules, missing):
    suite(files)
    without(*modules)
    found = lines(tiers("doctor", status=1 if missing else 0))
    assert {what for what, (mark, _) in found.items() if mark == "MISSING"} == missing


def test_empty_databases_are_pointed_out_to_those_who_use_some(suite, tiers):
    suite({name: text for name, text in ALL.items() if name != "alembic.ini"})
    assert lines(tiers("doctor"))["migrations"] == ("-", "none: databases of tests are empty")


@pytest.mark.parametrize(
    ("loaded", "table", "mark", "why"),
    [
        ("", "", "ok", "active, by [tool.tiers]"),
        ('[tool.pytest.ini_options]\naddopts = "-p tiers"', None, "ok", "active, by -p tiers"),
        ('[tool.pytest.ini_options]\naddopts = ["-ptiers"]', None, "ok", "active, by -p tiers"),
        ("", None, "-", "not active: add [tool.tiers] to pyproject.toml, or run pytest with -p tiers"),
        (
            '[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload"',
            "",
            "MISSING",
            "[tool.tiers] asks for it, but plugins aren't loaded by themselves here: add -p tiers to addopts",
        ),
    ],
)
def test_whether_the_plugin_is_active_and_why(suite, tiers, loaded, table, mark, why):
    suite({}, loaded=loaded, tiers=table)
    assert lines(tiers("doctor", status=1 if mark == "MISSING" else 0))["plugin"] == (mark, why)


def test_plugins_that_nobody_loads_are_named(suite, tiers):
    suite(
        {},
        loaded='[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload -p tiers -p pytest_cov.plugin"',
    )
    mark, said = lines(tiers("doctor"))["installed plugins that nobody loads"]
    names = said.partition(": ")[0].split(", ")
    assert (mark, said.partition(": ")[2]) == ("-", "-p NAME loads one")
    assert {"xdist", "randomly", "timeout"} <= set(names)
    assert not {"tiers", "pytest_cov", "pytest_reportlog", "xdist.looponfail"} & set(names)
    suite({}, loaded="")
    assert "installed plugins that nobody loads" not in lines(tiers("doctor"))


@pytest.mark.parametrize(
    ("ini", "environment", "named", "autoload"),
    [
        ("", {}, set(), True),
        ("[pytest]\naddopts = -p a -pb --disable-plugin-autoload\n", {}, {"a", "b"}, False),
        ("", {"PYTEST_ADDOPTS": "-p c"}, {"c"}, True),
        ("", {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, set(), False),
    ],
)
def test_what_pytest_loads_is_read_from_wherever_it_is_said(
    tmp_path, monkeypatch, ini, environment, named, autoload
):
    (tmp_path / "pytest.ini").write_text(ini)
    for name in ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Loaded.read(tmp_path) == (named, autoload)


def test_a_server_of_ones_own_is_named_with_its_version_and_without_the_password(suite, tiers, monkeypatch):
    from pytest_tiers.databases.embedded import EmbeddedPostgres

    suite(ALL)
    with EmbeddedPostgres("shop") as server:
        url = server.dsn("postgres").replace("postgres@", "postgres:hunter2@", 1)
        monkeypatch.setenv("TEST_DATABASE_URL", url)
        mark, said = lines(tiers("doctor"))["PostgreSQL"]
    assert mark == "ok"
    assert said.startswith(f"TEST_DATABASE_URL, {server.host}:{server.port}, 1")
    assert "hunter2" not in said
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/x")
    done = tiers("doctor", status=1)
    assert lines(done)["PostgreSQL"][0] == "MISSING"
    assert "TEST_DATABASE_URL can't be used" in done.out
    assert "hunter2" not in done.out


def test_a_cache_that_cant_be_written_is_missing(suite, tiers):
    path = suite({}).path
    (path / ".cache").write_text("in the way")
    mark, said = lines(tiers("doctor", status=1))["cache"]
    assert (mark, said.partition(" (")[0]) == ("MISSING", ".cache/tests can't be written")
    assert said.endswith("nothing that is measured is kept")


def test_it_leaves_nothing_behind(suite, tiers):
    path = suite(UNIT).path
    tiers("doctor")
    assert [file.name for file in (path / ".cache/tests").iterdir()] == [".gitignore"]
