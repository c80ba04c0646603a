"""Where the embedded server's data lies, and what is found out about the place."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from pytest_tiers.databases import storage
from pytest_tiers.databases.address import ServerError

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def places(monkeypatch):
    """The places that come into question, all in a folder of the test's own, and open to others."""
    with tempfile.TemporaryDirectory(prefix="tiers-") as folder:
        Path(folder).chmod(0o755)
        places = {name: Path(folder, name) for name in ("own", "system", "temporary")}
        for place in places.values():
            place.mkdir(mode=0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", str(places["own"]))
        monkeypatch.setattr(storage, "SYSTEM_CACHE", places["system"])
        monkeypatch.setattr(storage.tempfile, "gettempdir", lambda: str(places["temporary"]))
        yield places


def spoil(place: Path) -> None:
    """Put a file where the folder should be: that keeps off root as well, whom no mode of a folder does."""
    shutil.rmtree(place)
    place.touch()


def test_an_ordinary_user_has_it_in_the_cache_then_in_the_temporary_folder(places):
    assert storage.cache_folder("shop", None) == places["own"] / "shop-tests"
    spoil(places["own"])
    found = storage.cache_folder("shop", None)
    assert found == places["temporary"] / f"shop-tests-{os.geteuid()}"
    assert (found / "mutex").exists()


def test_root_has_it_where_the_servers_account_can_go(places):
    assert storage.cache_folder("shop", NOBODY) == places["own"] / "shop-tests"
    places["own"].chmod(0o700)
    assert storage.cache_folder("shop", NOBODY) == places["system"] / "shop-tests"
    spoil(places["system"])
    assert storage.cache_folder("shop", NOBODY) == places["temporary"] / f"shop-tests-{os.geteuid()}"


def test_what_somebody_else_put_there_is_not_trusted(places, tmp_path):
    spoil(places["own"])
    victim = tmp_path / "victim"
    victim.mkdir()
    (places["temporary"] / f"shop-tests-{os.geteuid()}").symlink_to(victim)
    with pytest.raises(ServerError, match="belongs to somebody else"):
        storage.cache_folder("shop", None)
    assert list(victim.iterdir()) == []


def test_without_any_place_it_is_said_which_were_tried_and_why_each_wont_do(places):
    for place in places.values():
        spoil(place)
    with pytest.raises(ServerError) as failed:
        storage.cache_folder("shop", NOBODY)
    # What is no folder isn't open to others: root doesn't even try its own cache.
    assert f"{places['own']}/" not in str(failed.value)
    for place in places["system"], places["temporary"]:
        assert f"{place}/shop-tests" in str(failed.value)
    assert "Not a directory" in str(failed.value)
    assert "set XDG_CACHE_HOME to one that can be written, or TEST_DATABASE_URL" in str(failed.value)


@pytest.mark.parametrize(("status", "expected"), [(0, True), (1, False)])
def test_file_systems_that_share_blocks_are_known_by_trying(tmp_path, monkeypatch, status, expected):
    # This cp only says whether it could.
    (cp := tmp_path / "cp").write_text(f'#!/bin/sh\ntouch "$3"\necho "$@" > {tmp_path}/said\nexit {status}\n')
    cp.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (file := tmp_path / "file").touch()
    assert storage.can_clone_files(file) is expected
    assert "--reflink=always" in (tmp_path / "said").read_text()
    assert not file.with_suffix(".copy").exists()


def test_folders_are_spread_where_that_can_be_and_nobody_minds_where_it_cant(tmp_path):
    storage.spread_folders_in(tmp_path)
    (tmp_path / "folder").mkdir()


def test_a_start_of_the_machine_is_told_from_the_next():
    assert len(storage.boot_id().strip()) == 36
    assert storage.boot_id() == storage.boot_id()


def test_a_process_is_known_by_its_command_line():
    with subprocess.Popen(["sleep", "60"]) as process:
        while not (said := storage.command_line(process.pid)):
            assert process.poll() is None
        process.kill()
    assert said.strip() == "sleep 60"
    assert storage.command_line(process.pid) == ""
    assert storage.command_line(2**22 + 1) == ""
