"""The sessions of a rendered service, run from outside: what they run, what they say, what they leave."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from service import render_from_outside

pytestmark = pytest.mark.slow

TIERS = ("unit", "integration", "committed")


def collected(service, *arguments: str) -> int:
    """Return how many tests pytest finds, without running them."""
    done = service.run("uv", "run", "--locked", "pytest", "--collect-only", "-q", *arguments)
    (number,) = re.findall(r"(\d+)(?:/\d+)? tests? collected", done.stdout)
    return int(number)


@pytest.mark.parametrize("user", ["ordinary", "root"])
def test_each_tier_runs_all_of_its_tests_for_ordinary_users_and_root(clone_service, request, user):
    service = clone_service(request.getfixturevalue(f"{user}_account"))
    done = service.nox("-s", *TIERS)
    expected = [collected(service, f"tests/{tier}") for tier in TIERS]
    assert done.counts == [{"passed": number} for number in expected]
    assert sum(expected) >= 80
    assert min(expected) >= 10
    assert "Installed" not in done.output.split("Running session integration")[1]


def test_ci_runs_everything_and_leaves_reports_and_measured_times(clone_service):
    service = clone_service()
    done = service.nox("-s", "ci", CI="true")
    suites = ET.parse(service.folder / ".cache/tests/junit.xml").getroot()
    cases = [case.get("classname").split(".")[1] for case in suites.iter("testcase")]
    assert {tier: cases.count(tier) for tier in TIERS} == {
        tier: collected(service, f"tests/{tier}") for tier in TIERS
    }
    assert not [*suites.iter("failure"), *suites.iter("error"), *suites.iter("skipped")]
    coverage = ET.parse(service.folder / ".cache/tests/coverage.xml").getroot()
    assert float(coverage.get("line-rate")) >= 0.95
    measured = json.loads((service.folder / ".cache/tests/durations.json").read_text())["tests"]
    assert len(measured) == len(cases)
    seconds = [sum(test["last"][-1][:3]) for test in measured.values()]
    assert "\x1b[" not in done.output, "no colour where there is no terminal"

    # What was measured decides from now on.
    fast = sum(second < 0.1 for second in seconds)
    assert collected(service, "-m", "fast") == fast
    assert collected(service, "-m", "slow or medium") == len(cases) - fast

    slowest = service.nox("-s", "slowest", "--", "tests/unit/test_pagination.py")
    assert "slowest 50 tests" in slowest.stdout
    assert "slowest 50 fixtures" in slowest.stdout
    assert "slowest 50 files to collect" in slowest.stdout
    assert re.search(r"import helpdesk\.app: \d+ ms", slowest.stdout)


def test_ci_fails_when_coverage_is_below_its_floor(clone_service):
    service = clone_service()
    done = service.nox("-s", "ci", "--", "tests/unit/test_pagination.py", status=1)
    assert "Required test coverage of 95.0% not reached" in done.stdout


def test_an_explicit_speed_wins_and_a_new_test_takes_its_tiers_usual_speed(clone_service):
    service = clone_service()
    (service.folder / "tests/unit/test_new.py").write_text(
        "import pytest\n\n@pytest.mark.slow\ndef test_declared():\n    pass\n\n\ndef test_new():\n    pass\n"
    )
    done = service.nox("-s", "slow", "fast", "medium", "--", "tests/unit/test_new.py")
    # A session of which there are no tests is no failure.
    assert [counts.get("passed", 0) for counts in done.counts] == [1, 1, 0]


def test_arguments_pass_through_to_pytest(service):
    done = service.nox("-s", "fast", "--", "tests/unit/test_pagination.py", "-k", "refused", "-v")
    assert "tests/unit/test_pagination.py::" in done.stdout
    assert "tests/unit/test_models.py" not in done.stdout
    assert 0 < done.counts[0]["passed"] < collected(service, "tests/unit/test_pagination.py")


def test_what_only_narrows_a_session_leaves_it_its_tests(service):
    pagination = ["tests/unit/test_pagination.py"]
    for arguments, selects in (
        (["-k", "tests"], ["tests/unit"]),
        (["--deselect", "tests/unit/test_app.py"], ["--deselect", "tests/unit/test_app.py", "tests/unit"]),
        (pagination, pagination),
        (["--exitfirst", *pagination], pagination),
    ):
        done = service.nox("-s", "unit", "--", *arguments, "--collect-only", "-q")
        (number,) = re.findall(r"(\d+)(?:/\d+)? tests? collected", done.stdout)
        assert int(number) == collected(service, *selects), arguments


def test_sessions_read_like_documentation(service):
    listing = service.nox("-l").stdout
    described = dict(re.findall(r"^[*-] (\w+) -> ([A-Z].{10,})$", listing, re.MULTILINE))
    assert list(described) == [
        *("fast", "unit", "integration", "committed", "medium", "slow", "full", "ci", "plan", "report"),
        *("changed", "parity", "isolation", "slowest", "dashboard", "serve", "lint", "types", "migrations"),
        *("doctor", "clean"),
    ]
    assert "* fast" in listing


def test_fixtures_read_like_documentation(service):
    listing = service.run("uv", "run", "--locked", "pytest", "--fixtures", "-q").stdout
    ours = re.findall(
        r"^(\w+)(?: \[\w+ scope\])? -- (?:tests|packages)/.*\n    (\S.*)", listing, re.MULTILINE
    )
    described = dict(ours)
    assert described.keys() >= {
        *("client", "app", "make", "db_session", "committed_db", "redis_client", "redis_outage", "fake_ai"),
        *("fake_secrets", "frozen_time", "seeded_random", "shared_resource"),
    }
    assert [name for name, text in ours if not re.match("[A-Z\"'`p]", text) or "no docstring" in text] == []


def test_without_uv_or_lock_a_session_says_what_to_do(clone_service):
    service = clone_service()
    service.run("uv", "sync", "--locked")
    nox = str(Path(service.environment["UV_PROJECT_ENVIRONMENT"], "bin", "nox"))
    done = service.run(nox, "-s", "fast", status=1, PATH="/usr/bin:/bin")
    assert 'uv is missing: run `pip install "nox[uv]"`' in done.output
    (service.folder / "uv.lock").unlink()
    done = service.run(nox, "-s", "fast", status=1)
    assert re.search(r"Unable to find lockfile .* To create a lockfile, run `uv lock`", done.output)


def test_bytecode_is_kept_also_where_the_environment_forbids_it(clone_service):
    for number, command in enumerate((("nox", "-s", "unit", "--"), ("pytest",))):
        service = clone_service()
        service.run(
            *("uv", "run", "--locked", *command, "tests/unit/test_pagination.py"), PYTHONDONTWRITEBYTECODE="1"
        )
        assert list(service.folder.glob("tests/unit/__pycache__/test_pagination*.pyc")), number


def test_a_unit_run_loads_neither_plugins_nor_libraries_of_the_other_tiers(clone_service):
    service = clone_service()
    (service.folder / "tests/unit/test_loaded.py").write_text(
        "import sys\n\n\ndef test_loaded(client, pytestconfig):\n"
        "    assert client.get('/tickets').status_code == 200\n"
        "    unused = {'psycopg', 'alembic', 'pytest_postgresql', 'fakeredis', 'redis', 'openai', 'pytest_cov'}\n"
        "    assert unused & sys.modules.keys() == set()\n"
        "    plugins = {name for name, _ in pytestconfig.pluginmanager.list_name_plugin()}\n"
        "    assert not [name for name in plugins if 'pytest_postgresql' in name or name in ('anyio', '_cov')]\n"
    )
    for workers in "0", "1":
        service.run("uv", "run", "--locked", "pytest", "-n", workers, "tests/unit/test_loaded.py")
    # The database tiers do need them, so the check can fail.
    (service.folder / "tests/unit/test_loaded.py").rename(service.folder / "tests/integration/test_loaded.py")
    done = service.run("uv", "run", "--locked", "pytest", "tests/integration/test_loaded.py", status=1)
    assert "psycopg" in done.stdout


def test_lint_types_and_migrations_find_what_is_wrong(clone_service, mypy_cache):
    service = clone_service()
    models = service.folder / "src/helpdesk/models.py"
    models.write_text(
        models.read_text().replace(
            "    name: Mapped[str] = mapped_column(String(200))\n",
            "    name: Mapped[str] = mapped_column(String(200))\n    phone: Mapped[str | None] = mapped_column(String(50))\n",
        )
    )
    (service.folder / "src/helpdesk/wrong.py").write_text('import os\n\nNUMBER: int = "one"\n')
    done = service.nox("-s", "lint", "types", "migrations", status=1, MYPY_CACHE_DIR=mypy_cache)
    assert "`os` imported but unused" in done.stdout
    assert "Incompatible types in assignment" in done.stdout
    assert "phone" in done.stdout
    assert "Ran 3 sessions" in done.output
    assert not re.search(r"\* (lint|types|migrations): success", done.output)


def test_the_services_own_unit_tests_end_alike_on_both_databases(service):
    done = service.nox("-s", "parity")
    assert re.search(r"^(\d{3}) tests compared, 0 differ, 0 differ as declared\.$", done.stdout, re.MULTILINE)
    assert done.counts[0] == done.counts[1]


def test_a_change_of_the_service_runs_what_it_affects_and_order_affects_nothing(clone_service):
    service = clone_service()
    for test in service.folder.glob("tests/*/test_*.py"):
        if test.name not in ("test_pagination.py", "test_models.py"):
            test.unlink()
    everything = service.nox("-s", "changed").counts[0]["passed"]
    assert "Changed:\n  nothing\n" in service.nox("-s", "changed").stdout
    models = service.folder / "src/helpdesk/models.py"
    changed = models.read_text().replace("        self.closed_at = at\n", "        self.closed_at = None\n")
    assert changed != models.read_text()
    models.write_text(changed)
    done = service.nox("-s", "changed", status=1)
    assert "src/helpdesk/models.py, Ticket.close()" in done.stdout
    assert 0 < sum(done.counts[0].values()) < everything / 2

    service.run("git", "checkout", "-q", "src")
    done = service.nox("-s", "isolation", "--", "--orders", "1", "tests/unit")
    assert re.search(
        r"^\d+ tests in 3 orders: 0 depend on the order, 0 fail in each\.$", done.stdout, re.MULTILINE
    )


def test_clean_removes_caches_and_the_embedded_server(template, outside, tmp_path):
    # Under another name: the server of "helpdesk" is in use by the tests beside this one.
    service = render_from_outside(template, tmp_path, outside, project_name="Cleaned Away")
    service.run("uv", "run", "--locked", "pytest", "-q", "tests/integration/test_constraints.py")
    where = (
        "from pytest_tiers.databases.embedded import EmbeddedPostgres as E; print(E('cleaned-away').folder)"
    )
    folder = Path(service.run("uv", "run", "--locked", "python", "-c", where).stdout.strip())
    assert list(folder.glob("data-*"))
    service.nox("-s", "clean")
    assert not folder.exists()
    assert not (service.folder / ".cache").exists()
    assert not (service.folder / ".pytest_cache").exists()


def test_garbage_is_collected_from_the_first_test_on(clone_service):
    service = clone_service()
    (service.folder / "tests/unit/test_garbage.py").write_text(
        "import gc\n\n\ndef test_garbage():\n    assert gc.isenabled()\n    assert gc.get_freeze_count()\n"
    )
    for workers in "0", "1":
        service.run("uv", "run", "--locked", "pytest", "-n", workers, "tests/unit/test_garbage.py")


def test_what_a_team_sees_of_the_machinery_stays_small(service):
    conftests = [*service.folder.glob("tests/conftest.py"), *service.folder.glob("tests/*/conftest.py")]
    assert len(conftests) == 4
    files = [*conftests, service.folder / "tests/factories.py", service.folder / "noxfile.py"]
    lines = {file.relative_to(service.folder): len(file.read_text().splitlines()) for file in files}
    assert 200 < sum(lines.values()) <= 450, lines
