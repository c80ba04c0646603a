"""The runs of pytest under guard: which test runs, and what was refused to it.

What can be watched for a whole process only (the interpreter's audit events, a driver's own connect) asks `current()`: the
innermost run that is under way. A run inside a run, as pytester's, disturbs neither.
"""

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from typing import Any, NoReturn

import pytest

from pytest_tiers.guards import owners
from pytest_tiers.guards.lifting import Node, how_to_lift, lifted

_active: list["Run"] = []
_hooked: list[bool] = []
_thread = threading.local()


class GuardError(Exception):
    """What a test may not do was tried, and refused. The test fails even if the code under test swallows this."""


class SecretError(GuardError):
    """A secret was refused. The report has no traceback, which might show it."""


class UnreachableError(GuardError, OSError):
    """A network was refused: an error that libraries know how to clean up after."""


def current() -> "Run | None":
    """Return the innermost run of this process that is under guard; None if there is none."""
    return _active[-1] if _active else None


def refuse(message: str, guard: str | None = None, error: type[GuardError] = GuardError) -> NoReturn:
    """Fail the test that runs, with a message that says what to do instead, and stop what it is doing.

    `guard` is the name that lifts it, if any does. Raises `error`.
    """
    __tracebackhide__ = True  # what counts is the line that tried it
    run = current()
    node = run.subject() if run else None
    if isinstance(node, pytest.Collector):
        message = f"Importing {node.nodeid} {message.removeprefix('The test ')}"
    refused = error(message + (how_to_lift(guard, node) if guard else ""))
    if run:
        run.blame(refused)
    raise refused


def running(guard: str) -> Node | None:
    """Return the test that runs, or the module of tests that is imported, if `guard` has to watch it here and now.

    For work that goes on after its test, that is the test which began it. Threads of the machinery work for the run, whichever
    test is under way: `unwatch` is their initializer.
    """
    run = current()
    if run is None or not watched():
        return None
    node = run.subject()
    return None if node is None or lifted(node, guard) else node


def watched() -> bool:
    """Tell whether this thread works for the tests, not for the machinery."""
    return not getattr(_thread, "unwatched", False)


def unwatch() -> None:
    """Let this thread do what tests may not."""
    _thread.unwatched = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    __tracebackhide__ = True
    if _active and event in (handlers := _active[-1].handlers):
        for handler in handlers[event]:
            handler(*arguments)


class Run:
    """A run of pytest in this process, as the guards see it."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin with no test, and nothing to watch for but who starts what."""
        self.item: pytest.Item | None = None
        """The test that runs."""
        self.importing: pytest.Collector | None = None
        """The module of tests that is imported."""
        self.late: list[tuple[Node, GuardError]] = []
        """What was refused to a test that is over."""
        self.unknown: list[tuple[str, GuardError]] = []
        """What was refused to work that no test began, and in words who did."""
        self.handlers: dict[str, list[Callable[..., None]]] = defaultdict(list)
        """What to call with the arguments of each audit event, before what it announces happens."""
        self._config = config
        self._refused: list[GuardError] = []
        self.on("_thread.start_new_thread", "_thread.start_joinable_thread", call=owners.thread_started)
        self.on("import", call=owners.tag)

    def on(self, *events: str, call: Callable[..., None]) -> None:
        """Call a function at each audit event of these names, whoever imported what.

        The events: https://docs.python.org/3/library/audit_events.html.
        """
        for event in events:
            self.handlers[event].append(call)

    def begin(self) -> None:
        """Watch from now on. The audit hook stays for the whole process, since none can be removed."""
        if not _hooked:
            _hooked.append(True)
            sys.addaudithook(_audit)
        _active.append(self)
        owners.tag()

    def end(self) -> None:
        """Watch no longer."""
        _active.remove(self)

    def subject(self) -> Node | None:
        """Return whom what happens in this thread is due to; None if that is nobody who is watched by this run."""
        who = owners.owner()
        if who is None or isinstance(who, str):
            return self.item or self.importing
        return who if who.config is self._config else None

    def blame(self, error: GuardError) -> None:
        """Fail the test that did it, whatever else it does, with the message of `error`; under xfail and in quarantine, too."""
        who = owners.owner()
        if who is None or owners.is_under_way(who):
            self._refused.append(error)
        elif isinstance(who, str):
            self.unknown.append((who, error))
        elif who.config is self._config:
            self.late.append((who, error))

    def refused(self) -> list[GuardError]:
        """Return what was refused since the last report, once."""
        found, self._refused = self._refused, []
        return found

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Know which test runs."""
        self.item = item
        token = owners.begin(item)
        try:
            return (yield)
        finally:
            owners.end(token)
            self.item = None
            if self._refused:  # after its last report
                self.late += [(item, error) for error in self.refused()]

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # around that of xfail, which would have a refusal expected
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test to which something was refused, but that went on as if it hadn't been."""
        report = yield
        if not self._refused:
            return report
        refused = self.refused()
        expected = vars(report).pop("wasxfail", None) is not None
        secret = any(isinstance(error, SecretError) for error in refused)
        if expected or secret or not report.failed:
            report.outcome = "failed"
            report.longrepr = "\n\n".join(dict.fromkeys(map(str, refused)))
        elif unsaid := unsaid_of(refused, report.longreprtext):  # it failed of what came after
            report.sections.append(("Refused before", "\n\n".join(unsaid)))
        return report


def unsaid_of(errors: Iterable[GuardError], text: str) -> list[str]:
    """Return the messages that a report doesn't have; pytest puts something before each line but the first of an error."""
    return [said for said in dict.fromkeys(map(str, errors)) if said.partition("\n")[0] not in text]
