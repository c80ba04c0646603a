# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""State that outlives a test: named and put back, so that the test which left it fails, and not some later one.

Compared are snapshots from before and after each test; what fixtures of wider scopes set up between them isn't the test's.
A file that is written is seen as it is opened. Not seen: what other processes do, attributes of objects.
"""

import functools
import locale
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest

from tests.plugins.guards import how_to_lift, lifted, on, running

EXPECTED_FILES = re.compile(r"(^|/)(\.[^/]+|__pycache__)(/|$)")
"""Where files may come and go: caches, and whatever is hidden."""
UNTOUCHED: tuple[Any, ...] = (
    logging.NOTSET,
    True,
    False,
    [],
    [],
)  # level, propagate, disabled, handlers, filters
FOLDER = "working directory"
_CONTAINERS = (dict, list, set)

_root = ""
_packages: tuple[str, ...] = ()
_expected_threads = re.compile("(?!)")
_before: dict[str, Any] = {}
"""The snapshots, by guard."""
_written: dict[str, bool] = {}
"""Paths that the test opened for writing, made or removed, and whether they existed before."""


def _environment() -> dict[Any, Any]:
    # The dictionary behind it: a copy through os.environ, which decodes each variable, would take 50 µs.
    variables: dict[Any, Any] = vars(os.environ)["_data"].copy()
    variables.pop(b"PYTEST_CURRENT_TEST", None)
    try:
        variables[FOLDER] = os.getcwd()  # noqa: PTH109 - pathlib's takes ten times as long
    except FileNotFoundError:
        variables[FOLDER] = "gone"
    return variables


def _put_environment_back(before: dict[Any, Any]) -> None:
    os.chdir(before.pop(FOLDER))
    for name in _environment().keys() - before.keys() - {FOLDER}:
        del os.environb[name]
    os.environb.update(before)


def _differing(before: dict[Any, Any], after: dict[Any, Any]) -> str:
    names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    return ", ".join(sorted(os.fsdecode(name) for name in names))


def _threads() -> frozenset[threading.Thread]:
    return frozenset(
        thread for thread in threading.enumerate() if not thread.name.startswith("tests.plugins")
    )


def _running_threads(before: frozenset[threading.Thread], after: frozenset[threading.Thread]) -> str:
    left = [thread for thread in after - before if not _expected_threads.match(thread.name)]
    for thread in left:
        thread.join(1)  # it may be about to end
    return ", ".join(sorted(thread.name for thread in left if thread.is_alive()))


def _loggers() -> dict[str, logging.Logger]:
    found = {"root": logging.root} | logging.root.manager.loggerDict
    return {name: logger for name, logger in found.items() if isinstance(logger, logging.Logger)}


def _logging() -> dict[str, Any]:
    found: dict[str, Any] = {
        name: (logger.level, logger.propagate, logger.disabled, [*logger.handlers], [*logger.filters])
        for name, logger in _loggers().items()
    }
    found["logging.disable()"] = logging.root.manager.disable
    structlog = sys.modules.get("structlog")
    return found | ({"structlog": structlog.get_config()} if structlog else {})


def _changed_loggers(before: dict[str, Any], after: dict[str, Any]) -> str:
    # Libraries make their own loggers when they are first imported or used.
    new = {name for name in after.keys() - before.keys() if not f"{name}.".startswith(_packages)}
    new |= {name for name in after.keys() - before.keys() if after[name] == UNTOUCHED}
    return _differing(before, {name: state for name, state in after.items() if name not in new})


def _put_logging_back(before: dict[str, Any]) -> None:
    logging.disable(before["logging.disable()"])
    if "structlog" in before:
        sys.modules["structlog"].configure(**before["structlog"])
    for name, logger in _loggers().items():
        level, logger.propagate, logger.disabled, handlers, filters = before.get(name, UNTOUCHED)
        logger.setLevel(level)  # which empties a cache
        logger.handlers, logger.filters = [*handlers], [*filters]


@functools.lru_cache(1)
def _service_modules(_count: int) -> list[str]:
    return [name for name in sys.modules if f"{name}.".startswith(_packages)]


@functools.cache
def _variables_of(module: ModuleType, _count: int) -> list[tuple[str, str]]:
    constant = ModuleType | type | FunctionType
    return [
        (name, f"{module.__name__}.{name}")
        for name, value in vars(module).items()
        if name[:2] != "__" and not isinstance(value, constant)
    ]


def _caches() -> dict[str, tuple[Any, Any]]:
    found = {}
    # Looked for only where something was imported: there are some two thousand modules, which takes half a millisecond.
    for module in [sys.modules[name] for name in _service_modules(len(sys.modules)) if name in sys.modules]:
        # Half of one that a thread of the machinery is importing isn't known: what comes later would look like a change.
        if getattr(module.__spec__, "_initializing", False):
            continue
        variables = vars(module)
        for name, path in _variables_of(module, len(variables)):
            value = variables.get(name)
            content: Any = None
            if isinstance(value, _CONTAINERS):
                content = value.copy()
            elif isinstance(value, functools._lru_cache_wrapper):
                content = value.cache_info().currsize
            found[path] = (value, content)
    return found


def _changed_variables(before: dict[str, Any], after: dict[str, Any]) -> str:
    # What a module that the test imported holds isn't changed: nobody has seen it before.
    known = {name.rpartition(".")[0] for name in before}
    return _differing(
        before, {name: value for name, value in after.items() if name.rpartition(".")[0] in known}
    )


def _put_caches_back(before: dict[str, tuple[Any, Any]]) -> None:
    for path, (value, content) in before.items():
        module, _, name = path.rpartition(".")
        if module in sys.modules:
            setattr(sys.modules[module], name, value)
        if isinstance(value, functools._lru_cache_wrapper):
            value.cache_clear()
        elif isinstance(value, list):
            value[:] = content
        elif isinstance(value, dict | set):
            value.clear()
            value.update(content)


def _put_locale_back(before: dict[str, Any]) -> None:
    time.tzset()  # TZ was put back with the environment
    locale.setlocale(locale.LC_ALL, before["locale"])


class Probe(NamedTuple):
    """Looks at one kind of state: takes a snapshot, says what differs between two, and puts one back."""

    take: Callable[[], Any]
    differing: Callable[[Any, Any], str]
    put_back: Callable[[Any], object]
    advice: str


PROBES = {
    "environment": Probe(
        _environment,
        _differing,
        _put_environment_back,
        "the environment changed: {}.\nUse monkeypatch's setenv(), delenv() and chdir(), which put it back.",
    ),
    "threads": Probe(
        _threads,
        _running_threads,
        lambda _: None,
        "threads running: {}.\nStop and join them in a fixture; name those that may go on in `expected_threads`.",
    ),
    "logging": Probe(
        _logging,
        _changed_loggers,
        _put_logging_back,
        "the configuration of logging changed: {}.\nUse caplog.set_level(), or put it back in a fixture.",
    ),
    "locale": Probe(
        lambda: {"time zone": time.tzname, "locale": locale.setlocale(locale.LC_ALL)},
        _differing,
        _put_locale_back,
        "time zone or locale changed: {}.\nPut it back in a fixture: setlocale(LC_ALL, before); TZ, then tzset().",
    ),
    "caches": Probe(
        _caches,
        _changed_variables,
        _put_caches_back,
        "variables or caches of the service changed: {}.\n"
        "Use monkeypatch's setattr() and setitem(); empty a cache in a fixture with cache_clear().",
    ),
}


def _write(*paths: object) -> None:
    if not _before or not running("files"):
        return
    for path in (os.fsdecode(path) for path in paths if isinstance(path, str | bytes | os.PathLike)):
        absolute = os.path.abspath(path)  # noqa: PTH100 - Path.absolute() leaves the dots in
        if absolute.startswith(_root) and not EXPECTED_FILES.search(absolute.removeprefix(_root)):
            _written.setdefault(absolute, os.path.lexists(absolute))


for _event in ("sqlite3.connect", "os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink"):
    on(_event)(_write)


@on("open")
def _open(path: object, _mode: object, flags: int) -> None:
    if flags & (os.O_WRONLY | os.O_RDWR):
        _write(path)


def _left_files() -> str:
    left = [path for path, existed in _written.items() if existed or os.path.lexists(path)]
    return ", ".join(sorted(path.removeprefix(_root) for path in left))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `expected_threads`."""
    parser.addini(
        "expected_threads", "regular expressions for names of threads that may outlive a test", "args"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the service's packages."""
    global _packages, _root, _expected_threads
    _root = f"{config.rootpath}{os.sep}"
    _packages = tuple(f"{folder.name}." for folder in config.rootpath.glob("src/*") if folder.is_dir())
    _expected_threads = re.compile("|".join(config.getini("expected_threads")) or "(?!)")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Take what a fixture of a wider scope changes for granted: it is meant to outlast the test."""
    __tracebackhide__ = True  # its variables hold the environment, which --showlocals would print
    if fixturedef.scope == "function" or not _before:
        return (yield)
    before = {guard: probe.take() for guard, probe in PROBES.items()}
    try:
        return (yield)
    finally:
        for guard, probe in PROBES.items():
            after = probe.take()
            if guard == "threads":
                _before[guard] |= after - before[guard]
            elif before[guard] == _before[guard]:
                _before[guard] = after


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves state behind. Set up before the test's other fixtures, so that it looks after them."""
    _written.clear()
    _before.update({guard: probe.take() for guard, probe in PROBES.items()})
    yield
    found = {}
    for guard, probe in PROBES.items() if running("") else ():  # not after an interruption
        after = probe.take()
        if after != _before[guard]:
            meant = lifted(request.node, guard)
            what = "" if meant else probe.differing(_before[guard], after)
            if what:
                found[guard] = f"The test left {probe.advice.format(what)}"
            if meant or what:
                probe.put_back(_before[guard])
    _before.clear()
    if files := _left_files():
        found["files"] = (
            f"The test wrote among the sources: {files}.\nUse tmp_path; `git status` shows what is left."
        )
    if found:
        said = (message + how_to_lift(guard) for guard, message in found.items())
        pytest.fail("\n\n".join(said), pytrace=False)
