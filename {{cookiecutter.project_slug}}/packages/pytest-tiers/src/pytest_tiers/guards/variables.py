"""Variables, classes and caches of the project's modules, and what tests share, as probes."""

import re
import sys
from abc import abstractmethod
from contextlib import suppress
from contextvars import Context
from types import ModuleType
from typing import Any, NamedTuple

from pytest_tiers.config import Settings
from pytest_tiers.guards.authors import Author, is_a
from pytest_tiers.guards.contents import Difference, Group, OtherNames, Whereabouts, differ
from pytest_tiers.guards.excuses import Verdict, judge, judge_cache
from pytest_tiers.guards.places import REPLACED, Places
from pytest_tiers.guards.probes import GONE, Change, Probe

_Judged = tuple[Whereabouts, Verdict, Change]


class Filling(NamedTuple):
    """What is in a `functools.cache`, as far as can be told."""

    hits: int
    misses: int
    size: int
    value: Any
    """Of a function without arguments what it has."""


def filling(cache: Any, *, is_asked: bool) -> Filling:
    """Return what is in a cache; one of a function without arguments can be asked."""
    hits, misses, _, size = cache.cache_info()
    return Filling(hits, misses, size, cache() if is_asked and size else None)


def is_another(old: Filling, new: Filling) -> bool:
    """Tell whether it was filled or emptied; fewer hits than before tell of both."""
    same = (old.misses, old.size) == (new.misses, new.size) and new.hits >= old.hits
    return not same or differ(old.value, new.value)


class Contents(Probe):
    """What some places hold."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings, which say what the project's modules are, and what of them may change."""
        self._settings = settings
        self._is_complete = True
        self._expected = re.compile("|".join(settings.expected_caches) or "(?!)")

    @abstractmethod
    def found(self) -> Places:
        """Return the places that are to be remembered."""

    def take(self) -> None:
        """Remember them."""
        self._is_complete = True
        found = self.found()
        self._places, self._caches, self._variables = found.places, found.caches, found.variables
        self._filled, self._values = self._fillings(), self._values_now()
        self._list()

    def _list(self) -> None:
        """Prepare what is compared."""
        others = [place for place in self._places if isinstance(place, OtherNames)]
        places = [place for place in self._places if not isinstance(place, OtherNames)]
        group = Group(others)
        self._live = [*(place.live for place in places), group]
        self._copies = [*(place.copy for place in places), group.copy]

    def _fillings(self) -> list[Filling]:
        return [filling(cache, is_asked=is_asked) for _, cache, is_asked in self._caches]

    def _values_now(self) -> list[Any]:
        return [variable.get(GONE) for _, variable in self._variables]

    def changed(self) -> bool:
        """Compare, in C as far as can be."""
        try:
            return (
                self._live != self._copies
                or any(map(is_another, self._filled, self._fillings()))
                or self._values_now() != self._values
            )
        except Exception:  # of a comparison: what can't be compared isn't the same
            return True

    def is_outdated(self) -> bool:
        """Tell whether anything has changed, or something was made whose contents aren't remembered."""
        return not self._is_complete or self.changed()

    def changes(self, author: Author | None = None) -> list[Change]:
        """Return what differs, but for what may stay."""
        judged = [*self._of_places(author), *self._of_caches(author), *self._of_variables(author)]
        if author is None:
            return [change for _, _, change in judged]
        undone = {
            where.modules[:1] for where, verdict, _ in judged if verdict in (Verdict.BLAMED, Verdict.QUIET)
        }
        found = []
        for where, verdict, change in judged:
            # A flag that says that something was filled doesn't stay where what was filled is emptied.
            is_lazy = verdict is Verdict.LAZY and where.modules[:1] not in undone
            if verdict is Verdict.KEPT or is_lazy or self._expected.match(where.path):
                change.keep()
                self._is_complete &= not is_lazy  # what is in there isn't known yet
            else:
                change.blamed = verdict is Verdict.BLAMED
                found.append(change)
        return found

    def _of_places(self, author: Author | None) -> list[_Judged]:
        changed = [place for place in self._places if differ(place.live, place.copy)]
        differences = [difference for place in changed for difference in place.differences()]
        self._list()
        return [
            (found.where, judge(found, author) if author else Verdict.BLAMED, self._change(found))
            for found in differences
        ]

    def _change(self, found: Difference) -> Change:
        place, name = found.place, found.name

        def recall() -> None:
            for known in self._places:
                if known.is_of(place):
                    known.forget(name, found.old, found.new)
            # What the test has put there is its own, and so is what is in it; a module that it has imported isn't.
            if name is not GONE and not is_a(found.new, ModuleType):
                within = f"{found.where.path}."
                self._places = [
                    known for known in self._places if not f"{known.where.path}.".startswith(within)
                ]
            self._list()

        def keep() -> None:
            place.remember(name, place.value(name))
            self._list()

        return Change(
            found.where.path,
            undo=lambda: place.put(name, found.old),
            still=lambda: not differ(place.value(name), found.new),
            recall=recall,
            keep=keep,
        )

    def _of_caches(self, author: Author | None) -> list[_Judged]:
        judged = []
        for (where, cache, _), old, new in zip(self._caches, self._filled, self._fillings(), strict=True):
            if is_another(old, new):
                verdict = judge_cache(cache, author, is_filled=new.size > 0) if author else Verdict.BLAMED
                judged.append((where, verdict, self._cache_change(where.path, cache, old)))
        return judged

    def _cache_change(self, path: str, cache: Any, old: Filling) -> Change:
        def remember(filled: Filling | None) -> None:
            rows = zip(self._caches, self._filled, self._fillings(), strict=True)
            self._filled = [(filled or now) if known is cache else then for (_, known, _), then, now in rows]

        return Change(
            path,
            undo=cache.cache_clear,
            still=lambda: cache.cache_info().currsize > 0,
            recall=lambda: remember(old),
            keep=lambda: remember(None),
        )

    def _of_variables(self, author: Author | None) -> list[_Judged]:
        found = []
        for (where, variable), old, new in zip(
            self._variables, self._values, self._values_now(), strict=True
        ):
            if differ(old, new):
                is_named = author is None or author.mentions(where.path.rpartition(".")[2])
                change = self._variable_change(where.path, variable, old, new)
                found.append((where, Verdict.BLAMED if is_named else Verdict.QUIET, change))
        return found

    def _variable_change(self, path: str, variable: Any, old: Any, new: Any) -> Change:
        def remember(value: Any) -> None:
            pairs = zip(self._variables, self._values, strict=True)
            self._values = [value if known is variable else now for (_, known), now in pairs]

        def undo() -> None:
            # What was set can't be unset without its token, so that it gets its default; if there is none, it stays.
            with suppress(LookupError):
                variable.set(Context().run(variable.get) if old is GONE else old)

        return Change(
            path,
            undo=undo,
            still=lambda: variable.get(GONE) is new,
            recall=lambda: remember(old),
            keep=lambda: remember(new),
        )


class Variables(Contents):
    """Variables, classes, containers and `functools.cache`s of the project's modules."""

    advice = (
        "left variables or caches of the project changed: {}.\n"
        "Use monkeypatch's setattr() and setitem(), or put it back in a fixture; what may stay belongs in `expected_caches` of [tool.tiers]."
    )

    def __init__(self, settings: Settings) -> None:
        """Take the settings, which say what the project's modules are, and what of them may change."""
        super().__init__(settings)
        self.executed: set[str] = set()
        """Modules whose code has run, although their import isn't quite done."""

    def found(self) -> Places:
        """Go through the modules that are imported."""
        self._count = len(sys.modules)
        self._modules = self._imported()
        places = Places(self._settings)
        for name, module in self._modules.items():
            if name not in REPLACED:
                places.add_module(name, module)
        places.add_replaced()
        return places

    def _imported(self) -> dict[str, ModuleType]:
        is_own = self._settings.of_packages.match
        known = {name: sys.modules[name] for name in [*sys.modules] if is_own(name) or name in REPLACED}
        modules = {name: module for name, module in known.items() if is_a(module, ModuleType)}
        # Half of one that a thread of the machinery is importing isn't known: what comes later would look like a change.
        partial = {
            name
            for name, module in modules.items()
            if getattr(module.__spec__, "_initializing", False) and name not in self.executed
        }
        self._is_complete &= not partial
        return {name: module for name, module in modules.items() if name not in partial}

    def is_outdated(self) -> bool:
        """Tell whether anything has changed, or modules were imported."""
        if len(sys.modules) != self._count:
            count = len(sys.modules)
            if self._imported() != self._modules:
                return True
            self._count = count
        return super().is_outdated()


class Shared(Contents):
    """Clients, applications and settings that fixtures of wider scopes give to tests."""

    advice = "left what tests share changed: {}.\nPut it back in a fixture, or take a client, an app or settings of the test's own for that."

    def __init__(self, settings: Settings) -> None:
        """Begin with none."""
        super().__init__(settings)
        self._given: dict[str, Any] = {}
        self._is_new = False

    def give(self, fixture: str, value: object) -> None:
        """Watch what a fixture gives."""
        self._given[fixture] = value
        self._is_new = True

    def take_back(self, fixture: str) -> None:
        """Watch it no longer."""
        if fixture in self._given:
            del self._given[fixture]
            self._is_new = True

    def found(self) -> Places:
        """Go through what fixtures gave."""
        self._is_new = False
        places = Places(self._settings)
        for name, value in self._given.items():
            places.add_object(name, value)
        return places

    def is_outdated(self) -> bool:
        """Tell whether anything has changed, or a fixture gives something else."""
        return self._is_new or super().is_outdated()
