"""What pytest loads: nothing until it is asked for, then everything, whichever way; and what belongs to the suite stays its own."""

import re
from pathlib import Path

import pytest
from suites import Suite
from watched import written

AUTOLOADED = ""
"""All plugins that are installed are loaded, this one among them."""
NAMED = '[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload -p xdist.plugin -p tiers"\n'
UNNAMED = '[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload -p xdist.plugin"\n'
BOTH = '[tool.pytest.ini_options]\naddopts = "-p tiers"\n'

INERT = """
import gc, os, sys

import pytest


def test_nothing_was_touched(request):
    assert os.environ["REAL_TOKEN"] == "real-token-of-the-suite"
    assert gc.isenabled() and gc.get_freeze_count() < 2_000
    assert sys.dont_write_bytecode is bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    assert "PYTHON_DOTENV_DISABLED" not in os.environ
    assert not [name for name, _ in request.config.pluginmanager.list_name_plugin() if name.startswith("tiers-")]
    markers = [line.partition(":")[0].partition("(")[0] for line in request.config.getini("markers")]
    assert not {"unit", "fast", "medium", "slow", "unguarded", "differs"} & {*markers}
    assert not [finder for finder in sys.meta_path if "pytest_tiers" in type(finder).__module__]


def test_leaves_a_variable():
    os.environ["LEFT"] = "1"


def test_has_it():
    assert os.environ["LEFT"] == "1"
"""
ACTIVE = """
import gc, os, sys

import pytest


def test_all_is_there(request):
    assert "REAL_TOKEN" not in os.environ
    assert gc.isenabled() and gc.get_freeze_count() > 2_000
    assert not sys.dont_write_bytecode
    names = {name for name, _ in request.config.pluginmanager.list_name_plugin()}
    assert {"tiers-run", "tiers-network", "tiers-stopwatch", "tiers-start"} <= names


def test_leaves_a_variable():
    os.environ["LEFT"] = "1"


def test_has_none():
    assert "LEFT" not in os.environ
"""


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has a secret."""
    monkeypatch.setenv("REAL_TOKEN", "real-token-of-the-suite")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


@pytest.mark.parametrize("loaded", [AUTOLOADED, UNNAMED], ids=["autoloaded", "not loaded"])
@pytest.mark.parametrize("bytecode", ["", "1"])
@pytest.mark.usefixtures("secret")
def test_until_it_is_asked_for_it_does_nothing(
    suite: Suite, loaded: str, bytecode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", bytecode)
    pytester = suite({"tests/unit/test_a.py": INERT}, tiers=None, loaded=loaded)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:testmon")
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("tiers: *")
    assert not (pytester.path / ".cache").exists()


def test_its_options_are_unknown_until_it_is_asked_for(suite: Suite) -> None:
    pytester = suite({"tests/unit/test_a.py": INERT}, tiers=None, loaded=AUTOLOADED)
    result = pytester.runpytest_subprocess("--ci")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --ci*"])


@pytest.mark.parametrize(
    ("loaded", "tiers"),
    [(NAMED, ""), (NAMED, None), (AUTOLOADED, ""), (BOTH, ""), (BOTH, None)],
    ids=["named", "named without a table", "table", "both", "both without a table"],
)
@pytest.mark.parametrize("workers", ["-n0", "-n1"])
@pytest.mark.usefixtures("secret")
def test_asked_for_it_is_there_once(
    suite: Suite, loaded: str, tiers: str | None, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    pytester = suite({"tests/unit/test_a.py": ACTIVE}, tiers=tiers, loaded=loaded)
    result = pytester.runpytest_subprocess(
        "--tiers-ci", workers, *([] if "disable" in loaded else ["-p", "no:randomly", "-p", "no:testmon"])
    )
    result.assert_outcomes(passed=3, errors=1)
    assert result.stdout.str().count("\ntiers: ") == 1
    assert (pytester.path / ".cache/tests/.gitignore").read_text().endswith("*\n")


def test_another_projects_file_is_nobodys_business(suite: Suite) -> None:
    pytester = suite({"tests/test_a.py": "def test_a():\n    pass\n"}, tiers=None, loaded=AUTOLOADED)
    (pytester.path / "pytest.ini").write_text("[pytest]\n")
    (pytester.path / "pyproject.toml").write_text("[tool.budgets]\nunit = 1\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_table_that_cannot_be_says_all_that_is_wrong(suite: Suite) -> None:
    pytester = suite({"tests/unit/test_a.py": ""}, tiers="nonsense = 1\nseed = 2\nbudgets = { unit = 0 }")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert said.startswith("ERROR: [tool.tiers] in pyproject.toml:\n  nonsense is none of its keys")
    assert "\n  seed = 2 has to be " in said
    assert "\n  budgets = {'unit': 0} has to be " in said
    assert "Traceback" not in said


def test_the_old_table_of_budgets_is_named(suite: Suite) -> None:
    result = suite({"tests/unit/test_a.py": ""}, pyproject="[tool.budgets]\nunit = 1").runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *tool.budgets* in pyproject.toml is *tool.tiers.budgets* now: rename the table"]
    )


TEST = "def test_a():\n    pass\n"


@pytest.mark.parametrize(
    ("tiers", "files", "lines"),
    [
        (
            "",
            {
                "tests/unit/test_a.py": TEST,
                "tests/committed/test_b.py": TEST,
                "src/shop/__init__.py": "",
                "src/other/a.py": "",
            },
            ["tiers: unit (tests/unit), committed (tests/committed); packages: other, shop"],
        ),
        (
            'folders = { unit = ["tests/a", "tests/b"] }\nmetadata = "shop:meta"',
            {"tests/a/test_a.py": TEST, "tests/b/test_b.py": TEST, "src/shop/__init__.py": ""},
            ["tiers: unit (tests/a, tests/b); packages: shop; migrations: metadata"],
        ),
        (
            "",
            {
                "tests/unit/test_a.py": TEST,
                "src/shop/__init__.py": "",
                "db/alembic.ini": "[alembic]\nscript_location = .\n",
            },
            ["tiers: unit (tests/unit); packages: shop; migrations: db/alembic.ini"],
        ),
        (
            "",
            {"tests/test_a.py": TEST},
            [
                "tiers: none; packages: none",
                "WARNING: no packages were found, so no guard watches their variables: name them in [tool.tiers] packages",
                "WARNING: [tool.tiers] has no folders of tiers: no test is held to one",
            ],
        ),
        (
            None,
            {"tests/unit/test_a.py": TEST},
            [
                "tiers: none; packages: none",
                "WARNING: no packages were found, so no guard watches their variables: name them in [tool.tiers] packages",
            ],
        ),
    ],
    ids=["found", "said", "alembic", "nothing", "not asked by a table"],
)
def test_the_header_says_what_was_found(
    suite: Suite, tiers: str | None, files: dict[str, str], lines: list[str]
) -> None:
    result = suite(files, tiers=tiers).runpytest_subprocess("--collect-only")
    said = result.outlines
    first = next(number for number, line in enumerate(said) if line.startswith("tiers: "))
    assert re.sub(r"; (databases?|PostgreSQL)\b.*", "", said[first]) == lines[0]
    assert [line for line in said if line.startswith("WARNING: ")] == lines[1:]


OWN = """
import pytest


def pytest_addoption(parser):
    group = parser.getgroup("own")
    group.addoption("--ci", action="store_true", help="of the suite")
    group.addoption("--shard", help="of the suite")
    group.addoption("--plan", help="of the suite")
    group.addoption("--record", action="append", help="of the suite")
    group.addoption("--slowest", default="most", help="of the suite")


def pytest_configure(config):
    for name in ("slow", "fast", "unit"):
        config.addinivalue_line("markers", f"{name}: of the suite")


@pytest.fixture
def own(request):
    return {name: request.config.getoption(f"--{name}") for name in ("ci", "shard", "plan", "record", "slowest")}
"""
OWN_TESTS = """
import pytest


@pytest.mark.slow
def test_own(own):
    assert own == {"ci": True, "shard": "a", "plan": "b", "record": ["c"], "slowest": "d"}


@pytest.mark.unit
def test_marked():
    pass


def test_not_marked():
    pass
"""


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_options_and_markers_of_the_suite_stay_its_own(suite: Suite, workers: str) -> None:
    pytester = suite(
        {"tests/conftest.py": OWN, "tests/unit/test_a.py": OWN_TESTS, "tests/test_beside.py": TEST}
    )
    own = ["--ci", "--shard", "a", "--plan", "b", "--record", "c", "--slowest", "d"]
    pytester.runpytest_subprocess("tests", workers, *own).assert_outcomes(passed=4)
    pytester.runpytest_subprocess("tests", workers, "-m", "slow or unit", *own).assert_outcomes(
        passed=2, deselected=2 * (workers == "-n0")
    )
    result = pytester.runpytest_subprocess("tests", workers, "--tiers-ci", *own)
    result.assert_outcomes(passed=3, failed=0, errors=1)  # the test that lies in no tier
    assert (
        "@pytest.mark.unit: of the suite" in pytester.runpytest_subprocess("tests", "--markers").stdout.str()
    )


def test_a_run_in_a_run_is_another_run(suite: Suite) -> None:
    outer = """
    pytest_plugins = ["pytester"]
    import gc


    def test_outer(pytester, request):
        assert request.config.pluginmanager.get_plugin("tiers-run")
        pytester.makepyprojecttoml("[tool.pytest.ini_options]\\n[tool.tiers]\\nbudgets = { unit = 5 }\\n")
        pytester.mkdir("tests")
        pytester.makepyfile(test_inner="def test_inner(request):\\n    from pytest_tiers.config import settings_of\\n    assert settings_of(request.config).budgets.unit == 5")
        done = pytester.inline_run("-p", "tiers", "-p", "no:randomly", "-p", "no:testmon", "-p", "no:cacheprovider")
        passed, _, failed = done.countoutcomes()
        assert (passed, failed) == (1, 0)
        from pytest_tiers.config import settings_of
        assert settings_of(request.config).budgets.unit == 7
        assert gc.isenabled()


    def test_has_its_own(request):
        from pytest_tiers.guards import current
        assert current() is request.config.pluginmanager.get_plugin("tiers-run")
    """
    pytester = suite({}, tiers="budgets = { unit = 7 }")
    written(pytester.path, {"tests/unit/test_outer.py": outer})
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_conftest_may_load_it(suite: Suite, tmp_path: Path) -> None:
    del tmp_path
    conftest = 'pytest_plugins = ["pytest_tiers.plugin"]\n'
    pytester = suite(
        {
            "conftest.py": conftest,
            "tests/unit/test_a.py": "import os\n\n\ndef test_a():\n    os.environ['LEFT'] = '1'\n",
        },
        loaded=UNNAMED,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1, errors=1)
