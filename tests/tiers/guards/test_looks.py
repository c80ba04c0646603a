"""Looking at state is cheap: what nobody has touched is the same, whatever it is, and odd objects do no harm."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_tiers.config import Settings, read
from pytest_tiers.guards.authors import Author
from pytest_tiers.guards.loggers import Loggers
from pytest_tiers.guards.probes import Environment, Locale, Probe
from pytest_tiers.guards.processes import Modules, Patchers, Process
from pytest_tiers.guards.threads import Threads
from pytest_tiers.guards.variables import Shared, Variables
from watched import written

ODD = '''
import collections
import functools


class Same(dict):
    """Equal to nothing but itself, as some of SQLAlchemy's are."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    def __ne__(self, other):
        return self is not other


class Raises:
    """Can't be compared, nor asked for its class, as proxies that are bound to nothing."""

    def __eq__(self, other):
        raise RuntimeError

    __hash__ = None

    @property
    def __class__(self):
        raise RuntimeError("working outside of a request")


class Keys(dict):
    def keys(self):
        raise RuntimeError


class Slots:
    __slots__ = ("a",)


SAME = Same(a=1)
RAISES = Raises()
KEYS = Keys(a=1)
SLOTS = Slots()
NAN = [float("nan")]
SELF: list = []
SELF.append(SELF)
DEEP: dict = {}
inner = DEEP
for _ in range(50):
    inner = inner.setdefault("a", {})
COUNTS = collections.Counter(a=0)
CHAIN = collections.ChainMap({}, {})
PARTIAL = functools.partial(print)
'''


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    written(tmp_path, {"pyproject.toml": "[tool.tiers]\n", "src/odd_shop/__init__.py": ODD})
    monkeypatch.syspath_prepend(tmp_path / "src")
    yield read(tmp_path)
    sys.modules.pop("odd_shop", None)


@pytest.fixture
def odd(settings: Settings) -> Any:
    del settings
    import odd_shop  # type: ignore[import-not-found]

    return odd_shop


def probes(settings: Settings) -> list[Probe]:
    return [
        *(Threads([]), Patchers(), Environment(), Loggers(settings), Locale(), Process(), Modules()),
        *(Variables(settings), Shared(settings)),
    ]


def test_what_nobody_has_touched_is_the_same(settings: Settings, odd: Any) -> None:
    assert odd.SAME
    for probe in probes(settings):
        probe.take()
        assert not probe.changed(), type(probe)
        assert not probe.is_outdated(), type(probe)
        assert probe.changes() == [], type(probe)


def test_odd_objects_are_no_hindrance(settings: Settings, odd: Any) -> None:
    variables = Variables(settings)
    variables.take()
    odd.RAISES = odd.Raises()
    odd.COUNTS["a"] += 1
    odd.DEEP["a"]["a"]["b"] = 1
    odd.NAN.append(1)
    author = Author(settings, [])
    changes = variables.changes(author)
    assert {change.name for change in changes} == {
        f"odd_shop.{name}" for name in ("RAISES", "COUNTS", "DEEP", "NAN")
    }
    for change in changes:
        change.undo()
    assert odd.COUNTS["a"] == 0
    assert "b" not in odd.DEEP["a"]["a"]
    assert len(odd.NAN) == 1
    assert not variables.changed()


def test_a_change_can_be_meant(settings: Settings, odd: Any) -> None:
    variables = Variables(settings)
    variables.take()
    odd.COUNTS["before"] = 1
    accept = variables.meant()
    odd.COUNTS["meant"] = 1
    odd.NEW = 1
    accept()
    assert [change.name for change in variables.changes()] == ["odd_shop.COUNTS"]
    del odd.COUNTS["before"]
    assert not variables.changed()
    assert odd.COUNTS["meant"] == odd.NEW == 1


def test_a_module_that_is_being_imported_is_known_when_that_is_done(settings: Settings, odd: Any) -> None:
    variables = Variables(settings)
    spec = odd.__spec__
    assert spec is not None
    spec._initializing = True
    variables.take()
    odd.LATER = 1
    assert not variables.changed()
    spec._initializing = False
    assert variables.is_outdated()
    variables.renew()
    odd.LATER = 2
    assert [change.name for change in variables.changes()] == ["odd_shop.LATER"]


def test_a_place_that_was_gone_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = Environment()
    environment.take()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    (change,) = environment.changes()
    assert change.name == "working directory"
    assert change.still()
    change.undo()
    assert Path.cwd() == tmp_path
    assert not environment.changed()
    assert not change.still()


class Client:
    pass


class Server:
    pass


def test_what_is_shared_is_watched_while_its_fixture_lives(settings: Settings, odd: Any) -> None:
    class Own(odd.Same):  # type: ignore[misc]
        pass

    shared = Shared(settings)
    shared.take()
    value = odd.Slots()
    shared.give("slots", value)
    shared.give("of_tests", Client())
    shared.give("a_class", Server)
    shared.give("plain", {"a": 1})
    assert shared.is_outdated()
    shared.renew()
    assert not shared.is_outdated()
    assert shared.found().places == []
    shared.take_back("plain")
    shared.take_back("unknown")
    assert shared.is_outdated()
