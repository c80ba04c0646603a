"""What the tests of pytest-tiers share: suites to run, with and without tiers."""

import importlib
import os
import pkgutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_tiers
from suites import Suite

# pytester forgets what a run inside of this one imports, but not that packages have their modules as attributes. What was imported
# only there would be imported by the next such run in part again: then there would be two of some modules.
for _module in pkgutil.walk_packages(pytest_tiers.__path__, "pytest_tiers."):
    with suppress(ImportError):
        importlib.import_module(_module.name)

LOADED = """
[tool.pytest.ini_options]
addopts = "--disable-plugin-autoload -p xdist.plugin -p tiers --dist=worksteal"
"""
"""The head of a pyproject.toml of a suite that asks for tiers."""


@pytest.fixture(scope="session")
def database_cache() -> Iterator[Path]:
    """A cache folder, and so an embedded PostgreSQL server, for all suites of this process."""
    with tempfile.TemporaryDirectory(prefix="tiers-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, the server is another user
        yield Path(folder)


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, database_cache: Path) -> Suite:
    """Writes a suite: `suite(tiers="budgets = {unit = 1}", files={"tests/unit/test_a.py": "…"})`, to be run with pytester.

    `tiers` is what stands in `[tool.tiers]`, None for no such table; `pyproject` is added to the file as it is.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(database_cache))
    for name in list(os.environ):
        if name.startswith(("PYTEST_XDIST", "PYTEST_ADDOPTS", "COV_CORE", "CI", "BUILD_NUMBER")):
            monkeypatch.delenv(name)

    def write(
        files: dict[str, str], *, tiers: str | None = "", pyproject: str = "", loaded: str = LOADED
    ) -> pytest.Pytester:
        table = "" if tiers is None else f"\n[tool.tiers]\n{tiers}\n"
        content = f'[project]\nname = "shop"\nversion = "1"\n{loaded}{table}\n{pyproject}\n'
        for name, text in {"pyproject.toml": content, **files}.items():
            path = pytester.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return pytester

    return write
