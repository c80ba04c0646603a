"""Imports: what modules of the project and of libraries set as they are imported is meant, what a module of tests sets is not.

What a module of tests sets at import, all tests would have that are collected with it, and none that runs alone. conftest files are
how people configure a run: what they set is the state that tests begin with.
"""

import sys
import threading
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_tiers.config import Settings, settings_of
from pytest_tiers.guards import owners
from pytest_tiers.guards.leftovers import Leftovers
from pytest_tiers.guards.lifting import lifted
from pytest_tiers.guards.runs import GuardError, Run, current, unsaid_of, watched

_FAULTS = pytest.StashKey[list[tuple[str, GuardError]]]()


class _Depth(threading.local):
    """How deep in imports that are watched this thread is."""

    value = 0


_depth = _Depth()


class Imports:
    """Watches modules of tests as they are imported, and has what other imports set accepted."""

    def __init__(self, config: pytest.Config, run: Run, leftovers: Leftovers) -> None:
        """Watch a run."""
        self._run, self._leftovers = run, leftovers
        self._any_faults = False
        self._finder = Finder(settings_of(config), run, leftovers)
        sys.meta_path.insert(0, self._finder)
        config.add_cleanup(self._end)

    def _end(self) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Look at the state before and after the import of a module of tests, and put it back."""
        if not isinstance(collector, pytest.Module) or self._run.importing is not None:
            return (yield)
        self._run.importing = collector
        self._leftovers.begin()
        token = owners.begin(collector)
        try:
            report = yield
            faults = self._leftovers.end(collector)
        finally:
            owners.end(token)
            self._run.importing = None
        faults += [("", error) for error in self._run.refused()]
        if report.failed:
            unsaid = unsaid_of([error for _, error in faults], report.longreprtext)
            report.longrepr = "\n\n".join([report.longreprtext, *unsaid])
        elif faults:
            collector.stash[_FAULTS] = faults
            self._any_faults = True
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Fail each test of a module that left something behind at its import."""
        if not self._any_faults:
            return
        module = item.getparent(pytest.Module)
        for guard, error in module.stash.get(_FAULTS, []) if module is not None else ():
            if not guard or not lifted(item, guard):
                self._run.blame(error)


class Finder:
    """Finds modules as the finders behind it do, and has accepted what their import sets."""

    def __init__(self, settings: Settings, run: Run, leftovers: Leftovers) -> None:
        """Take the settings, which say what a module of tests is."""
        self._settings, self._run, self._leftovers = settings, run, leftovers

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module that may set what it likes; none, so that others find it, if that isn't to be told."""
        is_mine = current() is self._run and self._leftovers.watches and watched()
        if target is not None or not is_mine or _depth.value:
            return None
        spec = self._found(name, path)
        if spec is None or type(spec.loader) not in (
            SourceFileLoader,
            SourcelessFileLoader,
            ExtensionFileLoader,
        ):
            return spec
        if not self._is_of_tests(spec):
            _wrap(spec.loader, self._leftovers.meant)
        return spec

    def _found(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find: Any = getattr(finder, "find_spec", None)
            if find is not None and (spec := find(name, path, None)) is not None:
                return spec  # type: ignore[no-any-return]
        return None

    def _is_of_tests(self, spec: ModuleSpec) -> bool:
        """Tell whether it lies with the tests: what it sets counts for the module that imports it, as its own does."""
        if not spec.origin or self._settings.of_packages.match(spec.name):
            return False
        origin = Path(spec.origin)
        return origin.name not in ("__init__.py", "conftest.py") and any(
            map(origin.is_relative_to, self._settings.tests)
        )


def _wrap(loader: Any, meant: Callable[[], Callable[[str], None]]) -> None:
    """Have accepted what a module sets while its code runs."""
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        _depth.value += 1
        accept = meant()
        try:
            run(module)
        finally:
            _depth.value -= 1
            accept(module.__name__)

    loader.exec_module = exec_module
