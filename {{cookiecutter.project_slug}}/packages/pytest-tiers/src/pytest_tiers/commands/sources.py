"""What the files of a repository are like, function by function, and what differs between two states of them."""

import ast
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pytest_tiers.config import Settings

IRRELEVANT = (".md", "LICENSE", ".gitignore")


@dataclass
class State:
    """What the files were like when all tests that they affect had run."""

    outlines: dict[str, str] = field(default_factory=dict)
    """A digest of each file; of Python without the bodies of its functions."""
    functions: dict[str, str] = field(default_factory=dict)
    """A digest of the body of each function and method: `src/service/app.py::create_app`."""


class Places:
    """Folders and files of a suite, against which the names that git gives to files are held."""

    def __init__(self, settings: Settings, places: Iterable[Path]) -> None:
        """Take them."""
        found = list(places)
        self._files = {settings.relative(place) for place in found if place.is_file()}
        folders = [place for place in found if not place.is_file()]
        self._folders = tuple(
            "" if place == settings.root else f"{settings.relative(place)}/" for place in folders
        )

    def __contains__(self, path: str) -> bool:
        """Tell whether a file is one of them, or lies in one."""
        return path in self._files or path.startswith(self._folders)


def followed(settings: Settings) -> Places:
    """Return where Python is looked at function by function: packages and tests."""
    return Places(settings, [*settings.sources, *settings.tests])


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


def _digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:16]


def state_of(settings: Settings, files: Iterable[str]) -> State:
    """Return what these files, as git names them, are like now."""
    state, places = State(), followed(settings)
    for path in sorted(set(files)):
        if path.endswith(IRRELEVANT) or not (settings.root / path).is_file():
            continue
        content = (settings.root / path).read_bytes()
        state.outlines[path] = _digest(content)
        if path.endswith(".py") and path in places:
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


def reasons_for_all(settings: Settings, before: State, now: State, shared: set[str]) -> list[str]:
    """Return why everything has to run; nothing, if testmon can tell what has to.

    `shared` are the functions that ran outside of tests.
    """
    changed = {
        path
        for path in before.outlines.keys() | now.outlines.keys()
        if before.outlines.get(path) != now.outlines.get(path)
    }
    tests = Places(settings, settings.tests)
    # A test module's tests depend on all of it, and nothing else does.
    reasons = [
        f"{path} {'is new' if path not in before.outlines else 'is gone' if path not in now.outlines else 'changed'}"
        + (" outside of its functions" if path in before.outlines and path.endswith(".py") else "")
        for path in sorted(changed)
        if path not in tests
        or not any(fnmatch(Path(path).name, pattern) for pattern in settings.python_files)
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
