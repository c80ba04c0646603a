"""What runs outside of tests, for `tiers changed`, which loads this, and pytest-testmon with it.

Functions that the import of a module calls, or a fixture of a wider scope, are in nobody's test, or in that of whichever came
first. They are written down, so that all tests run when one of them changes.
"""

import json
import sys
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

import pytest

from pytest_tiers.commands.changed import folder_of
from pytest_tiers.commands.loading import load as load_plugin
from pytest_tiers.commands.sources import followed, load
from pytest_tiers.config import prepare_cache, settings_of

NAME = "tiers-changed"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load testmon."""
    load_plugin(pluginmanager, "pytest-testmon")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin to note."""
    outside = Outside(early_config)
    early_config.pluginmanager.register(outside, NAME)
    outside.watch()


class Outside:
    """Notes the functions of the project that run while no test does."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run."""
        settings = settings_of(config)
        self._root, self._followed = f"{settings.root}/", followed(settings)
        self._settings = settings
        self._seen: set[Any] = set()
        self._watching = False
        self._profilers = sys.getprofile(), threading.getprofile()

    def watch(self) -> None:
        """Note what is called from now on."""
        self._watching = True
        sys.setprofile(self._note)
        threading.setprofile(self._note)

    def rest(self) -> None:
        """Note nothing."""
        self._watching = False  # threads that run already have their profiler still
        sys.setprofile(self._profilers[0])
        threading.setprofile(self._profilers[1])

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if self._watching and event == "call":
            self._seen.add(frame.f_code)

    def _functions(self) -> list[str]:
        found = set()
        for code in self._seen:
            path = code.co_filename.removeprefix(self._root)
            # Where tests lie in the root, so do the libraries of an environment that was made there.
            if path != code.co_filename and path in self._followed and "site-packages/" not in path:
                found.add(f"{path}::{code.co_qualname.partition('.<locals>')[0]}")
        return sorted(found)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """What a test runs, testmon notes."""
        self.rest()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """What a fixture of a wider scope runs is every test's that takes it."""
        if fixturedef.scope == "function" or self._watching:
            return (yield)
        self.watch()
        try:
            return (yield)
        finally:
            self.rest()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker noted."""
        self._keep(getattr(node, "workeroutput", {}).get("outside", []))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it down."""
        self.rest()
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["outside"] = self._functions()
        else:
            self._keep(self._functions())

    def _keep(self, functions: list[str]) -> None:
        prepare_cache(self._settings)
        path = folder_of(self._settings) / "shared.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(sorted({*functions, *(load(path, list) or ())})))
