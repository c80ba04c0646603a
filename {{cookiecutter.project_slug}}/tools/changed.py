# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""The tests that a change can affect: `nox -s changed` runs this.

pytest-testmon knows which functions each test ran, and selects the tests that ran a function which changed, failed, or are new.
It doesn't know what ran before a test, or for many at once; so everything runs where something else changed than functions that
tests run themselves: code outside of functions, functions called by that or by a fixture of a wider scope, migrations,
plugins, files that are no Python, packages. Not seen: data from outside of the repository, and files that git ignores.
"""

import ast
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tools import workers
from tools.store import PATH, Store

FOLDER = Path(".cache", "tests", "changed")
DATA = FOLDER / "testmon"
STATE = FOLDER / "state.json"
SHARED = FOLDER / "shared.json"
"""Functions that ran outside of tests, as `tests.plugins.changed` writes them."""
FOLLOWED = ("src/", "tests/")
"""Where Python is looked at function by function."""
NOT_FOLLOWED = ("tests/plugins/",)
IRRELEVANT = (".md", "LICENSE", ".gitignore")
LISTED = 10


@dataclass
class State:
    """What the files were like when all tests that they affect had run."""

    outlines: dict[str, str] = field(default_factory=dict)
    """A digest of each file; of Python without the bodies of its functions."""
    functions: dict[str, str] = field(default_factory=dict)
    """A digest of the body of each function and method: `src/service/app.py::create_app`."""


def _digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:16]


def take_functions(path: str, tree: ast.AST, found: dict[str, str], prefix: str = "") -> None:
    """Move the bodies of functions and methods out of `tree`: into `found`, as digests."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{path}::{prefix}{node.name}"
            body = "".join(map(ast.dump, node.body))
            found[name] = _digest(found.get(name, "") + body)  # one name may be defined twice
            node.body = []
        elif isinstance(node, ast.ClassDef):
            take_functions(path, node, found, f"{prefix}{node.name}.")
        else:  # such as `if TYPE_CHECKING:`
            take_functions(path, node, found, prefix)


def state_of(root: Path) -> State:
    """Return what the files that git knows, or would know, are like now."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    if listed.returncode:
        sys.exit(f"nox -s changed needs git, which says: {listed.stderr.strip()}")
    state = State()
    for path in sorted(set(listed.stdout.split("\0"))):
        if not path or path.endswith(IRRELEVANT) or not (root / path).is_file():
            continue
        content = (root / path).read_bytes()
        state.outlines[path] = _digest(content)
        if path.endswith(".py") and path.startswith(FOLLOWED) and not path.startswith(NOT_FOLLOWED):
            try:
                tree = ast.parse(content)
            except (SyntaxError, ValueError):
                continue
            take_functions(path, tree, state.functions)
            state.outlines[path] = _digest(ast.dump(tree))
    return state


def load(path: Path, kind: type) -> Any:
    """Return what is in a file of JSON, None if it isn't of that kind."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, kind) else None


def _is_test(path: str) -> bool:
    return Path(path).name.startswith("test_") or path.endswith("_test.py")


def reasons_for_all(before: State, now: State, shared: set[str]) -> list[str]:
    """Return why everything has to run; nothing, if testmon can tell what has to."""
    changed = {
        path
        for path in before.outlines.keys() | now.outlines.keys()
        if before.outlines.get(path) != now.outlines.get(path)
    }
    # A test module's tests depend on all of it, and nothing else does.
    reasons = [
        f"{path} {'is new' if path not in before.outlines else 'is gone' if path not in now.outlines else 'changed'}"
        + (" outside of its functions" if path in before.outlines and path.endswith(".py") else "")
        for path in sorted(changed)
        if not (path.startswith("tests/") and _is_test(path))
    ]
    return reasons + [
        f"{function.replace('::', ', ')}() changed, which runs outside of tests"
        for function in changed_functions(before, now)
        if function in shared
    ]


def changed_functions(before: State, now: State) -> list[str]:
    """Return the functions that changed, are new or gone."""
    names = before.functions.keys() | now.functions.keys()
    return sorted(name for name in names if before.functions.get(name) != now.functions.get(name))


def affected_tests(root: Path) -> set[str] | None:
    """Return the known tests that ran what changed, or failed; None if nothing is known, or of other packages."""
    from testmon.testmon_core import TestmonData

    try:
        data = TestmonData.for_local_run(rootdir=str(root))
        data.determine_stable()
    except sqlite3.DatabaseError:  # damaged: it is made anew
        for path in FOLDER.glob(f"{DATA.name}*"):
            path.unlink()
        return None
    known = bool(data.all_tests) and not data.system_packages_change
    affected = set(data.unstable_test_names) | set(data.failing_tests)
    data.close_connection()
    return affected if known else None


def main(arguments: list[str]) -> int:
    """Say what runs and why, run it, and return pytest's exit status."""
    root = Path.cwd()
    FOLDER.mkdir(parents=True, exist_ok=True)
    # The C tracer: with sys.monitoring, testmon 2.2 deselects tests that should run.
    os.environ |= {"COVERAGE_CORE": "ctrace", "TESTMON_DATAFILE": str(DATA.absolute())}
    now, past = state_of(root), load(STATE, dict)
    parts = past if past and past.keys() == asdict(now).keys() else {}
    shared = load(SHARED, list)
    known = bool(parts) and shared is not None and all(isinstance(part, dict) for part in parts.values())
    before = State(**parts) if known else State()
    affected = affected_tests(root)
    reasons = reasons_for_all(before, now, set(shared or ()))
    if not known or affected is None:
        _say("All tests:", ["it isn't known yet what they run, or not with these packages"])
        options = ["--testmon-noselect", "--numprocesses=auto"]
    elif reasons:
        _say("All tests:", reasons)
        options = ["--testmon-noselect", "--numprocesses=auto"]
    else:
        _say(
            "Changed:",
            [f"{name.replace('::', ', ')}()" for name in changed_functions(before, now)] or ["nothing"],
        )
        print(f"{len(affected)} tests ran it, or failed; new tests run as well.", flush=True)
        options = [f"--numprocesses={_worth(affected)}"]
    # Tracing makes the tests slower: their times say nothing, so they go into no store.
    record = f"--record={FOLDER / 'record.jsonl'}"
    plugins = ("-p", "testmon.pytest_testmon", "--testmon", "-p", "tests.plugins.changed", record)
    command = [sys.executable, "-m", "pytest", *plugins, *options, *arguments]
    status = subprocess.run(command, check=False).returncode  # noqa: S603 - pytest itself
    if status in (0, 1, 5) and not arguments:  # of which some may leave tests out
        STATE.write_text(json.dumps(asdict(now)))
    return 0 if status == 5 else status  # no test was selected


def _say(title: str, lines: list[str]) -> None:
    more = ["…"] if len(lines) > LISTED else []
    print(title, *lines[:LISTED], *more, sep="\n  ", flush=True)


def _worth(tests: set[str]) -> int:
    """Return how many workers pay for these tests."""
    store = Store(PATH)
    times = [store.tests[nodeid].seconds for nodeid in tests if nodeid in store.tests] or [0.0]
    work = workers.Work(sum(times), sum(times), max(times), len(tests), len(tests))
    machine = store.machine
    return workers.choose(work, machine) if machine.cores == workers.cores() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
