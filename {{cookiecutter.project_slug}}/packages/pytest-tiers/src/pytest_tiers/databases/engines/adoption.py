"""Engines that the application made at import, `[tool.tiers] engine`: in each tier they work on that tier's database.

Their pool is replaced before each test by what its tier has, and put back at the end of the run. Nothing else of them changes,
so that it doesn't matter how they were made, nor who has got hold of them already.
"""

from collections.abc import Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.databases.engines import messages
from pytest_tiers.databases.engines.layer_hooks import layers_of
from pytest_tiers.guards import refuse
from pytest_tiers.tiers import tier_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine, MetaData
    from sqlalchemy.pool import Pool


class Adoption:
    """Gives each engine of `[tool.tiers] engine` the pool of the tier that a test lies in."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the names; nothing is imported before the first test."""
        self._config = config
        self._adopted: list[Adopted] | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Point the engines at the test's database, or refuse them."""
        if self._adopted is None:
            self._adopted = [Adopted(name, self._config) for name in settings_of(self._config).engines]
        for adopted in self._adopted:
            adopted.enter(item)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Close the connections to the test's own database before that is dropped."""
        for adopted in self._adopted or ():
            adopted.leave(item)
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Put back what was there."""
        for adopted in self._adopted or ():
            adopted.put_back()
        self._adopted = []


class Adopted:
    """One engine, its own pool, and those it has in the tiers."""

    def __init__(self, name: str, config: pytest.Config) -> None:
        """Find the engine. Fails the test if there is none."""
        self._name = name
        self._config = config
        self._engine = _engine(name)
        self._own: Pool = self._engine.pool
        self._pools: dict[str, Pool] = {}
        self._refusing: AbstractContextManager[None] | None = None

    def enter(self, item: pytest.Item) -> None:
        """Give it the pool of a test's tier."""
        tier = tier_of(item) or ""
        if tier == "committed":
            self._engine.pool = self._of_test(item)
        else:
            if tier not in self._pools:
                self._pools[tier] = self._of_tier(tier)
            self._engine.pool = self._pools[tier]

    def leave(self, item: pytest.Item) -> None:
        """Close what is open on a test's own database."""
        if tier_of(item) == "committed":
            self._engine.pool.dispose()

    def put_back(self) -> None:
        """Give it its own pool, and close what it had in the tiers."""
        for pool in self._pools.values():
            if pool is not self._own:
                pool.dispose()
        self._engine.pool = self._own

    def _of_tier(self, tier: str) -> "Pool":
        from pytest_tiers.databases.engines.adopt import clones_of, line_of
        from pytest_tiers.databases.engines.clones import ClonePool
        from pytest_tiers.databases.engines.pool import LinePool

        if tier not in ("unit", "integration"):
            return self._own
        options = self._config.option
        if self._engine.dialect.name != "sqlite" and getattr(options, "on_clones", False):
            return ClonePool(
                clones_of(layers_of(self._config), self._config), self._engine.dialect, self._own
            )
        if (
            tier == "unit"
            and not getattr(options, "on_postgresql", False)
            and self._engine.dialect.name != "sqlite"
        ):
            return self._nothing()
        line = line_of(self._engine, layers_of(self._config), self._config, self._metadata())
        return LinePool(line, self._engine.dialect, self._own)

    def _metadata(self) -> "MetaData | None":
        name = settings_of(self._config).metadata
        return None if name is None else _attribute(name)

    def _nothing(self) -> "Pool":
        from sqlalchemy import NullPool

        def refused() -> Any:
            __tracebackhide__ = True
            refuse(messages.NOT_IN_UNIT.format(engine=self._name))

        return NullPool(refused, dialect=self._engine.dialect, _dispatch=self._own.dispatch)

    def _of_test(self, item: pytest.Item) -> "Pool":
        """Return a pool of real connections to the test's own database, which is made when the first one is wanted."""
        from sqlalchemy import QueuePool

        dialect = self._engine.dialect

        def connect() -> Any:
            url = item._request.getfixturevalue("committed_db")  # type: ignore[attr-defined]
            arguments, options = dialect.create_connect_args(url)
            return dialect.connect(*arguments, **options)

        return QueuePool(connect, dialect=dialect, _dispatch=self._own.dispatch, max_overflow=-1)


def _engine(name: str) -> "Engine":
    found = _attribute(name)
    found = getattr(found, "sync_engine", found)
    if not hasattr(found, "pool") or not hasattr(found, "dialect"):
        pytest.fail(
            messages.NO_ENGINE.format(name=name, why=f"that is {type(found).__name__}"), pytrace=False
        )
    return getattr(found, "_proxied", found)  # type: ignore[no-any-return]


def _attribute(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        pytest.fail(messages.NO_ENGINE.format(name=name, why=error), pytrace=False)
    return found
