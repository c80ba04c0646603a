"""PostgreSQL servers for the tests of this folder, and projects that have migrations."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_tiers.config import Settings, read
from pytest_tiers.databases.address import Address, ServerError
from pytest_tiers.databases.embedded import EmbeddedPostgres
from pytest_tiers.databases.migrating import migrate

Project = Callable[..., Settings]
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text !~ '^(pg_|information_)' ORDER BY 1"
SHARED_MEMORY = Path("/dev/shm")


def open_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder, in memory where there is room for that, a server's start takes a tenth of the time there.

    It isn't in pytest's own: root's server is another user, whom that keeps out.
    """
    in_memory = (
        SHARED_MEMORY.is_dir()
        and shutil.disk_usage(SHARED_MEMORY).free > 2**30
        and not os.statvfs(SHARED_MEMORY).f_flag & os.ST_NOEXEC
    )
    parent = SHARED_MEMORY if in_memory else None
    folder = tempfile.TemporaryDirectory(prefix="tiers-", dir=parent, ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """A cache folder with a server's data, to be copied: making it takes much longer."""
    with open_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        with EmbeddedPostgres("shop"):
            pass
        yield Path(folder)


@pytest.fixture(scope="session")
def server(initialised: Path) -> Iterator[Address]:
    """A server for all tests of this process."""
    with open_folder() as folder:
        subprocess.run(["cp", "-a", initialised / "shop-tests", folder], check=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", folder)
            embedded = EmbeddedPostgres("shop")
        with embedded as address:
            yield address


@pytest.fixture
def cache(initialised: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own, in which a server was before."""
    with open_folder() as folder:
        subprocess.run(["cp", "-a", initialised / "shop-tests", folder], check=True)
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        yield Path(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes files of a project and returns its settings: `project({"alembic.ini": "…"}, tiers="seed = …")`."""

    def write(files: dict[str, str], *, tiers: str = "", pyproject: str = "") -> Settings:
        content = f'[project]\nname = "shop"\n[tool.tiers]\n{tiers}\n{pyproject}\n'
        for name, text in {"pyproject.toml": content, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read(tmp_path)

    return write


@pytest.fixture
def database(server: Address) -> str:
    """The name of an empty database."""
    with server.connect() as connection:
        connection.execute("DROP DATABASE IF EXISTS empty WITH (FORCE)")
        connection.execute("CREATE DATABASE empty")
    return "empty"


@pytest.fixture
def ask(server: Address, database: str) -> Callable[..., list[object]]:
    """Returns the first column of a query to it."""

    def ask(query: str = TABLES) -> list[object]:
        with server.connect(database) as connection:
            return [row[0] for row in connection.execute(query)]

    return ask


@pytest.fixture
def failure(server: Address, database: str) -> Callable[[Settings], str]:
    """Migrates and returns the message of the error."""

    def failure(settings: Settings) -> str:
        with pytest.raises(ServerError) as failed:
            migrate(settings, server, database)
        return str(failed.value)

    return failure


@pytest.fixture
def running(database_cache: Path) -> Callable[[], bool]:
    """Tells whether the suites' server runs."""
    return lambda: bool([*database_cache.glob("shop-tests/data-*/postmaster.pid")])
