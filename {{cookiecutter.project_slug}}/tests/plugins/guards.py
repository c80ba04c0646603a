# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What all guards share: how they watch and refuse, how a refused test fails even if it went on, how a guard is lifted.

`@pytest.mark.unguarded("network", reason="…")` lifts one guard for one test.
"""

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Generator
from typing import Any, NoReturn

import pytest

GUARDS = {
    "network": "connections, datagrams and names looked up, by whatever library",
    "database": "connections of psycopg, which are made in C",
    "rollback": "what would end, or get past, the transaction around a test",
    "secrets": "secrets of the real environment, .env",
    "environment": "environment variables and the working directory left changed",
    "threads": "threads left running",
    "logging": "the configuration of logging and structlog left changed",
    "locale": "time zone and locale left changed",
    "caches": "variables and caches of the service's modules left changed",
    "files": "files written among the sources",
    "budget": "tests that take longer than their tier's budget; with --ci",
    "tier": "tests that lie in no tier; with --ci",
}
"""What `unguarded` lifts, and what each refuses."""
REASONED = ("unguarded", "differs")
"""The markers that say why."""

_handlers: dict[str, list[Callable[..., None]]] = defaultdict(list)
_item: pytest.Item | None = None
_thread = threading.local()


class GuardError(Exception):
    """What a test may not do was tried, and refused. The test fails even if the service swallows this."""


class SecretError(GuardError):
    """A secret was refused. The report has no traceback, which might show it."""


class UnreachableError(GuardError, OSError):
    """A network was refused: an error that libraries know how to clean up after."""


_refused: list[GuardError] = []


def refuse(message: str, guard: str | None = None, error: type[GuardError] = GuardError) -> NoReturn:
    """Fail the test that runs, with a message that says what to do instead, and stop what it is doing.

    `guard` is the name that lifts it, if any does. Raises `error`.
    """
    __tracebackhide__ = True  # what counts is the line that tried it
    _refused.append(error(message + (how_to_lift(guard) if guard else "")))
    raise _refused[-1]


def how_to_lift(guard: str) -> str:
    """Return the last line of a guard's message."""
    return f'\nIf it is meant: @pytest.mark.unguarded("{guard}", reason="…")'


def lifted(item: pytest.Item, guard: str) -> bool:
    """Tell whether `unguarded` lifts `guard` for a test."""
    return any(guard in marker.args for marker in item.iter_markers("unguarded"))


def running(guard: str) -> pytest.Item | None:
    """Return the test that runs, if `guard` has to watch it here and now.

    Threads of the machinery work for the run, whichever test is under way: `unwatch` is their initializer.
    """
    return None if _item is None or not watched() or lifted(_item, guard) else _item


def watched() -> bool:
    """Tell whether this thread works for the tests, not for the machinery."""
    return not getattr(_thread, "unwatched", False)


def unwatch() -> None:
    """Let this thread do what tests may not."""
    _thread.unwatched = True


def on(event: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a function with the arguments of each audit event of this name, before what it announces happens.

    The events: https://docs.python.org/3/library/audit_events.html. Whoever imported what, they are seen.
    """

    def add(handler: Callable[..., None]) -> Callable[..., None]:
        _handlers[event].append(handler)
        return handler

    return add


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    __tracebackhide__ = True
    if event in _handlers:
        for handler in _handlers[event]:
            handler(*arguments)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and begin to watch; for the whole process, since a hook can't be removed."""
    names = ", ".join(GUARDS)
    config.addinivalue_line("markers", f"unguarded(*guards, reason): lift guards for this test: {names}")
    sys.addaudithook(_audit)


def _wrong_marker(item: pytest.Item) -> str | None:
    """Return what is wrong with a marker that would do nothing, or doesn't say why."""
    for marker in item.iter_markers():
        if marker.name == "unguarded" and not (marker.args and set(marker.args) <= GUARDS.keys()):
            unknown = ", ".join(str(name) for name in marker.args if name not in GUARDS)
            return f"{item.nodeid}: unguarded({unknown}) names no guard; they are: {', '.join(GUARDS)}"
        if marker.name in REASONED and not str(marker.kwargs.get("reason", "")).strip():
            arguments = ", ".join([*(f'"{name}"' for name in marker.args), 'reason="…"'])
            return f"{item.nodeid}: say why: {marker.name}({arguments})"
    return None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse a file with a wrong marker."""
    report = yield
    items = [item for item in report.result or () if isinstance(item, pytest.Item)]
    wrong = [said for said in map(_wrong_marker, items) if said]
    if wrong:
        report.outcome, report.longrepr, report.result = "failed", "\n".join(wrong), []
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Know which test runs."""
    global _item
    _item = item
    try:
        return (yield)
    finally:
        _item = None


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test to which something was refused, but that went on as if it hadn't been."""
    report = yield
    if _refused:
        message = "\n\n".join(dict.fromkeys(str(error) for error in _refused))
        if not report.failed or any(isinstance(error, SecretError) for error in _refused):
            report.outcome = "failed"
            report.longrepr = message
        elif message not in report.longreprtext:  # it failed of what came after
            report.sections.append(("Refused before", message))
    _refused.clear()
    return report
