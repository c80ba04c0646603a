"""A plugin of pytest: lets the methods take turns, and times each test from the first hook of its protocol to the last.

BENCH_PLAN is a JSON object: `rounds`; `cheap` and `slow`, the tests of each method in a round; `file`, where to write
`{"TestPlain": {"nothing": [seconds, ...]}}`.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

PLAN = json.loads(os.environ["BENCH_PLAN"])

_seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))


@pytest.fixture(autouse=True)
def turn() -> None:
    """The round that the test is part of, and whether the test counts."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat each test in every round."""
    # Two more than count: the first of a group enters its class, the last leaves it, or even the run.
    last = (PLAN["slow"] if getattr(metafunc.cls, "slow", False) else PLAN["cheap"]) + 1
    turns = [(turn, 0 < test < last) for turn in range(PLAN["rounds"]) for test in range(last + 1)]
    metafunc.parametrize("turn", turns, ids=[str(number) for number in range(len(turns))], indirect=True)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Put one round after the other; each has a group of tests of every method."""
    items.sort(key=lambda item: item.callspec.params["turn"][0])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: Any) -> Generator[None, object, object]:
    """Time a test."""
    started = time.perf_counter()
    result = yield
    seconds = time.perf_counter() - started
    if item.callspec.params["turn"][1]:
        _seconds[item.cls.__name__][item.originalname.removeprefix("test_")].append(seconds)
    return result


def pytest_sessionfinish() -> None:
    """Write what was measured."""
    Path(PLAN["file"]).write_text(json.dumps(_seconds))
