# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What runs outside of tests, for `nox -s changed`, which loads this with `-p tests.plugins.changed`.

Functions that the import of a module calls, or a fixture of a wider scope, are in nobody's test, or in that of whichever came
first. They are written down, so that all tests run when one of them changes.
"""

import json
import sys
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

import pytest

from tools.changed import FOLLOWED, SHARED, load

_root = ""
_outside = True
_seen: set[Any] = set()


def _note(frame: FrameType, event: str, _: object) -> None:
    if _outside and event == "call":
        _seen.add(frame.f_code)


def _functions() -> list[str]:
    names = {
        f"{code.co_filename.removeprefix(_root)}::{code.co_qualname.partition('.<locals>')[0]}"
        for code in _seen
        if code.co_filename.startswith(_root)
    }
    return sorted(name for name in names if name.startswith(FOLLOWED))


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin to note."""
    global _root
    _root = f"{early_config.rootpath}/"
    sys.setprofile(_note)
    threading.setprofile(_note)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """What a test runs, testmon notes."""
    global _outside
    _outside = False
    sys.setprofile(None)
    threading.setprofile(None)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """What a fixture of a wider scope runs is every test's that takes it."""
    global _outside
    if fixturedef.scope == "function":
        return (yield)
    _outside = True
    sys.setprofile(_note)
    threading.setprofile(_note)
    try:
        return (yield)
    finally:
        _outside = False
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker noted."""
    _keep(getattr(node, "workeroutput", {}).get("outside", []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write it down."""
    sys.setprofile(None)
    threading.setprofile(None)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["outside"] = _functions()
    else:
        _keep(_functions())


def _keep(functions: list[str]) -> None:
    SHARED.parent.mkdir(parents=True, exist_ok=True)
    SHARED.write_text(json.dumps(sorted({*functions, *(load(SHARED, list) or ())})))
