"""Files among the sources: what a test writes there is named; temporary trees, reading and caches are nobody's business."""

import sqlite3
from pathlib import Path

import pytest
from watched import Case, Done, file_of, run

HEAD = """
import os, shutil, sqlite3, tempfile
from contextlib import suppress
from pathlib import Path

import pytest
"""
LEFT = [
    Case("writes a file", "Path('tests', 'left.txt').write_text('')", "tests/left.txt"),
    Case(
        "changes a source",
        "with Path('src/shop/app.py').open('a') as file:\n    file.write('')",
        "src/shop/app.py",
    ),
    Case("makes a database", "sqlite3.connect('left.db').close()", "left.db"),
    Case(
        "makes one by its address",
        "sqlite3.connect('file:left2.db', uri=True).execute('CREATE TABLE a (b)')",
        "left2.db",
    ),
    Case(
        "writes into a database",
        "with sqlite3.connect('known.db') as known:\n    known.execute('INSERT INTO a VALUES (2)')",
        "known.db",
    ),
    Case("makes a folder", "os.mkdir('left')", "left"),
    Case("removes a file", "Path('removed.txt').unlink()", "removed.txt"),
    Case("removes a folder", "Path('removed').rmdir()", "removed"),
    Case("moves a file away", "Path('moved.txt').rename(tmp_path / 'moved.txt')", "moved.txt", "tmp_path"),
    Case(
        "moves a file here",
        "(tmp_path / 'a').touch()\n(tmp_path / 'a').rename('arrived.txt')",
        "arrived.txt",
        "tmp_path",
    ),
    Case("makes a link", "Path('link').symlink_to(tmp_path)", "link", "tmp_path"),
    Case("makes a second name", "os.link('known.txt', 'linked.txt')", "linked.txt"),
    Case("truncates a file", "os.truncate('known.txt', 3)", "known.txt"),
    Case("copies a file", "shutil.copy(Path('known.txt'), 'copied.txt')", "copied.txt"),
    Case(
        "writes within an open folder",
        "folder = os.open('src', os.O_RDONLY)\nos.mkdir('made', dir_fd=folder)\nos.close(folder)",
        "src/made",
    ),
]
INNOCENT = [
    Case(
        "removes a tree like ours",
        "(tmp_path / 'repo/src').mkdir(parents=True)\n(tmp_path / 'repo/known.txt').write_text('x')\nshutil.rmtree(tmp_path / 'repo')",
        takes="tmp_path",
    ),
    Case(
        "has a temporary folder",
        "with tempfile.TemporaryDirectory() as folder:\n    Path(folder, 'pyproject.toml').write_text('x')\n    Path(folder, 'src').mkdir()",
    ),
    Case(
        "makes sure of a folder", "Path('src').mkdir(exist_ok=True)\nos.makedirs('src/shop', exist_ok=True)"
    ),
    Case(
        "reads a database",
        "known = sqlite3.connect('known.db')\nassert known.execute('SELECT * FROM a').fetchall()\nknown.close()",
    ),
    Case(
        "reads it by its address",
        "known = sqlite3.connect('file:known.db?mode=ro', uri=True)\nassert known.execute('SELECT * FROM a').fetchall()\nknown.close()",
    ),
    Case("has a database in memory", "sqlite3.connect(':memory:').execute('CREATE TABLE a (b)')"),
    Case("reads a file", "assert Path('known.txt').read_text() == 'known'"),
    Case(
        "links to a source",
        "(tmp_path / 'link').symlink_to(Path('known.txt').absolute())\nos.symlink('known.txt', tmp_path / 'other')",
        takes="tmp_path",
    ),
    Case(
        "links a source elsewhere",
        "with suppress(OSError):\n    os.link('known.txt', tmp_path / 'second')",
        takes="tmp_path",
    ),
    Case("copies a source", "shutil.copytree('src', tmp_path / 'src')", takes="tmp_path"),
    Case("removes what isn't there", "Path('not_there.txt').unlink(missing_ok=True)"),
    Case(
        "cleans up",
        "Path('mine.txt').write_text('')\nPath('mine.txt').unlink()\nPath('mine').mkdir()\nPath('mine').rmdir()",
    ),
    Case(
        "writes where nobody looks",
        "Path('.cache').mkdir(exist_ok=True)\nPath('.cache/here').write_text('')\nPath('src/__pycache__').mkdir(exist_ok=True)\nPath('src/__pycache__/x').write_text('')",
    ),
    Case(
        "writes in another folder",
        "monkeypatch.chdir(tmp_path)\nPath('known.txt').write_text('')\nos.mkdir('src')",
        takes="monkeypatch, tmp_path",
    ),
    Case(
        "writes within another open folder",
        "folder = os.open(tmp_path, os.O_RDONLY)\nos.mkdir('src', dir_fd=folder)\nos.rmdir('src', dir_fd=folder)\nos.close(folder)",
        takes="tmp_path",
    ),
    Case(
        "may write a file",
        "Path('lifted.txt').write_text('')",
        marks="@pytest.mark.unguarded('files', reason='to see')\n",
    ),
    Case("takes what a wider fixture writes", "assert wide.exists()", takes="wide"),
]
CONFTEST = """
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wide():
    path = Path("wide.txt")
    path.write_text("")
    return path
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them: first those that may."""
    folder = tmp_path_factory.mktemp("suite")
    for name in ("known.txt", "removed.txt", "moved.txt"):
        (folder / name).write_text("known")
    (folder / "removed").mkdir()
    with sqlite3.connect(folder / "known.db") as known:
        known.execute("CREATE TABLE a (b)")
        known.execute("INSERT INTO a VALUES (1)")
    known.close()
    return run(
        folder,
        {
            "src/shop/__init__.py": "",
            "src/shop/app.py": "",
            "tests/conftest.py": CONFTEST,
            "tests/unit/test_a_innocent.py": file_of(HEAD, INNOCENT),
            "tests/unit/test_b_left.py": file_of(HEAD, LEFT),
        },
        "--basetemp",
        str(tmp_path_factory.mktemp("elsewhere") / "base"),
    )


@pytest.mark.parametrize("case", LEFT, ids=lambda case: case.does)
def test_what_is_written_is_named(done: Done, case: Case) -> None:
    said = done.of(case.name)
    assert said.startswith(
        f"The test wrote among the sources: {case.says}. Use tmp_path; `git status` shows what is left."
    )
    assert said.endswith('If it is meant: @pytest.mark.unguarded("files", reason="…")')


def test_nothing_else_fails(done: Done) -> None:
    assert {name: done.of(name) for name in done.failed - {case.name for case in LEFT}} == {}
    assert len(done.outcomes) == len(LEFT) + len(INNOCENT)


def test_a_folder_that_starts_like_the_root_is_not_in_it(tmp_path: Path) -> None:
    beside = tmp_path / "suite-2"
    beside.mkdir()
    body = f"from pathlib import Path\n\n\ndef test_beside():\n    Path({str(beside)!r}, 'a.txt').write_text('')\n"
    (tmp_path / "suite").mkdir()
    assert run(tmp_path / "suite", {"tests/unit/test_beside.py": body}).said == {}


def test_folders_for_temporary_files_may_lie_below_the_root(tmp_path: Path) -> None:
    cases = [
        Case("writes into its folder", "(tmp_path / 'a.txt').write_text('')", takes="tmp_path"),
        Case("has a temporary file", "tempfile.mkstemp()"),
        Case("writes beside them", "Path('tmp.txt').write_text('')"),
    ]
    (tmp_path / "tmp").mkdir()
    (tmp_path / "built").mkdir()
    files = {"tests/unit/test_temporary.py": file_of(HEAD, cases)}
    done = run(tmp_path, files, "--basetemp=built/base", environment={"TMPDIR": str(tmp_path / "tmp")})
    assert done.failed == {"test_writes_beside_them"}
