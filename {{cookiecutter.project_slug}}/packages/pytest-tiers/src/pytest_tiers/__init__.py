"""Tests in tiers: fast, honest and parallel. What a conftest imports stands here; `pytest --fixtures` lists the fixtures."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_tiers.config import Budgets, ConfigError, Settings
from pytest_tiers.guards import GuardError, SecretError, UnreachableError, refuse

if TYPE_CHECKING:
    from pytest_tiers.databases.engines.adopt import rolled_back_engine
    from pytest_tiers.databases.postgres import PostgresRollback
    from pytest_tiers.databases.redirect import redirect
    from pytest_tiers.databases.rollback import Rollback, one_at_a_time
    from pytest_tiers.databases.sqlite import MemoryRollback, memory_engine
    from pytest_tiers.databases.templates import Databases
    from pytest_tiers.fakes.determinism import FrozenTime
    from pytest_tiers.fakes.doppler import FakeSecrets
    from pytest_tiers.fakes.openai_api import FakeAI
    from pytest_tiers.fakes.redis_server import RedisOutage
    from pytest_tiers.fakes.shared import SharedResources

# Imported when they are asked for: a suite without a database has no SQLAlchemy, one without Redis no redis.
_PLACES = {
    "rolled_back_engine": "databases.engines.adopt",
    "Databases": "databases.templates",
    "FakeAI": "fakes.openai_api",
    "FakeSecrets": "fakes.doppler",
    "FrozenTime": "fakes.determinism",
    "MemoryRollback": "databases.sqlite",
    "PostgresRollback": "databases.postgres",
    "RedisOutage": "fakes.redis_server",
    "Rollback": "databases.rollback",
    "SharedResources": "fakes.shared",
    "memory_engine": "databases.sqlite",
    "one_at_a_time": "databases.rollback",
    "redirect": "databases.redirect",
}

__all__ = [
    "Budgets",
    "ConfigError",
    "Databases",
    "FakeAI",
    "FakeSecrets",
    "FrozenTime",
    "GuardError",
    "MemoryRollback",
    "PostgresRollback",
    "RedisOutage",
    "Rollback",
    "SecretError",
    "Settings",
    "SharedResources",
    "UnreachableError",
    "memory_engine",
    "one_at_a_time",
    "redirect",
    "refuse",
    "rolled_back_engine",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"pytest_tiers.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
