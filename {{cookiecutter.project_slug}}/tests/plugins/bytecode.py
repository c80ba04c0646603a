# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""The bytecode of the tests, made once: pytest rewrites each test module, which takes longer than all else in a fresh clone.

Of the workers of a run one rewrites a module, and the others wait for it: else each would. pytest knows its bytecode by a hash
of the source, so what CI keeps of `tests/**/__pycache__` is of use after a checkout, which gives files new times.
"""

import fcntl
from collections.abc import Generator
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import PYC_TAIL

CHECKED_HASH = b"\x03\0\0\0"
"""The flags of bytecode that is known by a hash (https://peps.python.org/pep-0552/)."""


def is_fresh(source: Path) -> bool:
    """Tell whether there is bytecode of a test module as it is now."""
    bytecode = source.parent / "__pycache__" / f"{source.stem}{PYC_TAIL}"
    try:
        with bytecode.open("rb") as file:
            return file.read(16) == MAGIC_NUMBER + CHECKED_HASH + source_hash(source.read_bytes())
    except OSError:
        return False


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let one worker at a time import a module that has no bytecode yet."""
    in_worker = hasattr(collector.config, "workerinput")
    if isinstance(collector, pytest.Module) and in_worker and not is_fresh(collector.path):
        with collector.path.open("rb") as file:
            with suppress(OSError):  # a file system without locks: then each worker rewrites it
                fcntl.flock(file, fcntl.LOCK_EX)
            return (yield)
    return (yield)
