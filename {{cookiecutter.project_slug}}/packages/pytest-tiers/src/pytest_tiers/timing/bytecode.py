"""The bytecode of the tests, made once: pytest rewrites each test module, which takes longer than all else in a fresh clone.

Of the workers of a run one rewrites a module, and the others wait for it: else each would. pytest 9.2 knows its bytecode by a
hash of the source, so what CI keeps of `tests/**/__pycache__` is of use after a checkout, which gives files new times; older
ones go by those times.
"""

import fcntl
import struct
import sys
from collections.abc import Generator
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import PYC_TAIL, get_cache_dir

# What bytecode is known by (https://peps.python.org/pep-0552/).
TIME_AND_SIZE = b"\0\0\0\0"
CHECKED_HASH = b"\x03\0\0\0"


def is_fresh(source: Path) -> bool:
    """Tell whether there is bytecode of a test module as it is now."""
    try:
        with (get_cache_dir(source) / f"{source.stem}{PYC_TAIL}").open("rb") as file:
            magic, known_by, known = file.read(4), file.read(4), file.read(8)
        if known_by == TIME_AND_SIZE:
            status = source.stat()
            now = struct.pack("<LL", int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
        else:
            now = source_hash(source.read_bytes())
    except OSError:
        return False
    return magic == MAGIC_NUMBER and known_by in (TIME_AND_SIZE, CHECKED_HASH) and known == now


class Bytecode:
    """Lets one worker at a time import a module that has no bytecode yet."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._shared = False

    def pytest_configure(self, config: pytest.Config) -> None:
        """Find out whether this is a worker that rewrites modules, and keeps what it made."""
        rewrites = config.option.assertmode == "rewrite" and not sys.dont_write_bytecode
        self._shared = hasattr(config, "workerinput") and rewrites

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Import a module when no other worker is at it."""
        if self._shared and isinstance(collector, pytest.Module) and not is_fresh(collector.path):
            with collector.path.open("rb") as file:
                with suppress(OSError):  # a file system without locks: then each worker rewrites it
                    fcntl.flock(file, fcntl.LOCK_EX)
                return (yield)
        return (yield)
