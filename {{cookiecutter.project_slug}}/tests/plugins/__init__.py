# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What makes the tiers: one module per concern. pyproject.toml loads it with `-p tests.plugins`."""

import gc
import sys

import pytest

from tests.plugins import environment

# `tests.plugins.postgres` is not among them: `tiers` loads it for runs that need it.
pytest_plugins = [
    f"tests.plugins.{name}"
    for name in (
        "guards",
        "environment",
        "network",
        "state",
        "tiers",
        "durations",
        "speed",
        "budgets",
        "quarantine",
        "workers",
        "record",
        "bytecode",
        "rollback",
        "fake_redis",
        "determinism",
        "shared",
        "shards",
        "order",
    )
]

# Before anything of the service is imported, which might read a secret at once.
environment.remove_secrets()

# PYTHONDONTWRITEBYTECODE is set in many containers. With it each run, and each worker of it, would compile every test anew.
sys.dont_write_bytecode = False

# Until the first test nothing is thrown away but time: the collector would go through all that is imported again and again.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Collect garbage from now on, but never look at what was imported again."""
    gc.freeze()
    gc.enable()
