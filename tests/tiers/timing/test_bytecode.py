"""In a fresh clone each test module is rewritten once, by one worker; and never again, whatever time a checkout gives it."""

import os
import struct
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import PYC_TAIL
from pytest_tiers.timing.bytecode import is_fresh
from suites import Suite

COUNTING = """
import os
from pathlib import Path

import pytest

from _pytest.assertion import rewrite

original = rewrite._rewrite_test


def counted(fn, config):
    with open(os.environ["REWRITTEN"], "a") as log:
        print(fn.name, file=log)
    return original(fn, config)


rewrite._rewrite_test = counted


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    # All at once: else the last worker may start when the first one has rewritten all.
    if hasattr(session.config, "workerinput"):
        run = session.config.workerinput["testrunuid"]
        Path(f"{os.environ['REWRITTEN']}-{run}-{session.config.workerinput['workerid']}").touch()
        while len(list(Path(os.environ['REWRITTEN']).parent.glob(f"*-{run}-*"))) < 2:
            os.sched_yield()
"""
MODULE = "def test_a():\n    assert 1\n" * 100


def test_workers_rewrite_each_module_once(suite: Suite, tmp_path, monkeypatch):
    names = [f"test_{number}.py" for number in range(4)]
    pytester = suite({f"tests/unit/{name}": MODULE for name in names} | {"tests/conftest.py": COUNTING})
    log = tmp_path / "rewritten"
    monkeypatch.setenv("REWRITTEN", str(log))

    def rewritten(*arguments: str) -> list[str]:
        log.write_text("")
        pytester.runpytest_subprocess("-q", "-n2", *arguments).assert_outcomes(passed=4)
        return sorted(name for name in log.read_text().split() if name in names)

    assert rewritten() == sorted(names)
    if pytest.version_tuple >= (9, 2):
        for name in names:
            os.utime(pytester.path / "tests/unit" / name, (0, 0))
    assert rewritten() == []
    (pytester.path / "tests/unit/test_3.py").write_text("def test_b():\n    assert 2\n")
    assert rewritten() == ["test_3.py"]
    assert rewritten("--assert=plain") == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A test module."""
    path = tmp_path / "test_a.py"
    path.write_text("def test_a():\n    pass\n")
    return path


def write(source: Path, head: bytes) -> None:
    """Write the bytecode of a module."""
    folder = source.parent / "__pycache__"
    folder.mkdir(exist_ok=True)
    (folder / f"{source.stem}{PYC_TAIL}").write_bytes(head + b"code")


def times(source: Path) -> bytes:
    """Return what a module is known by where it is known by time and size."""
    status = source.stat()
    return struct.pack("<LL", int(status.st_mtime), status.st_size)


def test_bytecode_is_known_by_the_hash_of_its_source(source):
    assert not is_fresh(source)
    write(source, MAGIC_NUMBER + b"\3\0\0\0" + source_hash(source.read_bytes()))
    assert is_fresh(source)
    os.utime(source, (0, 0))
    assert is_fresh(source)
    source.write_text("def test_b():\n    pass\n")
    assert not is_fresh(source)


def test_bytecode_of_older_versions_is_known_by_time_and_size(source):
    write(source, MAGIC_NUMBER + b"\0\0\0\0" + times(source))
    assert is_fresh(source)
    os.utime(source, (1, 1))
    assert not is_fresh(source)
    write(source, MAGIC_NUMBER + b"\0\0\0\0" + times(source))
    assert is_fresh(source)
    source.write_text(source.read_text() + "\n")
    os.utime(source, (1, 1))
    assert not is_fresh(source)


@pytest.mark.parametrize("wrong", ["magic", "flags", "short", "empty"])
def test_what_is_no_bytecode_of_this_python_is_not_fresh(source, wrong):
    known = source_hash(source.read_bytes())
    heads = {
        "magic": b"none" + b"\3\0\0\0" + known,
        "flags": MAGIC_NUMBER + b"\1\0\0\0" + known,
        "short": MAGIC_NUMBER,
        "empty": b"",
    }
    write(source, heads[wrong])
    assert not is_fresh(source)


def test_bytecode_may_lie_elsewhere(source, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path / "elsewhere"))
    write(source, MAGIC_NUMBER + b"\3\0\0\0" + source_hash(source.read_bytes()))
    assert not is_fresh(source)
    elsewhere = Path(f"{tmp_path}/elsewhere{source.parent}")
    elsewhere.mkdir(parents=True)
    (source.parent / "__pycache__" / f"test_a{PYC_TAIL}").rename(elsewhere / f"test_a{PYC_TAIL}")
    assert is_fresh(source)
