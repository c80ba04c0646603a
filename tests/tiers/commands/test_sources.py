"""What changed between two states of a repository, function by function, and when that says nothing for certain."""

import pytest
from pytest_tiers.commands import sources
from pytest_tiers.commands.sources import State, changed_functions, reasons_for_all, state_of
from pytest_tiers.config import Settings

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

    async def later(self):
        return 5

if LIMIT:
    def conditional():
        return 1
"""
MODULE = "src/service/module.py"


@pytest.fixture
def settings(tmp_path):
    """A project with a package in src, a module at its root, and tests."""
    packages = {"service": tmp_path / "src/service", "alone": tmp_path / "alone.py"}
    for folder in ("src/service", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "alone.py").touch()
    return Settings(tmp_path, packages=packages, tests=(tmp_path / "tests",))


def state(settings, files):
    for name, text in files.items():
        path = settings.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return state_of(settings, files)


@pytest.mark.parametrize(
    ("old", "new", "functions"),
    [
        ("return a\n", "return a + 1\n", ["top"]),
        ("return self.size", "return 0", ["Thing.method"]),
        ("return 5", "return 6", ["Thing.later"]),
        ("        return 1", "        return 2", ["conditional"]),
        ("def top", "# a comment\ndef top", []),
        ("LIMIT = 3", "LIMIT = 4", None),
        ("size = 1", "size = 2", None),
        ("b=LIMIT", "b=1", None),
        ("def method", "@property\n    def method", None),
        ("def top", "def bottom", None),
        ("class Thing:", "class Thing(dict):", None),
        ("return 1\n", "return 1\n\nLIMIT = 4\n", None),
    ],
)
def test_what_is_in_functions_is_told_from_what_is_outside(settings, old, new, functions):
    assert BEFORE.count(old) == 1
    before, after = (state(settings, {MODULE: text}) for text in (BEFORE, BEFORE.replace(old, new)))
    reasons = reasons_for_all(settings, before, after, set())
    if functions is None:
        assert reasons == [f"{MODULE} changed outside of its functions"]
        return
    names = [f"{MODULE}::{name}" for name in functions]
    assert (reasons, changed_functions(before, after)) == ([], names)
    assert reasons_for_all(settings, before, after, set(names)) == [
        f"{MODULE}, {name}() changed, which runs outside of tests" for name in functions
    ]


def test_a_name_that_is_defined_twice_stands_for_both(settings):
    twice = "def f():\n    return 1\n\ndef f():\n    return 2\n"
    states = [
        state(settings, {MODULE: text})
        for text in (twice, twice.replace("return 1", "return 3"), twice.replace("return 2", "return 3"))
    ]
    assert len({frozenset(found.functions.items()) for found in states}) == 3


@pytest.mark.parametrize("path", [MODULE, "alone.py", "tests/conftest.py", "tests/deep/helper.py"])
def test_packages_and_tests_are_followed(settings, path):
    assert state(settings, {path: BEFORE}).functions.keys() == {
        f"{path}::{name}" for name in ("top", "Thing.method", "Thing.later", "conditional")
    }


@pytest.mark.parametrize("path", ["migrations/env.py", "alone.pyx", "srcs/x.py", "alone.py.py", "tests.py"])
def test_nothing_else_is(settings, path):
    found = state(settings, {path: BEFORE})
    assert (list(found.outlines), found.functions) == ([path], {})


def test_where_tests_lie_in_the_root_everything_is_followed(tmp_path):
    settings = Settings(tmp_path, tests=(tmp_path,))
    assert state(settings, {"anything.py": BEFORE}).functions


@pytest.mark.parametrize("text", ["def (:", b"\xff\xfe\x00", "\0"])
def test_what_isnt_python_counts_as_a_whole(settings, text):
    found = state(settings, {MODULE: text})
    assert (list(found.outlines), found.functions) == ([MODULE], {})


def test_what_nobody_runs_is_passed_over(settings):
    files = {"README.md": "", "LICENSE": "", ".gitignore": "", "docs/a.md": "", "data.json": "{}"}
    assert list(state(settings, files).outlines) == ["data.json"]
    assert list(state_of(settings, ["gone.py", "src"]).outlines) == []


def test_new_and_gone_files_are_reasons_and_tests_are_none(settings):
    before = State({"a.py": "1", "b.txt": "1", "tests/test_a.py": "1", "tests/conftest.py": "1"})
    now = State(
        {"c.txt": "1", "b.txt": "2", "tests/test_a.py": "2", "tests/b_test.py": "1", "tests/conftest.py": "2"}
    )
    assert reasons_for_all(settings, before, now, set()) == [
        "a.py is gone outside of its functions",
        "b.txt changed",
        "c.txt is new",
        "tests/conftest.py changed outside of its functions",
    ]
    # Elsewhere a file of that name is no test.
    assert reasons_for_all(settings, State(), State({"test_a.py": "1"}), set()) == ["test_a.py is new"]


def test_what_a_test_is_called_is_configured(tmp_path):
    settings = Settings(tmp_path, tests=(tmp_path / "tests",), python_files=("check_*.py",))
    now = State({"tests/check_a.py": "1", "tests/test_a.py": "1"})
    assert reasons_for_all(settings, State(), now, set()) == ["tests/test_a.py is new"]


def test_functions_that_are_new_or_gone_changed():
    before, now = State({}, {"a::f": "1", "a::g": "1"}), State({}, {"a::f": "1", "a::h": "1"})
    assert changed_functions(before, now) == ["a::g", "a::h"]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [("{}", dict, {}), ("[1]", list, [1]), ("[]", dict, None), ("{", dict, None), (None, dict, None)],
)
def test_what_is_kept_is_read_or_nothing(tmp_path, text, kind, expected):
    if text is not None:
        (tmp_path / "file").write_text(text)
    assert sources.load(tmp_path / "file", kind) == expected
