# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Tiers: the folder a test lies in says what it may touch, and gives it the marker of that name.

`tests/integration` and `tests/committed` have PostgreSQL, whose plugins are loaded only if such tests may run: a run of unit
tests pays for none of them.
"""

from pathlib import Path

import pytest

from tests.plugins.guards import how_to_lift, lifted

TIERS = {
    "unit": "logic and requests, on SQLite in memory; no network",
    "integration": "on PostgreSQL, rolled back after each test",
    "committed": "on PostgreSQL, in a database of its own, with real commits",
}
NO_TIER = (
    "The test lies in no tier, so that no session runs it for what it is, and no guard knows what it may touch.\n"
    "Move it to tests/unit if it needs no PostgreSQL, else to tests/integration; to tests/committed if it must commit."
)
DATABASE_TIERS = {"integration", "committed"}


def tier_of(path: Path, config: pytest.Config) -> str | None:
    """Return the tier that a file or folder lies in; None if it lies in none, or holds several."""
    try:
        parts = path.relative_to(config.rootpath / "tests").parts
    except ValueError:
        return None
    return parts[0] if parts and parts[0] in TIERS else None


def needs_database(config: pytest.Config) -> bool:
    """Tell whether the paths of this run include a tier with a database, or `nox -s parity` wants one."""
    if getattr(config.known_args_namespace, "on_postgresql", False):
        return True
    paths = config.known_args_namespace.file_or_dir or [""]
    here = config.invocation_params.dir
    tiers = {tier_of((here / path.partition("::")[0]).resolve(), config) for path in paths}
    return not tiers <= set(TIERS) - DATABASE_TIERS


def _load_database_plugins(config: pytest.Config) -> None:
    if needs_database(config):
        config.pluginmanager.import_plugin("pytest_postgresql.plugin")
        config.pluginmanager.import_plugin("tests.plugins.postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--ci`."""
    parser.addoption(
        "--ci", action="store_true", help="fail tests over `[tool.budgets]`, and those that lie in no tier"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load what the database tiers need while options can still be added, and start the server."""
    _load_database_plugins(early_config)
    postgres = early_config.pluginmanager.get_plugin("tests.plugins.postgres")
    if postgres is not None:
        postgres.prepare(early_config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers. A worker of xdist loads its plugins only now."""
    for tier, meaning in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: tier of the folder: {meaning}")
    config.addinivalue_line(
        "markers",
        "differs(reason): the test ends otherwise on PostgreSQL; `nox -s parity` checks that it does",
    )
    _load_database_plugins(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its tier, before `-m` selects."""
    for item in items:
        tier = tier_of(item.path, config)
        if tier is not None:
            item.add_marker(tier)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test that lies in no tier, with `--ci`."""
    if item.config.option.ci and tier_of(item.path, item.config) is None and not lifted(item, "tier"):
        pytest.fail(NO_TIER + how_to_lift("tier"), pytrace=False)
