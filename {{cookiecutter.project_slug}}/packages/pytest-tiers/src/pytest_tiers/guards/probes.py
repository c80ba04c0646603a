"""State that can outlive a test: how it is looked at, named and put back.

A probe remembers the state as a copy, and compares what is there with it in place: nothing is copied for a test that leaves
everything as it was, which is nearly every test.
"""

import locale
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_tiers.guards.authors import Author

GONE: Any = type("Gone", (), {"__repr__": lambda _: "nothing"})()
"""In place of a value, where there is none."""
FOLDER = "working directory"
MAPPING = "os.environ itself"


@dataclass
class Change:
    """One difference between what was remembered and what is."""

    name: str
    """What messages call it."""
    undo: Callable[[], None]
    """Makes it what was remembered."""
    still: Callable[[], bool]
    """Tells whether it is still so."""
    recall: Callable[[], None]
    """Has the probe, which has remembered the state anew, remember the old value of this."""
    keep: Callable[[], None] = lambda: None
    """Has the probe remember it."""
    key: Any = None
    """What it is called by its probe."""
    blamed: bool = True
    """Whether a test that leaves it is at fault; else it is put back without a word."""


class Probe(ABC):
    """Looks at one kind of state."""

    advice: str
    """What to say of a difference, behind who made it: `{}` is what differs."""

    @abstractmethod
    def take(self) -> None:
        """Remember the state as it is now."""

    @abstractmethod
    def changed(self) -> bool:
        """Tell whether it is another one than was remembered: as cheap as can be."""

    @abstractmethod
    def changes(self, author: Author | None = None) -> list[Change]:
        """Return what differs. With an author, without what is meant to change, which is remembered from now on."""

    def is_outdated(self) -> bool:
        """Tell whether what is remembered isn't what is, or isn't all of it."""
        return self.changed()

    def renew(self) -> None:
        """Remember the state as it is now, before a test."""
        if self.is_outdated():
            self.take()

    def meant(self) -> "Accept":
        """Return what accepts the changes from now on, up to its call: a fixture of a wider scope makes them, or an import.

        It takes whose they are, if that counts, and gives what is this author's fault.
        """
        earlier = self.changes() if self.changed() else []
        names = {change.name for change in earlier}

        def accept(author: Author | None = None) -> list[Change]:
            if not self.is_outdated():
                return []
            made = [change for change in self.changes(author) if change.blamed] if author else []
            self.take()
            for change in earlier:
                change.recall()
            return [change for change in made if change.name not in names]

        return accept


Accept = Callable[..., list[Change]]


class Values(Probe):
    """State that is a number of named values."""

    @abstractmethod
    def now(self) -> dict[Any, Any]:
        """Return the values by name."""

    @abstractmethod
    def put(self, name: Any, value: Any) -> None:
        """Make a value what it was, or remove what was GONE."""

    def label(self, name: Any) -> str:
        """Return what messages call it."""
        return str(name)

    def take(self) -> None:
        """Remember them."""
        self._known = self.now()

    def changed(self) -> bool:
        """Compare."""
        return self.now() != self._known

    def changes(self, author: Author | None = None) -> list[Change]:
        """Return what differs, one by one."""
        del author
        before, after = self._known, self.now()
        names = [name for name in before | after if before.get(name, GONE) != after.get(name, GONE)]
        return [self._change(name, before.get(name, GONE), after.get(name, GONE)) for name in names]

    def _change(self, name: Any, old: Any, new: Any) -> Change:
        def recall() -> None:
            if old is GONE:
                self._known.pop(name, None)
            else:
                self._known[name] = old

        def keep() -> None:
            self._known[name] = self.now().get(name, GONE)

        return Change(
            self.label(name),
            undo=lambda: self.put(name, old),
            still=lambda: bool(self.now().get(name, GONE) == new),
            recall=recall,
            keep=keep,
            key=name,
        )


class Environment(Values):
    """Variables of the environment, and the working directory."""

    advice = "left the environment changed: {}.\nUse monkeypatch's setenv(), delenv() and chdir(), which put it back."

    def __init__(self) -> None:
        """Take the mapping, in the place of which a test may put another one."""
        self._mapping = os.environ

    def now(self) -> dict[Any, Any]:
        """Copy the dictionary behind it: a copy through os.environ, which decodes each variable, would take 50 µs."""
        variables: dict[Any, Any] = vars(self._mapping)["_data"].copy()
        variables.pop(b"PYTEST_CURRENT_TEST", None)
        variables[MAPPING] = os.environ is self._mapping
        try:
            variables[FOLDER] = os.getcwd()  # noqa: PTH109 - pathlib's takes ten times as long
        except FileNotFoundError:
            variables[FOLDER] = "gone"
        return variables

    def label(self, name: Any) -> str:
        """Return the variable."""
        return os.fsdecode(name)

    def put(self, name: Any, value: Any) -> None:
        """Set it again."""
        if name == MAPPING:
            os.environ = self._mapping  # noqa: B003 - back where it was
        elif name == FOLDER:
            os.chdir(value)
        elif value is GONE:
            del os.environb[name]
        else:
            os.environb[name] = value


class Locale(Values):
    """Time zone and locale."""

    advice = "left time zone or locale changed: {}.\nPut it back in a fixture: setlocale(LC_ALL, before); TZ, then tzset()."

    def now(self) -> dict[Any, Any]:
        """Return them."""
        return {"time zone": time.tzname, "locale": locale.setlocale(locale.LC_ALL)}

    def put(self, name: Any, value: Any) -> None:
        """Set it again; TZ was put back with the environment."""
        if name == "locale":
            locale.setlocale(locale.LC_ALL, value)
        else:
            time.tzset()
