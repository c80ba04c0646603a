"""What a process has one of: the paths of imports, modules, signal handlers, the ways of numbers and sockets, patchers."""

import _signal  # type: ignore[import-not-found] # signal.getsignal() makes enumerations of what it gives, which takes ten times as long
import gc
import os
import signal
import socket
import sys
from types import ModuleType
from typing import Any

from pytest_tiers.guards.authors import Author
from pytest_tiers.guards.probes import GONE, Accept, Change, Probe, Values

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE")
SIGNALS = {name: int(getattr(signal, name)) for name in _SIGNALS if hasattr(signal, name)}


class Process(Values):
    """Settings of the process."""

    advice = (
        "left settings of the process changed: {}.\n"
        "Use monkeypatch's syspath_prepend() and setattr(), decimal.localcontext(), or put it back in a fixture."
    )

    def now(self) -> dict[Any, Any]:
        """Return the values."""
        umask = os.umask(0o077)  # there is no way to ask but to set it
        os.umask(umask)
        return {
            "sys.path": [*sys.path],
            "sys.meta_path": [*sys.meta_path],
            "sys.path_hooks": [*sys.path_hooks],
            "sys.excepthook": sys.excepthook,
            "recursion limit": sys.getrecursionlimit(),
            "garbage collection": gc.isenabled(),
            "umask": umask,
            "default time-out of sockets": socket.getdefaulttimeout(),
            "decimal context": _decimal_context(),
            "event loop": _event_loop(),
            **{name: _signal.getsignal(number) for name, number in SIGNALS.items()},
        }

    def label(self, name: Any) -> str:
        """Return what messages call it."""
        return f"handler of {name}" if name in SIGNALS else str(name)

    def changes(self, author: Author | None = None) -> list[Change]:
        """Return what differs.

        Frameworks set loops of their own, and an application may handle signals and errors when it starts: so these have to be
        set by the test itself.
        """
        if author and author.folder in sys.path and author.folder not in self._known["sys.path"]:
            self._known["sys.path"].insert(sys.path.index(author.folder), author.folder)  # by pytest itself
        found = []
        for change in super().changes(author):
            key = change.key
            if key == "decimal context" and self._known.get(key) is None:
                change.keep()  # it was imported
                continue
            if (
                author
                and key == "event loop"
                and not author.mentions("set_event_loop", "set_event_loop_policy")
            ):
                change.keep()
                continue
            if author and (key in SIGNALS or key == "sys.excepthook"):
                change.blamed = author.mentions("signal", "excepthook")
            found.append(change)
        return found

    def put(self, name: Any, value: Any) -> None:
        """Set it again."""
        if name in SIGNALS:
            if value is not None:  # else it was set from outside of Python
                signal.signal(SIGNALS[name], value)
        elif name == "sys.path":
            sys.path[:] = value
        elif name == "sys.meta_path":
            sys.meta_path[:] = value
        elif name == "sys.path_hooks":
            sys.path_hooks[:] = value
        elif name == "sys.excepthook":
            sys.excepthook = value
        elif name == "recursion limit":
            sys.setrecursionlimit(value)
        elif name == "garbage collection":
            (gc.enable if value else gc.disable)()
        elif name == "umask":
            os.umask(value)
        elif name == "default time-out of sockets":
            socket.setdefaulttimeout(value)
        elif name == "decimal context":
            decimal = sys.modules["decimal"]
            numbers, traps = value
            decimal.setcontext(decimal.Context(*numbers, flags=[], traps=[*traps]))
        else:
            _set_event_loop(*value)


def _decimal_context() -> tuple[Any, Any] | None:
    decimal = sys.modules.get("decimal")
    if decimal is None or not hasattr(decimal, "getcontext"):  # half of it is imported
        return None
    *numbers, _, traps = decimal.getcontext().__reduce__()[1]  # without the flags, which any sum may set
    return numbers, traps


def _event_loop() -> tuple[Any, Any]:
    """Return asyncio's policy, and the loop that is set in this thread."""
    events = sys.modules.get("asyncio.events")
    policy = getattr(events, "_event_loop_policy", None)
    return policy, getattr(getattr(policy, "_local", None), "_loop", None)


def _set_event_loop(policy: Any, loop: Any) -> None:
    vars(sys.modules["asyncio.events"])["_event_loop_policy"] = policy
    if local := getattr(policy, "_local", None):
        local._loop = loop


class Modules(Probe):
    """What is in sys.modules: modules that a test replaced, removed, or put something else in the place of."""

    advice = "left sys.modules changed: {}.\nUse monkeypatch's setitem() and delitem() on sys.modules, which put it back."

    def take(self) -> None:
        """Remember them."""
        self._known = dict(sys.modules)
        self._list()
        self._tolerated: set[str] = set()
        """Names of odd ones that imports have put there meanwhile."""

    def _list(self) -> None:
        self._modules = list(self._known.values())

    def changed(self) -> bool:
        """Compare: in C, and without a copy by name."""
        return [*sys.modules.values()] != self._modules

    def is_outdated(self) -> bool:
        """Tell whether there are more or fewer: only a test puts something else in the place of one."""
        return len(sys.modules) != len(self._modules)

    def changes(self, author: Author | None = None) -> list[Change]:
        """Return what differs; what was imported doesn't count, nor that it is removed again."""
        del author
        return [
            self._change(name, old, new)
            for name, old, new in _differing(self._known, dict(sys.modules))
            if old is not GONE or (_is_odd(new) and name not in self._tolerated)
        ]

    def meant(self) -> Accept:
        """Accept what is put there, replaced or removed."""
        before = dict(sys.modules)

        def accept(author: Author | None = None) -> list[Change]:
            made = []
            for name, old, new in _differing(before, dict(sys.modules)):
                if name in self._known:
                    _set(self._known, name, new)
                elif name in self._tolerated or not _is_odd(new):
                    continue
                self._tolerated.add(name)
                if author:
                    made.append(self._change(name, old, new))
            self._list()
            return made

        return accept

    def _change(self, name: str, old: Any, new: Any) -> Change:
        def undo() -> None:
            _set(sys.modules, name, old)
            around, _, part = name.rpartition(".")
            if around in sys.modules and vars(sys.modules[around]).get(part, GONE) is new:
                _set(vars(sys.modules[around]), part, old)

        return Change(name, undo, lambda: sys.modules.get(name, GONE) is new, recall=lambda: None)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    names = [name for name in before | after if before.get(name, GONE) is not after.get(name, GONE)]
    return [(name, before.get(name, GONE), after.get(name, GONE)) for name in names]


def _is_odd(module: Any) -> bool:
    """Tell whether it isn't a module as an import makes them."""
    return module is not GONE and (not isinstance(module, ModuleType) or module.__spec__ is None)


def _set(names: dict[str, Any], name: str, value: Any) -> None:
    if value is GONE:
        names.pop(name, None)
    else:
        names[name] = value


class Patchers(Probe):
    """Patchers of unittest.mock that were started and not stopped."""

    advice = (
        "left patchers started: {}.\n"
        "Use monkeypatch or mocker, `with patch(…)`, or stop them: addCleanup(patcher.stop), patch.stopall()."
    )

    @staticmethod
    def _started() -> list[Any]:
        mock = sys.modules.get("unittest.mock")
        patch: Any = getattr(mock, "_patch", None)
        return getattr(patch, "_active_patches", [])

    def take(self) -> None:
        """Remember them."""
        self._known = [*self._started()]

    def changed(self) -> bool:
        """Compare."""
        return self._started() != self._known

    def changes(self, author: Author | None = None) -> list[Change]:
        """Return those that were started, the last one first, as they have to be stopped."""
        del author
        return [self._change(patcher) for patcher in reversed(self._started()) if patcher not in self._known]

    def _change(self, patcher: Any) -> Change:
        def stop() -> None:
            patcher.stop()

        def recall() -> None:
            self._known.remove(patcher)

        return Change(_patched(patcher), stop, lambda: patcher in self._started(), recall)


def _patched(patcher: Any) -> str:
    """Return in words what a patcher replaces."""
    if hasattr(patcher, "in_dict"):
        return "a dictionary"
    try:
        target = patcher.getter()
    except Exception:  # it can't be imported any more
        return str(patcher.attribute)
    around = getattr(target, "__name__", None) or type(target).__name__
    return f"{around}.{patcher.attribute}"
