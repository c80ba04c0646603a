"""`tiers changed`: a change runs the tests that it can affect, and all of them where that can't be told."""

import json
import re
import subprocess

import pytest
from pytest_tiers.commands import changed, running
from pytest_tiers.config import read
from pytest_tiers.timing.store import open_store

SHOP = """
from shop import other

def price(amount):
    return amount * 2

def unused():
    return 1

def at_start():
    return 1

STARTED = at_start()
"""
CONFTEST = """
import pytest
from shop import prices as shop_prices

@pytest.fixture(scope="session")
def inner():
    return 1

@pytest.fixture(scope="session")
def prices(request):
    request.getfixturevalue("inner")
    return {"one": other_price()}

def other_price():
    return shop_prices.other.tax(1)
"""
FILES = {
    "src/shop/__init__.py": "",
    "src/shop/prices.py": SHOP,
    "src/shop/other.py": "def tax(amount):\n    return amount\n",
    "migrations/env.py": "import os\n",
    "tests/conftest.py": CONFTEST,
    "tests/unit/test_price.py": "from shop import prices\n\ndef test_price():\n    assert prices.price(2) == 4\n",
    "tests/unit/test_nothing.py": "def test_nothing():\n    pass\n",
    "tests/unit/test_shared.py": "\n".join(f"def test_{n}(prices):\n    assert prices\n" for n in range(2)),
}
EVERYTHING = {"test_price", "test_nothing", "test_0", "test_1"}
# The package is found as pytest finds it; nothing is installed.
OPTIONS = """
[tool.pytest.ini_options]
addopts = "--disable-plugin-autoload -p xdist.plugin -p tiers --dist=worksteal -v"
testpaths = ["tests"]
pythonpath = ["src"]
"""


@pytest.fixture
def path(suite):
    path = suite(
        FILES | {".gitignore": ".cache\n__pycache__\n"}, loaded=OPTIONS, tiers="budgets = { all = 5 }"
    ).path
    subprocess.run(["git", "init", "-q"], cwd=path, check=True)
    return path


@pytest.fixture
def run(tiers, path):
    """Runs it; gives what is said before the tests run, and which of them run."""

    def run(*arguments, status=0):
        said = tiers("changed", *arguments, status=status).out
        ran = set(re.findall(r"(?:tests/unit/\w+\.py)::(\w+)(?: <- \S+)? (?:PASSED|FAILED)", said))
        ran |= set(re.findall(r"(?:PASSED|FAILED) tests/unit/\w+\.py::(\w+)", said))
        return said.partition("====")[0], ran

    return run


@pytest.fixture
def change(path):
    """Replaces text in a file."""

    def change(file, old, new):
        text = (path / file).read_text()
        assert old in text
        (path / file).write_text(text.replace(old, new))

    return change


def test_a_change_runs_what_it_affects(path, run, change):
    said, ran = run()
    assert (ran, "it isn't known yet what they run" in said) == (EVERYTHING, True)
    said, ran = run()
    assert (ran, said) == (set(), "Changed:\n  nothing\n0 tests ran it, or failed; new tests run as well.\n")

    change("src/shop/prices.py", "amount * 2", "2 * amount")
    said, ran = run()
    assert (ran, said) == (
        {"test_price"},
        "Changed:\n  src/shop/prices.py, price()\n1 tests ran it, or failed; new tests run as well.\n",
    )
    # It fails: until it is mended, it runs each time.
    change("src/shop/prices.py", "2 * amount", "3 * amount")
    assert run(status=1)[1] == {"test_price"}
    assert run(status=1)[1] == {"test_price"}
    change("src/shop/prices.py", "3 * amount", "2 * amount")
    change("src/shop/prices.py", "def unused():\n    return 1", "def unused():\n    return 2")
    assert run()[1] == {"test_price"}

    # A new test is nobody else's matter; neither is what the README says.
    (path / "tests/unit/test_new.py").write_text("def test_new():\n    pass\n")
    (path / "README.md").write_text("Changed.")
    assert run()[1] == {"test_new"}
    # The times of tests that are traced say nothing.
    assert not (path / ".cache/tests/durations.json").exists()


@pytest.fixture
def without_running(monkeypatch):
    """Lets no test run, and notes how pytest would have been called: what is decided shows all the same."""
    commands = []

    def run(command):
        commands.append(command)
        return 0

    monkeypatch.setattr(changed, "run", run)
    return commands


def shared(path):
    return set(json.loads((path / ".cache/tests/changed/shared.json").read_text()))


OUTSIDE = {
    "src/shop/prices.py::at_start",
    "src/shop/other.py::tax",
    "tests/conftest.py::inner",
    "tests/conftest.py::other_price",
    "tests/conftest.py::prices",
}


def test_everything_runs_where_what_changed_ran_outside_of_tests(
    path, run, change, without_running, monkeypatch
):
    with monkeypatch.context() as really:
        really.setattr(changed, "run", running.run)
        run()
        assert {name for name in shared(path) if "<module>" not in name} == OUTSIDE
    for file, old, new, reason in (
        ("src/shop/prices.py", "STARTED = at_start()", "STARTED = 7", "prices.py changed outside of its functions"),
        ("src/shop/other.py", "return amount", "return amount + 0", "other.py, tax() changed, which runs outside of tests"),
        ("tests/conftest.py", "tax(1)", "tax(2)", "conftest.py, other_price() changed, which runs outside of tests"),
        ("tests/conftest.py", '{"one"', '{"two"', "conftest.py, prices() changed, which runs outside of tests"),
        ("migrations/env.py", "import", "# changed\nimport", "migrations/env.py changed outside of its functions"),
        ("pyproject.toml", "all = 5", "all = 6", "pyproject.toml changed"),
    ):  # fmt: skip
        change(file, old, new)
        assert reason in run()[0]
        assert {"--testmon-noselect", "--numprocesses=auto"} <= set(without_running[-1])
    assert run()[0].startswith("Changed:\n  nothing\n")
    assert "--testmon-noselect" not in without_running[-1]


def test_workers_tell_what_ran_outside_of_tests_in_them(path, run):
    run("-n2")
    assert {name for name in shared(path) if "<module>" not in name} == OUTSIDE


def test_what_runs_only_a_part_doesnt_count_as_if_it_had_run_all(path, run, without_running):
    state = path / ".cache/tests/changed/state.json"
    for arguments in (("-k", "x"), ("--", "-k", "x")):
        run(*arguments)
        assert without_running[-1][-2:] == ["-k", "x"]
        assert not state.exists()
    run()
    assert state.exists()


@pytest.mark.parametrize(
    ("ended", "status", "counts"), [(0, 0, True), (1, 1, True), (5, 0, True), (2, 2, False), (4, 4, False)]
)
def test_only_a_run_that_came_to_its_end_counts(path, tiers, monkeypatch, ended, status, counts):
    monkeypatch.setattr(changed, "run", lambda command: ended)
    tiers("changed", status=status)
    assert (path / ".cache/tests/changed/state.json").exists() is counts


def test_whatever_has_become_of_what_it_knows_everything_runs(path, run, without_running, monkeypatch):
    with monkeypatch.context() as really:
        really.setattr(changed, "run", running.run)
        run()
    for name in ("state.json", "shared.json", "testmon"):
        file = path / ".cache/tests/changed" / name
        before = file.read_bytes()
        for content in (b'{"outlines": 7, "functions": []}', b""):
            file.write_bytes(content)
            assert run("-k", "x")[0].startswith("All tests:\n  it isn't known yet"), (name, content)
        file.write_bytes(before)
        assert run("-k", "x")[0].startswith("Changed:\n  nothing\n"), name


@pytest.mark.parametrize("cores", [2, 3])
def test_as_many_workers_as_pay(path, run, without_running, monkeypatch, cores):
    store = open_store(read(path))
    store.take_over({f"tests/unit/test_price.py::test_{number}": 9.0 for number in range(40)})
    content = json.loads(store.path.read_text())
    content["machine"]["cores"] = 2
    store.path.write_text(json.dumps(content))
    monkeypatch.setattr("pytest_tiers.timing.workers.cores", lambda: cores)
    tests = set(open_store(read(path)).tests)
    monkeypatch.setattr(changed, "affected_tests", lambda settings: tests)
    run()
    (path / ".cache/tests/changed/shared.json").write_text("[]")
    assert "40 tests ran it, or failed" in run()[0]
    # On another machine nobody knows.
    assert f"--numprocesses={2 if cores == 2 else 0}" in without_running[-1]


def test_it_works_where_plugins_load_by_themselves(suite, path, run):
    suite({}, loaded=OPTIONS.replace("--disable-plugin-autoload -p xdist.plugin -p tiers", "-p no:randomly"))
    assert run()[1] == EVERYTHING
    assert run()[1] == set()


def test_a_long_list_is_cut_off(path, run, without_running, monkeypatch):
    run()
    (path / ".cache/tests/changed/shared.json").write_text("[]")
    # As if testmon knew all about it.
    monkeypatch.setattr(changed, "affected_tests", lambda settings: set())
    for number in range(12):
        (path / f"data-{number:02}.json").write_text("{}")
    said, _ = run()
    assert said.splitlines() == [
        "All tests:",
        *(f"  data-{number:02}.json is new" for number in range(10)),
        "  …",
    ]


def test_without_git_it_says_so(suite, tiers, monkeypatch):
    path = suite(FILES).path
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(path.parent))
    err = tiers("changed", status=2).err
    assert err.startswith("`tiers changed` needs git, which says: fatal: not a git repository")
    monkeypatch.setenv("PATH", str(path))
    assert tiers("changed", status=2).err == "`tiers changed` needs git, which isn't here: install it.\n"


def test_without_testmon_it_says_what_to_install(path, tiers, monkeypatch):
    monkeypatch.setattr("pytest_tiers.commands.running.find_spec", lambda name: None)
    assert tiers("changed", status=2).err == "testmon can't be imported: install pytest-tiers[changed]\n"


def test_a_cache_that_cant_be_written_is_said(path, tiers):
    (path / ".cache").write_text("in the way")
    assert "What tests ran can't be kept: " in tiers("changed", status=2).err
