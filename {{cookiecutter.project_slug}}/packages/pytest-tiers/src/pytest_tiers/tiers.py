"""A folder is a tier: where a test lies says what it may touch, and gives it the marker of that name."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from pytest_tiers.config import DATABASE_TIERS, TIERS, Settings, settings_of


class Tiers:
    """Which tier a file lies in. Each path is looked up once."""

    def __init__(self, settings: Settings) -> None:
        """Take the folders of the tiers."""
        self._settings = settings
        self._folders = {folder: tier for tier, folders in settings.folders.items() for folder in folders}
        self._of_path: dict[Path, str | None] = {}

    @property
    def configured(self) -> bool:
        """Whether there are tiers at all."""
        return bool(self._folders)

    def of(self, path: Path) -> str | None:
        """Return the tier that a file or folder lies in; None if it lies in none, or holds several."""
        if path not in self._of_path:
            around = (path, *path.parents)
            self._of_path[path] = next(
                (self._folders[place] for place in around if place in self._folders), None
            )
        return self._of_path[path]

    def place(self, tier: str) -> str:
        """Return what messages call a tier: its folder, or "the unit tier" where it has none."""
        folders = self._settings.folders.get(tier)
        return self._settings.relative(folders[0]) if folders else f"the {tier} tier"

    def of_nodeid(self, nodeid: str, root: Path) -> str | None:
        """Return the tier of a test by its node id, which begins with its file from `root`."""
        return self.of(root / nodeid.partition("::")[0])

    def databases_in(self, paths: Iterable[Path]) -> bool:
        """Tell whether a run of these paths may have tests on PostgreSQL.

        Without tiers each test may: who asks for PostgreSQL's fixtures gets them.
        """
        if not self._folders:
            return True
        database = [folder for folder, tier in self._folders.items() if tier in DATABASE_TIERS]
        return any(
            self.of(path) in DATABASE_TIERS or any(folder.is_relative_to(path) for folder in database)
            for path in paths
        )


_TIERS = pytest.StashKey[Tiers]()


def tiers_of(config: pytest.Config) -> Tiers:
    """Return the tiers of a run."""
    if _TIERS not in config.stash:
        config.stash[_TIERS] = Tiers(settings_of(config))
    return config.stash[_TIERS]


def tier_of(node: pytest.Item | pytest.Collector) -> str | None:
    """Return the tier that a test or its module lies in; None if it lies in none."""
    return tiers_of(node.config).of(node.path)


def own_markers(config: pytest.Config, meanings: dict[str, str]) -> frozenset[str]:
    """Declare markers, but for those that the suite has already: these stay its own. Return the names that are ours."""
    declared = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    ours = meanings.keys() - declared
    for name in meanings:
        if name in ours:
            config.addinivalue_line("markers", f"{name}: {meanings[name]}")
    return frozenset(ours)


class TierMarkers:
    """Marks each test with its tier."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the tiers of the run."""
        self._tiers = tiers_of(config)
        self._ours: frozenset[str] = frozenset()

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the markers, behind whatever the suite declares."""
        if self._tiers.configured:
            self._ours = own_markers(
                config, {tier: f"tier of the folder: {meaning}" for tier, meaning in TIERS.items()}
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark each test, before `-m` selects."""
        for item in items:
            tier = self._tiers.of(item.path)
            if tier in self._ours:
                item.add_marker(tier)
