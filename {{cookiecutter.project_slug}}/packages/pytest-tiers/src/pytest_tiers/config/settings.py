"""What a suite is, in values; what stands in `[tool.tiers]`, or was found in its place."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

TIERS = {
    "unit": "logic and requests, on SQLite in memory; no network",
    "integration": "on PostgreSQL, rolled back after each test",
    "committed": "on PostgreSQL, in a database of its own, with real commits",
}
"""Each tier, and what its tests may touch."""
DATABASE_TIERS = frozenset({"integration", "committed"})
CACHE = Path(".cache", "tests")
"""Where runs keep what they measured, below the folder of pyproject.toml."""
NO_PACKAGES = frozenset(
    {
        "alembic",
        "build",
        "dist",
        "docs",
        "examples",
        "migrations",
        "node_modules",
        "scripts",
        "test",
        "tests",
        "tools",
    }
)
"""Folders that hold no package of the project, although Python could import them."""
NOT_SEARCHED = re.compile(r"\.|__pycache__$|node_modules$|site-packages$|venv$|build$|dist$|packages$")
"""Folders in which neither tests nor Alembic are looked for, unless they are named."""


class ConfigError(ValueError):
    """`[tool.tiers]` has something that can't be; the message says what, and what is allowed."""


@dataclass(frozen=True)
class Budgets:
    """Seconds that may be taken; `slower` is a factor. What isn't in `[tool.tiers.budgets]` has no bound."""

    unit: float = math.inf
    integration: float = math.inf
    committed: float = math.inf
    fast: float = math.inf
    all: float = math.inf
    slower: float = math.inf

    def of_tier(self, tier: str | None) -> float:
        """Return the seconds that a test of a tier may take."""
        limit: float = getattr(self, tier) if tier in TIERS else math.inf
        return limit


@dataclass(frozen=True)
class Settings:
    """What `[tool.tiers]` says, or what was found in its place. Paths are absolute."""

    root: Path
    """The folder of pyproject.toml, which is pytest's rootdir."""
    asked: bool = False
    """Whether there is a `[tool.tiers]` at all."""
    name: str = "project"
    """The project's name, after which databases are called."""
    folders: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """The folders of each tier; a tier that has none isn't among them."""
    packages: Mapping[str, Path] = field(default_factory=dict)
    """The project's import packages and modules by name, and the folder or file of each."""
    tests: tuple[Path, ...] = ()
    """Where pytest looks for tests."""
    python_files: tuple[str, ...] = ("test_*.py", "*_test.py")
    """pytest's option of that name."""
    metadata: str | None = None
    """`module:Base.metadata`: tables for `migrations = "metadata"`."""
    migrations: str | None = None
    """"alembic", "metadata" or `module:function`; None where nothing makes the tables."""
    alembic: Path | None = None
    """Alembic's configuration: an alembic.ini, or a pyproject.toml with `[tool.alembic]`."""
    seed: str | None = None
    """`module:function`, which fills the template database."""
    engines: tuple[str, ...] = ()
    """`module:engine`: engines of the application that tests get in their tier's place."""
    quarantine: Path | None = None
    """The file of flaky tests, where there is one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Values of variables that the guard of secrets took away, or that aren't set."""
    allowed_servers: tuple[str, ...] = ()
    """`host` or `host:port` that tests of any tier but unit may reach, besides this run's own."""
    expected_threads: tuple[str, ...] = ()
    """Regular expressions for names of threads that may outlive a test."""
    expected_caches: tuple[str, ...] = ()
    """Regular expressions for variables, `package.module.name`, that may change in a test."""
    budgets: Budgets = field(default_factory=Budgets)

    @property
    def cache(self) -> Path:
        """The folder for what runs measure. `prepare_cache` makes it."""
        return self.root / CACHE

    @property
    def sources(self) -> tuple[Path, ...]:
        """The folders and files of the packages."""
        return tuple(self.packages.values())

    @cached_property
    def of_packages(self) -> re.Pattern[str]:
        """Matches the name of each module of the packages."""
        names = "|".join(map(re.escape, self.packages)) or "(?!)"
        return re.compile(rf"(?:{names})(?:\.|$)")

    def relative(self, path: Path) -> str:
        """Return a path as node ids have it: from the root, with slashes; as it is where it lies elsewhere."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()
