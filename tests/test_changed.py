"""`nox -s changed`: a change runs the tests that it can affect, and all of them where that can't be told."""

import re

import pytest
from tools_of_service import changed

BEFORE = """
LIMIT = 3

def top(a, b=LIMIT):
    def inner():
        return a
    return inner()

class Thing:
    size = 1

    def method(self):
        return self.size

if LIMIT:
    def conditional():
        return 1
"""


def state(tmp_path, monkeypatch, text):
    """Return what a repository is like whose one module has this text."""
    path = tmp_path / "src" / "service" / "module.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    monkeypatch.setattr(changed.subprocess, "run", lambda *_, **__: Listed())
    return changed.state_of(tmp_path)


class Listed:
    """What git says."""

    returncode = 0
    stdout = "src/service/module.py\0"


@pytest.mark.fast
@pytest.mark.parametrize(
    ("old", "new", "functions"),
    [
        ("return a\n", "return a + 1\n", ["top"]),
        ("return self.size", "return 0", ["Thing.method"]),
        ("        return 1", "        return 2", ["conditional"]),
        ("def top", "# a comment\ndef top", []),
        ("LIMIT = 3", "LIMIT = 4", None),
        ("size = 1", "size = 2", None),
        ("b=LIMIT", "b=1", None),
        ("def method", "@property\n    def method", None),
        ("def top", "def bottom", None),
        ("class Thing:", "class Thing(dict):", None),
    ],
)
def test_what_is_in_functions_is_told_from_what_is_outside(tmp_path, monkeypatch, old, new, functions):
    before = state(tmp_path, monkeypatch, BEFORE)
    assert BEFORE.count(old) == 1
    after = state(tmp_path, monkeypatch, BEFORE.replace(old, new))
    reasons = changed.reasons_for_all(before, after, set())
    if functions is None:
        assert reasons == ["src/service/module.py changed outside of its functions"]
    else:
        names = [f"src/service/module.py::{name}" for name in functions]
        assert (reasons, changed.changed_functions(before, after)) == ([], names)
        shared = changed.reasons_for_all(before, after, set(names))
        assert shared == [
            f"src/service/module.py, {name}() changed, which runs outside of tests" for name in functions
        ]


SERVICE = """
from helpdesk import other

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
from helpdesk import shop

@pytest.fixture(scope="session")
def prices():
    return {"one": other_price()}

def other_price():
    return shop.other.tax(1)
"""
TESTS = {
    "test_price": "from helpdesk import shop\n\ndef test_price():\n    assert shop.price(2) == 4\n",
    "test_nothing": "def test_nothing():\n    pass\n",
    "test_shared": "\n".join(f"def test_{n}(prices):\n    assert prices\n" for n in range(4)),
}


@pytest.mark.slow
def test_a_change_runs_what_it_affects_and_everything_where_that_cant_be_told(machinery):
    service, folder = machinery.service, machinery.service.folder
    (folder / "tests/integration/test_probe.py").unlink()
    (folder / "src/helpdesk/shop.py").write_text(SERVICE)
    (folder / "src/helpdesk/other.py").write_text("def tax(amount):\n    return amount\n")
    (folder / "tests/conftest.py").write_text(CONFTEST)
    for name, text in TESTS.items():
        (folder / f"tests/unit/{name}.py").write_text(text)

    def run(*arguments: str, status: int = 0) -> tuple[str, set[str]]:
        """Return what is said before the tests run, and which of them run."""
        command = (machinery.python, "-m", "tools.changed", "-v", *arguments)
        done = service.run(
            *command[:3], *arguments, status=status, PYTEST_ADDOPTS="-v", **machinery.environment()
        )
        ran = set(re.findall(r"(?:tests/unit/\w+\.py)::(\w+)(?: <- \S+)? (?:PASSED|FAILED)", done.stdout))
        ran |= set(re.findall(r"(?:PASSED|FAILED) tests/unit/\w+\.py::(\w+)", done.stdout))
        return done.stdout.partition("====")[0], ran

    everything = {"test_price", "test_nothing", "test_0", "test_1", "test_2", "test_3"}
    said, ran = run()
    assert (ran, "it isn't known yet what they run" in said) == (everything, True)
    said, ran = run()
    assert (ran, said) == (set(), "Changed:\n  nothing\n0 tests ran it, or failed; new tests run as well.\n")

    def change(file: str, old: str, new: str) -> None:
        machinery.edit(file, lambda text: text.replace(old, new))

    change("src/helpdesk/shop.py", "amount * 2", "2 * amount")
    said, ran = run()
    assert (ran, said) == (
        {"test_price"},
        "Changed:\n  src/helpdesk/shop.py, price()\n1 tests ran it, or failed; new tests run as well.\n",
    )
    # It fails: until it is mended, it runs each time.
    change("src/helpdesk/shop.py", "2 * amount", "3 * amount")
    assert run(status=1)[1] == {"test_price"}
    assert run(status=1)[1] == {"test_price"}
    change("src/helpdesk/shop.py", "3 * amount", "2 * amount")
    assert run()[1] == {"test_price"}
    change("src/helpdesk/shop.py", "def unused():\n    return 1", "def unused():\n    return 2")
    assert run()[1] == set()

    # testmon alone wouldn't see any of these, or not for all tests.
    for file, old, new, reason in (
        (
            "src/helpdesk/shop.py",
            "STARTED = at_start()",
            "STARTED = 7",
            "shop.py changed outside of its functions",
        ),
        (
            "src/helpdesk/other.py",
            "return amount",
            "return amount + 0",
            "other.py, tax() changed, which runs outside of tests",
        ),
        (
            "tests/conftest.py",
            "tax(1)",
            "tax(2)",
            "conftest.py, other_price() changed, which runs outside of tests",
        ),
        (
            "tests/conftest.py",
            '{"one"',
            '{"two"',
            "conftest.py, prices() changed, which runs outside of tests",
        ),
        (
            "migrations/env.py",
            "import",
            "# changed\nimport",
            "migrations/env.py changed outside of its functions",
        ),
        ("pyproject.toml", "integration = 5.0", "integration = 6.0", "pyproject.toml changed"),
    ):
        change(file, old, new)
        said, ran = run()
        assert (ran, reason in said) == (everything, True), (said, ran)
    (folder / "src/helpdesk/new.py").touch()
    assert "src/helpdesk/new.py is new" in run()[0]

    # A new test is nobody else's matter; neither is what the README says.
    (folder / "tests/unit/test_new.py").write_text("def test_new():\n    pass\n")
    (folder / "README.md").write_text("Changed.")
    assert run()[1] == {"test_new"}

    # What runs only a part doesn't count as if it had run all.
    change("tests/conftest.py", "tax(2)", "tax(3)")
    assert run("-k", "test_price")[1] == {"test_price"}
    assert run()[1] == everything | {"test_new"}

    # Whatever has become of what it knows, everything runs.
    for file in (changed.STATE, changed.DATA, changed.SHARED):
        (folder / file).write_bytes(b'{"outlines": 7, "functions": []}')
        said, ran = run()
        assert (ran, said[:10]) == (everything | {"test_new"}, "All tests:"), file
