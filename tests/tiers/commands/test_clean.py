"""`tiers clean`: what the package made is gone, and nothing else."""

import pytest
from pytest_tiers.config import prepare_cache, read


@pytest.fixture
def path(suite, monkeypatch, tmp_path):
    """A suite with a cache, which has a server of its own."""
    path = suite({}).path
    tmp_path.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (prepare_cache(read(path)) / "durations.json").write_text("{}")
    return path


def test_times_server_and_databases_are_removed(path, tiers, monkeypatch):
    from pytest_tiers.databases.embedded import EmbeddedPostgres

    with EmbeddedPostgres("shop") as server:
        host = server.host
        folder = EmbeddedPostgres("shop").folder
    out = tiers("clean").out
    assert out == (
        f"Removed {folder}, with the embedded PostgreSQL and its databases.\n"
        "Removed .cache/tests, with what was measured.\n"
    )
    assert not folder.exists()
    assert host
    assert not (path / ".cache").exists(), "there is nothing of anybody else's in it"


def test_what_is_others_stays(path, tiers):
    (path / ".cache/ruff").mkdir()
    (path / ".pytest_cache").mkdir()
    tiers("clean")
    assert (path / ".cache/ruff").is_dir()
    assert (path / ".pytest_cache").is_dir()
    assert not (path / ".cache/tests").exists()


def test_twice_is_no_error(path, tiers):
    tiers("clean")
    assert "durations" not in tiers("clean").out


def test_a_server_in_use_stays_and_so_does_what_was_measured(path, tiers):
    from pytest_tiers.databases.embedded import EmbeddedPostgres

    with EmbeddedPostgres("shop") as server:
        assert "is in use: wait for the other run to end" in tiers("clean", status=1).err
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert (path / ".cache/tests/durations.json").exists()
    tiers("clean")


def test_without_postgresql_the_times_are_removed_all_the_same(path, tiers, monkeypatch):
    monkeypatch.setattr("pytest_tiers.commands.clean.find_spec", lambda name: None)
    assert tiers("clean").out == "Removed .cache/tests, with what was measured.\n"


def test_what_cant_be_removed_is_said(path, tiers, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pytest_tiers.commands.clean.shutil.rmtree", refuse)
    monkeypatch.setattr("pytest_tiers.commands.clean.find_spec", lambda name: None)
    assert tiers("clean", status=1).err.startswith(".cache/tests can't be removed: [Errno 13]")


def test_it_takes_no_folders(path, tiers):
    assert "unrecognized arguments: .venv" in tiers("clean", ".venv", status=2).err
