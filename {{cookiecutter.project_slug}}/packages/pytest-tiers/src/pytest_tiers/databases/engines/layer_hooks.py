"""Tells the lines of a run where scopes begin and end, so that what a fixture writes lives as long as it. Sends nothing."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from _pytest.nodes import Node

from pytest_tiers.databases.engines import messages
from pytest_tiers.databases.engines.scopes import Scope, Scopes
from pytest_tiers.databases.engines.short_tracebacks import shorten
from pytest_tiers.guards import refuse

if TYPE_CHECKING:
    from pytest_tiers.databases.engines.clones import Clones
    from pytest_tiers.databases.engines.line import Line

_LAYERS = pytest.StashKey["Layers"]()
_KINDS = {pytest.Package: "package", pytest.Module: "module", pytest.Class: "class"}


class Follower(Protocol):
    """What has to know of scopes."""

    def end_scope(self, scope: Scope) -> None:
        """Note that a scope has ended."""

    def holds(self, scope: Scope) -> bool:
        """Tell whether something of a scope is there."""


class Layers:
    """The scopes of a run, and the lines that follow them."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin in the run."""
        config.stash[_LAYERS] = self
        self.scopes = Scopes()
        self.lines: list[Follower] = []
        self.clones: Clones | None = None
        self.line: dict[str, Line] = {}
        """The lines by the kind of their database."""
        self._by_node: dict[Node, Scope] = {}
        self._tearing_down = False
        self._fixtures: dict[Any, Scope] = {}
        """The scope that each wider fixture which is set up works in."""
        self._engines: dict[Any, set[Any]] = {}
        """From which fixtures each wider one has an engine."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the marker of what one connection, or SQLite, is known not to get right."""
        meaning = (
            "differs(reason): the test ends otherwise on the next tier; `tiers parity` checks that it does"
        )
        config.addinivalue_line("markers", meaning)

    # Scopes

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Open the scopes that the test lies in."""
        for node in item.listchain():
            if node not in self._by_node:
                if node is item:
                    self._open(node, "test", item.nodeid)
                elif kind := next((name for kind, name in _KINDS.items() if isinstance(node, kind)), ""):
                    self._open(node, kind, node.nodeid)
        done = yield
        self._check_engines(item)
        return done

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show the test's line first where something was refused."""
        shorten(call)
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Drop the databases that parity made."""
        if self.clones is not None:
            self.clones.close()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Close those that have ended, from the narrowest."""
        self._tearing_down = True
        try:
            return (yield)
        finally:
            self._tearing_down = False
            self.scopes.working.clear()
            still = set(nextitem.listchain()) if nextitem is not None else set()
            for node in [node for node in reversed(self._by_node) if node not in still or node is item]:
                self._close(node)

    def _open(self, node: Node, kind: str, name: str) -> None:
        scope = Scope(kind, name)
        self._by_node[node] = scope
        self.scopes.open.append(scope)

    def _close(self, node: Node) -> None:
        scope = self._by_node.pop(node)
        self.scopes.open.remove(scope)
        self._end(scope)

    def _end(self, scope: Scope) -> None:
        scope.closed = True
        for line in self.lines:
            line.end_scope(scope)

    # Fixtures

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Know whose rows are written."""
        if fixturedef.scope == "function":
            return (yield)
        scope = self._scope_of(fixturedef, request)
        self._fixtures[fixturedef] = scope
        self.scopes.working.append(scope)
        try:
            return (yield)
        finally:
            self.scopes.working.remove(scope)
            self._note_engines(fixturedef, request)
            # Last in, first out: before what the fixture itself does in its end.
            fixturedef.addfinalizer(lambda: self._begin_teardown(scope))

    def _scope_of(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Scope:
        """Return where the rows of a fixture go: a parametrised one has a scope of its own, for itself and what depends on it."""
        within = (
            self.scopes.run
            if fixturedef.scope == "session"
            else self._by_node.get(request.node, self.scopes.run)
        )
        if hasattr(request, "param"):
            return Scope(
                within.kind, f"{within.name} ({fixturedef.argname})", within=within, owner=fixturedef
            )
        taken = (self._fixtures.get(definition) for definition in _taken(fixturedef, request))
        narrower = [scope for scope in taken if scope is not None and scope.within is within]
        return narrower[-1] if narrower else within

    def _begin_teardown(self, scope: Scope) -> None:
        if self._tearing_down:
            for one in reversed(self._by_node.values()):
                if one.narrower_than(scope) and not one.closed:
                    self._end(one)
        self.scopes.working.append(scope)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Take back the rows of a parametrised fixture, whose scope goes on with the next parameter."""
        __tracebackhide__ = True
        scope = self._fixtures.pop(fixturedef, None)
        self._engines.pop(fixturedef, None)
        if scope is None:
            return
        if scope in self.scopes.working:
            self.scopes.working.remove(scope)
        if scope.owner is fixturedef and scope.within is not None and not scope.closed:
            if scope.covered and not scope.within.closed and any(line.holds(scope) for line in self.lines):
                scope.closed = True
                messages.say(messages.OUTLIVING.format(fixture=fixturedef.argname, scope=scope.within))
            self._end(scope)

    # Engines

    def _note_engines(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        taken: set[Any] = set()
        for definition in _taken(fixturedef, request):
            taken |= self._engines.get(definition, set())
            if definition.cached_result and type(definition.cached_result[0]).__name__ in (
                "Engine",
                "AsyncEngine",
                "OptionEngine",
            ):
                taken.add(definition)
        if taken:
            self._engines[fixturedef] = taken

    def _check_engines(self, item: pytest.Item) -> None:
        """Refuse a fixture that is set up already, above the tiers, with the engine of another tier."""
        if not self._engines:
            return
        known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        for name, definitions in known.items():
            for engine in self._engines.get(definitions[-1], ()):
                here = known.get(engine.argname, [None])[-1]
                if here is not None and here is not engine:
                    refuse(
                        messages.OTHER_ENGINE.format(
                            fixture=name,
                            where=definitions[-1].baseid or "a plugin",
                            engine=engine.argname,
                            other=engine.baseid,
                            here=here.baseid,
                        )
                    )


def _taken(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> list[pytest.FixtureDef[Any]]:
    """Return the fixtures that one takes; `request` is none."""
    return [request._get_active_fixturedef(name) for name in fixturedef.argnames if name != "request"]


def layers_of(config: pytest.Config) -> Layers:
    """Return the layers of a run."""
    return config.stash[_LAYERS]
