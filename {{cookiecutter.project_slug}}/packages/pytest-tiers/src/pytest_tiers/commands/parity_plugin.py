"""The unit tier on PostgreSQL, and the integration tier with real commits, for `tiers parity`, which loads this.

In place of `engine` and `rollback` of the unit tier's conftests tests get those of a database on PostgreSQL.
"""

from collections.abc import Generator
from typing import Any

import pytest

from pytest_tiers.config import settings_of


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `tiers parity` passes."""
    # By this name the databases know that one is needed, although only the unit tier runs.
    parser.addoption(
        "--tiers-on-postgresql",
        dest="on_postgresql",
        action="store_true",
        default=False,
        help="run the unit tier on PostgreSQL",
    )
    parser.addoption(
        "--tiers-on-clones",
        dest="on_clones",
        action="store_true",
        default=False,
        help="run the integration tier with real commits, on a database of each test's own",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let the unit tier have its database there."""
    if config.option.on_postgresql:
        from pytest_tiers.guards.network import allow_database_in_unit

        allow_database_in_unit(config)
        config.pluginmanager.register(OnPostgres(config), "tiers-parity")
    if config.option.on_postgresql or config.option.on_clones:
        config.pluginmanager.register(Elsewhere(), "tiers-parity-elsewhere")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the declared difference to the report, which goes into the report log."""
    report = yield
    marker = item.get_closest_marker("differs")
    if marker is not None:
        report.__dict__["differs"] = marker.kwargs["reason"]
    return report


class OnPostgres:
    """Puts fixtures of PostgreSQL in place of the unit tier's."""

    def __init__(self, config: pytest.Config) -> None:
        """Find the unit tier."""
        settings = settings_of(config)
        self._places = {settings.relative(folder) for folder in settings.folders.get("unit", ())}

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Any:
        """Give the unit tier a database on PostgreSQL."""
        if fixturedef.baseid not in self._places:
            return None
        value: Any
        if not any(hasattr(plugin, "rollback") for plugin in request.config.pluginmanager.get_plugins()):
            return None  # engines that are rolled back themselves know what to do
        if fixturedef.argname == "engine":
            from sqlalchemy import create_engine

            url = request.getfixturevalue("worker_database")
            value = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0)
            fixturedef.addfinalizer(value.dispose)
        elif fixturedef.argname == "rollback":
            from pytest_tiers.databases.postgres import PostgresRollback

            value = PostgresRollback(request.getfixturevalue("engine"), request.getfixturevalue("databases"))
        else:
            return None
        fixturedef.cached_result = (value, fixturedef.cache_key(request), None)  # type: ignore[arg-type]
        return value


ELSEWHERE = (
    "The test ran on {url}, not on the database that parity gives it: nothing was compared.\n"
    "Let it take `engine` of its tier's conftest.py, made with rolled_back_engine(), or name its own in [tool.tiers] engine."
)


class Elsewhere:
    """Fails tests that quietly run on another database than is meant: on an engine of their own."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Look at the engines that a test was given."""
        pools = {"on_postgresql": ("LinePool", "QueuePool"), "on_clones": ("ClonePool",)}
        right = next(names for option, names in pools.items() if getattr(item.config.option, option))
        for name, value in getattr(item, "funcargs", {}).items():
            bind = getattr(value, "kw", {}).get("bind") if name == "sessions" else value
            engine = getattr(bind, "engine", None)
            if (
                type(bind).__name__ not in ("Engine", "Connection", "Session", "OptionEngine")
                or engine is None
            ):
                continue
            if type(engine.pool).__name__ not in right or (engine.dialect.name == "sqlite"):
                pytest.fail(ELSEWHERE.format(url=engine.url.render_as_string()), pytrace=False)
