"""What every run of pytest loads that a command starts: plugins of others, whether or not the suite has loaded them."""

from importlib import import_module
from importlib.util import find_spec

import pytest

PLUGINS = {
    "pytest-testmon": "testmon.pytest_testmon",
    "randomly": "pytest_randomly",
    "xdist": "xdist.plugin",
}
"""The names of their entry points, and their modules."""


def load(manager: pytest.PytestPluginManager, name: str) -> None:
    """Load a plugin unless it is loaded already, by whichever of its names, or isn't installed.

    To be called in `pytest_addoption`: after the suite's own options have named theirs, and before pytest looks for what is
    installed, which then passes over it. A second `-p` with another name for the same module would end the run.
    """
    module = PLUGINS[name]
    if find_spec(module.partition(".")[0]) is None:
        return
    plugin = import_module(module)
    if not manager.is_registered(plugin) and not manager.is_blocked(name):
        manager.register(plugin, name)


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load xdist: commands say how many workers there are to be."""
    load(pluginmanager, "xdist")
