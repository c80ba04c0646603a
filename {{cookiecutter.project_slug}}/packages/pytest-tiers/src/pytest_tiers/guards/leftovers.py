"""Fails a test that leaves state behind, and puts it back, so that the test which left it fails, and not some later one.

Compared is what was there before and after each test. What fixtures of wider scopes set up between them isn't the test's: those of
classes, modules and packages have to put it back when they end, those of the session may leave it.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.guards import files, owners
from pytest_tiers.guards.authors import Author
from pytest_tiers.guards.lifting import Node, how_to_lift, lifted
from pytest_tiers.guards.loggers import Loggers
from pytest_tiers.guards.probes import Change, Environment, Locale, Probe
from pytest_tiers.guards.processes import Modules, Patchers, Process
from pytest_tiers.guards.runs import GuardError, Run, running
from pytest_tiers.guards.threads import Threads
from pytest_tiers.guards.variables import Shared, Variables

AT_IMPORT = "Importing {} {}\nDo that in a fixture, or in a conftest.py if all tests are to have it."
BY_FIXTURE = "{} {}\nPut it back behind its yield, or in a tearDownClass or teardown_module."
MOST_NAMES = 8

_LEFTOVERS = pytest.StashKey["Leftovers"]()


class Leftovers:
    """Looks at the state before and after each test."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        """Watch a run."""
        config.stash[_LEFTOVERS] = self
        self._run, self._settings = run, settings_of(config)
        settings = self._settings
        self._files = files.Files(config, run)
        self._threads, self._variables, self._shared = (
            Threads(settings.expected_threads),
            Variables(settings),
            Shared(settings),
        )
        # In the order in which state is put back: patchers take back what would look like a change.
        self._probes: list[tuple[str, Probe]] = [
            ("threads", self._threads),
            ("patches", Patchers()),
            ("environment", Environment()),
            ("logging", Loggers(settings)),
            ("locale", Locale()),
            ("process", Process()),
            ("process", Modules()),
            ("caches", self._variables),
            ("shared", self._shared),
        ]
        self._is_taken = False
        self._setting_up = 0
        """Fixtures of wider scopes that are being set up, one within the other."""
        self._of_fixtures: dict[pytest.FixtureDef[object], list[tuple[str, Probe, Change]]] = {}

    @property
    def watches(self) -> bool:
        """Whether a test runs, a fixture of a wider scope is set up, or a module of tests is imported."""
        return self._files.watches or self._setting_up > 0

    def begin(self) -> None:
        """Remember the state before a test."""
        self._files.begin()
        self._remember()

    def _remember(self) -> None:
        for _, probe in self._probes:
            if self._is_taken:
                probe.renew()
            else:
                probe.take()
        self._is_taken = True

    def end(self, node: Node) -> list[tuple[str, GuardError]]:
        """Put the state back; return what a test, or a module that was imported, is to blame for, and by which guards."""
        faults: list[tuple[str, GuardError]] = []
        author: Author | None = None
        self._threads.node = node
        for guard, probe in self._probes if running("") else ():  # not after an interruption
            if not probe.changed():
                continue
            author = author or Author.of(node)
            changes = probe.changes(author)
            names = [change.name for change in changes if change.blamed]
            if names and not lifted(node, guard):
                faults.append((guard, _error(node, guard, probe.advice, names)))
            for change in changes:
                change.undo()
        self._files.watches = False
        if left := self._files.left():
            faults.append(("files", _error(node, "files", files.ADVICE, left)))
        return faults

    def blame(self, item: pytest.Item) -> None:
        """Fail a test that has left something behind."""
        for _, error in self.end(item):
            self._run.blame(error)

    def meant(self) -> Callable[[str], None]:
        """Return what accepts the changes from now on, up to its call with the name of a module whose code has run meanwhile."""
        accept = [probe.meant() for _, probe in self._probes]

        def accept_all(module: str) -> None:
            self._variables.executed.add(module)
            for accepted in accept:
                accepted()

        return accept_all

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """Take what a fixture of a wider scope changes for granted: it is meant to outlast the test."""
        __tracebackhide__ = True  # its variables hold the environment, which --showlocals would print
        if fixturedef.scope == "function":
            return (yield)
        if not self.watches:
            self._remember()
        self._setting_up += 1
        accept = [(guard, probe, probe.meant()) for guard, probe in self._probes]
        token = owners.begin(called(fixturedef))
        try:
            value = yield
            self._shared.give(fixturedef.argname, value)
            return value
        finally:
            owners.end(token)
            self._setting_up -= 1
            author = Author(self._settings, [fixturedef.func])
            made = [
                (guard, probe, change) for guard, probe, accepted in accept for change in accepted(author)
            ]
            if made and fixturedef.scope != "session":
                self._of_fixtures[fixturedef] = made

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[object]) -> None:
        """Look whether a fixture of a wider scope has put back what it changed."""
        if fixturedef.scope == "function":
            return
        self._shared.take_back(fixturedef.argname)
        left = [found for found in self._of_fixtures.pop(fixturedef, []) if found[2].still()]
        item = self._run.item
        for guard, probe in self._probes:
            changes = [change for _, of, change in left if of is probe]
            if changes and item is not None and not lifted(item, guard):
                said = _names(probe.advice, [change.name for change in changes]).partition("\n")[0]
                who = called(fixturedef).replace("the fixture ", "The fixture ")
                self._run.blame(GuardError(BY_FIXTURE.format(who, said) + how_to_lift(guard)))
            for change in changes:
                change.undo()


def called(fixturedef: pytest.FixtureDef[object]) -> str:
    """Return what messages call a fixture; what pytest makes of `setUpClass` and the like goes by that name."""
    own = re.fullmatch(r"_(?:unittest|xunit)_(\w+?)_fixture_(.+)", fixturedef.argname)
    return f"{own[1]} of {own[2]}" if own else f"the fixture {fixturedef.argname} ({fixturedef.scope})"


def _names(advice: str, names: Iterable[str]) -> str:
    found = sorted(set(names))
    more = len(found) - MOST_NAMES
    return advice.format(", ".join(found[:MOST_NAMES]) + (f" and {more} more" if more > 0 else ""))


def _error(node: Node, guard: str, advice: str, names: list[str]) -> GuardError:
    said = _names(advice, names)
    if isinstance(node, pytest.Item):
        return GuardError(f"The test {said}{how_to_lift(guard)}")
    return GuardError(AT_IMPORT.format(node.nodeid, said.partition("\n")[0]) + how_to_lift(guard, node))


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves state behind. Set up before the test's other fixtures, so that it looks after them."""
    leftovers = request.config.stash[_LEFTOVERS]
    leftovers.begin()
    yield
    leftovers.blame(request.node)
