"""What modules, classes, objects and containers hold, place by place: compared in C, and put back entry by entry.

A place is remembered as a shallow copy. What nests in it is a place of its own, so that a container that was changed deep inside
is still the same container once it is put back.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pytest_tiers.guards.probes import GONE

LONGEST = 1_000
"""Of longer containers only the length is compared."""


class Kind(Enum):
    """What something lies in."""

    MODULE = "a module of the project"
    CLASS = "a class of the project"
    OBJECT = "an object of such a class"
    LIBRARY = "an object of a library: a client, an application"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a place is."""

    path: str
    """What it is called."""
    kind: Kind
    """What it lies in."""
    modules: tuple[str, ...] = ()
    """Where the code is that may change it by itself."""
    attribute: str = ""
    """Within an object of a library: the attribute."""

    def at(self, name: str) -> "Whereabouts":
        """Return where an entry of that name is. What a library keeps inside of an attribute has no name of its own."""
        if self.kind is not Kind.LIBRARY:
            return Whereabouts(f"{self.path}.{name}", self.kind, self.modules)
        shown = name.lstrip("_")
        path = self.path if self.attribute and shown != name else f"{self.path}.{shown}"
        return Whereabouts(path, self.kind, self.modules, f"{self.attribute}.{shown}".strip("."))


@dataclass(slots=True)
class Difference:
    """An entry of a place that is another one, or the whole of a place whose entries have no names."""

    place: "Place"
    name: str
    """GONE for the whole of a place."""
    old: Any
    new: Any

    @property
    def where(self) -> Whereabouts:
        """Where it is."""
        return self.place.where if self.name is GONE else self.place.where.at(self.name)


class Place:
    """A container without names: a list, a set, a deque or a dictionary, of which the whole is compared."""

    def __init__(self, where: Whereabouts, holder: Any) -> None:
        """Take where it is, and what holds the contents."""
        self.where, self.holder = where, holder
        self.then: Callable[[], object] | None = None
        """What to call when it was put back."""
        self.live: Any = holder if len(holder) <= LONGEST else _Length(holder)
        """What is compared, each time."""
        self.copy: Any = self._now()
        """What it was."""

    def _now(self) -> Any:
        holder = self.holder
        if self.live is not holder:
            return len(holder)
        if isinstance(holder, dict):
            return dict(dict.items(holder))  # past whatever a subclass makes of copying
        return list.copy(holder) if isinstance(holder, list) else holder.copy()

    def value(self, name: str) -> Any:
        """Return what it is now, or what an entry is."""
        now = self._now()
        return now if name is GONE else now.get(name, GONE)

    def is_of(self, other: "Place") -> bool:
        """Tell whether it is the same place, remembered another time."""
        return self.holder is other.holder

    def differences(self) -> list[Difference]:
        """Return what differs."""
        new = self._now()
        return [Difference(self, GONE, self.copy, new)] if differ(self.copy, new) else []

    def put(self, _: str, old: Any) -> None:
        """Make it what it was, unless it is too long for that to be known."""
        if self.live is not self.holder:
            return
        if isinstance(self.holder, list):
            self.holder[:] = old
        else:
            self.holder.clear()
            (self.holder.extend if isinstance(self.holder, deque) else self.holder.update)(old)
        if self.then:
            self.then()

    def remember(self, _: str, value: Any) -> None:
        """Take something for what it was."""
        self.copy = value

    def forget(self, name: str, old: Any, new: Any) -> None:
        """Take for what it was what there would be without one change, which came before another one that counts."""
        if isinstance(old, dict) and isinstance(self.copy, dict):
            for key in [key for key in old | new if differ(old.get(key, GONE), new.get(key, GONE))]:
                if key in old:
                    self.copy[key] = old[key]
                else:
                    self.copy.pop(key, None)
        elif isinstance(old, set) and isinstance(self.copy, set):
            self.copy = (self.copy - (new - old)) | (old - new)
        else:
            self.remember(name, old)


class Names(Place):
    """The variables of a module, or the attributes of an object, of which each is compared."""

    def __init__(self, where: Whereabouts, holder: Any, counts: Callable[[str, Any, Any], bool]) -> None:
        """Take what tells of a name, its old and its new value whether it counts."""
        self.where, self.holder, self.live = where, holder, holder
        self.copy = self._now()
        self._counts = counts

    def _now(self) -> Any:
        return dict(self.holder)

    def differences(self) -> list[Difference]:
        """Return what differs; what doesn't count is remembered at once."""
        now, found = self._now(), []
        for name in self.copy | now:
            old, new = self.copy.get(name, GONE), now.get(name, GONE)
            if isinstance(name, str) and differ(old, new) and self._counts(name, old, new):
                found.append(Difference(self, name, old, new))
            elif old is not new:
                self.remember(name, new)
        return found

    def put(self, name: str, old: Any) -> None:
        """Set it again."""
        if old is GONE:
            self.holder.pop(name, None)
        else:
            self.holder[name] = old

    def forget(self, name: str, old: Any, new: Any) -> None:
        """Take the old value for what it was."""
        del new
        self.remember(name, old)

    def remember(self, name: str, value: Any) -> None:
        """Take a value for what it was."""
        if value is GONE:
            self.copy.pop(name, None)
        else:
            self.copy[name] = value


class ClassNames(Names):
    """The attributes of a class."""

    def __init__(self, where: Whereabouts, owner: type, counts: Callable[[str, Any, Any], bool]) -> None:
        """Take the class."""
        super().__init__(where, vars(owner), counts)
        self.owner = owner

    def is_of(self, other: Place) -> bool:
        """Tell whether it is the same place, remembered another time."""
        return isinstance(other, ClassNames) and self.owner is other.owner

    def put(self, name: str, old: Any) -> None:
        """Set it again, past whatever a metaclass makes of that."""
        if old is not GONE:
            type.__setattr__(self.owner, name, old)
        elif name in vars(self.owner):
            type.__delattr__(self.owner, name)


class Attributes(Names):
    """Some attributes of an object of a library."""

    def __init__(self, where: Whereabouts, holder: Any, names: tuple[str, ...]) -> None:
        """Take which."""
        self.where, self.holder, self.names = where, holder, names
        self.live = _Chosen(holder, names)
        self.copy = self._now()

    def _now(self) -> Any:
        return chosen(self.holder, self.names)

    def differences(self) -> list[Difference]:
        """Return what differs."""
        now = self._now()
        return [
            Difference(self, name, self.copy[name], now[name])
            for name in self.names
            if differ(self.copy[name], now[name])
        ]

    def put(self, name: str, old: Any) -> None:
        """Set it again."""
        *parts, last = name.split(".")
        around = self.holder
        for part in parts:
            around = getattr(around, part)
        setattr(around, last, old)


class OtherNames(Attributes):
    """Some names in a module of others."""


class Group:
    """All such names at once, as they are when they are compared."""

    def __init__(self, places: list[OtherNames]) -> None:
        """Take where they are."""
        rows = [(place.holder, name, place.copy[name]) for place in places for name in place.names]
        self._holders, self._names = [holder for holder, _, _ in rows], [name for _, name, _ in rows]
        self.copy = [value for _, _, value in rows]
        """What they were."""

    def __eq__(self, other: object) -> bool:
        """Compare with what they were. Raises AttributeError for one that is gone."""
        return [*map(getattr, self._holders, self._names)] == other

    __hash__ = None  # type: ignore[assignment]


class _Length:
    """The length of a container that is too long to be compared."""

    def __init__(self, holder: Any) -> None:
        self._holder = holder

    def __eq__(self, other: object) -> bool:
        return bool(len(self._holder) == other)

    __hash__ = None  # type: ignore[assignment]


class _Chosen:
    """Some attributes of an object, as they are when they are compared."""

    def __init__(self, holder: Any, names: tuple[str, ...]) -> None:
        self._holder, self._names = holder, names

    def __eq__(self, other: object) -> bool:
        return bool(chosen(self._holder, self._names) == other)

    __hash__ = None  # type: ignore[assignment]


def chosen(holder: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return some attributes of an object; names may have dots."""
    values = {}
    for name in names:
        value = holder
        for part in name.split("."):
            value = getattr(value, part, GONE)
        values[name] = value
    return values


def differ(old: Any, new: Any) -> bool:
    """Tell whether two values aren't the same."""
    if old is new:
        return False
    try:
        return not old == new  # noqa: SIM201 - as lists compare what is in them
    except Exception:  # what can't be compared isn't the same
        return True
