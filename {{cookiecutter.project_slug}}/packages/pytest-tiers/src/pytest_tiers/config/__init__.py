"""What a suite is: read once from `[tool.tiers]`, and what is not said there, found.

`read` takes the folder of `pyproject.toml` and gives `Settings`. It raises `ConfigError` for a key or a value that can't be,
all of them in one message, each with what is allowed. It starts nothing and imports nothing of the suite.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pytest_tiers.config.finding import (
    alembic_found,
    existing,
    find_tests,
    folders_found,
    folders_named,
    migration_folders,
    packages_found,
    packages_named,
    pytest_ini,
    pytest_options,
    read_toml,
)
from pytest_tiers.config.keys import listed, wrong_keys
from pytest_tiers.config.settings import (
    CACHE,
    DATABASE_TIERS,
    NOT_SEARCHED,
    TIERS,
    Budgets,
    ConfigError,
    Settings,
)

__all__ = [
    "CACHE",
    "DATABASE_TIERS",
    "NOT_SEARCHED",
    "TIERS",
    "Budgets",
    "ConfigError",
    "Settings",
    "find_tests",
    "migration_folders",
    "prepare_cache",
    "pytest_ini",
    "read",
    "settings_of",
]


def prepare_cache(settings: Settings) -> Path:
    """Make the folder for what runs measure, with a .gitignore of its own, and return it. Raises OSError."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    ignore = settings.cache / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Made by pytest-tiers.\n*\n")
    return settings.cache


def read(root: Path, options: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of the suite in a folder.

    `options` are pytest's `testpaths` and `python_files`; without them they are looked up in its configuration.
    Raises ConfigError.
    """
    document = read_toml(root / "pyproject.toml")
    tool = document.get("tool", {})
    if isinstance(old := tool.get("budgets"), dict) and old.keys() <= {
        limit.name for limit in fields(Budgets)
    }:
        raise ConfigError("[tool.budgets] in pyproject.toml is [tool.tiers.budgets] now: rename the table")
    asked, given = "tiers" in tool, tool.get("tiers", {})
    if not isinstance(given, dict):
        raise ConfigError("tiers under [tool] in pyproject.toml has to be a table, [tool.tiers]")
    of_keys = wrong_keys(given)
    right, wrong = {key: value for key, value in given.items() if key not in of_keys}, [*of_keys.values()]
    options = options if options is not None else pytest_options(root)
    tests = existing(root, options.get("testpaths") or []) or (root,)
    if "folders" in right:
        folders = folders_named(root, right["folders"], wrong)
    else:
        folders = folders_found(root, tests) if asked else {}
    packages = (
        packages_named(root, right["packages"], wrong) if "packages" in right else packages_found(root, tests)
    )
    alembic = alembic_found(root, tool)
    migrations = right.get("migrations") or (
        "alembic" if alembic else "metadata" if "metadata" in right else None
    )
    if migrations == "alembic" and alembic is None:
        wrong.append('migrations = "alembic": there is neither an alembic.ini nor [tool.alembic]')
    if wrong:
        raise ConfigError("\n".join(["[tool.tiers] in pyproject.toml:", *(f"  {line}" for line in wrong)]))
    quarantine = root / right["quarantine"] if "quarantine" in right else tests[0] / "quarantine.toml"
    return Settings(
        root=root,
        asked=asked,
        name=str(document.get("project", {}).get("name") or root.name or "project"),
        folders=folders,
        packages=packages,
        tests=tests,
        python_files=tuple(options.get("python_files") or Settings.python_files),
        metadata=right.get("metadata"),
        migrations=migrations,
        alembic=alembic if migrations == "alembic" else None,
        seed=right.get("seed"),
        engines=listed(right.get("engine", ())),
        quarantine=quarantine if quarantine.exists() or "quarantine" in right else None,
        environment=dict(right.get("environment", {})),
        allowed_servers=tuple(right.get("allowed_servers", ())),
        expected_threads=tuple(right.get("expected_threads", ())),
        expected_caches=tuple(right.get("expected_caches", ())),
        budgets=Budgets(**{name: float(value) for name, value in right.get("budgets", {}).items()}),
    )


_SETTINGS = pytest.StashKey[Settings]()


def settings_of(config: pytest.Config) -> Settings:
    """Return the settings of a run of pytest, which are read once. Raises UsageError where they can't be."""
    if _SETTINGS not in config.stash:
        options = {name: config.getini(name) for name in ("testpaths", "python_files")}
        try:
            config.stash[_SETTINGS] = read(config.rootpath, options)
        except ConfigError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_SETTINGS]
