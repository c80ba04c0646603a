"""Long tests first where several workers run them, so that none is left with a long one at the end.

xdist's worksteal hands each worker one contiguous block, in which two tests at a time can't be stolen, and steals from the tail:
so the long ones are dealt out to the heads of these blocks. The others stay in their order. Tests that share a fixture of
their module or class stay together.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import pytest

from pytest_tiers.timing.speed import expected_seconds

LONG = 0.01
"""From which part of the time that each worker has to do a test is long."""


def block_sizes(count: int, workers: int) -> list[int]:
    """Return how many tests each worker gets first (xdist's `WorkStealingScheduling.check_schedule`)."""
    sizes: list[int] = []
    for remaining in range(workers, 0, -1):
        sizes.append((count - sum(sizes)) // remaining)
    return sizes


def arrange(units: Sequence[Sequence[int]], seconds: Sequence[float], workers: int) -> list[int]:
    """Return the tests' numbers in the order to run them, from units that stay together and the seconds of each test."""
    times = {number: sum(seconds[test] for test in unit) for number, unit in enumerate(units)}
    sizes = block_sizes(len(seconds), workers)
    long = LONG * sum(times.values()) / workers
    heads: list[list[int]] = [[] for _ in sizes]
    loads = [0.0] * workers
    dealt = set()
    for number in sorted(times, key=lambda number: -times[number]):
        if times[number] < long:
            break
        having_room = [n for n in range(workers) if len(heads[n]) + len(units[number]) <= sizes[n]]
        if having_room:
            worker = min(having_room, key=lambda n: loads[n])
            heads[worker] += units[number]
            loads[worker] += times[number]
            dealt.add(number)
    others = [test for number, unit in enumerate(units) if number not in dealt for test in unit]
    order = []
    for head, size in zip(heads, sizes, strict=True):
        filling = size - len(head)
        order += head + others[:filling]
        del others[:filling]
    return order


def _shared(item: pytest.Item) -> pytest.Item | pytest.Collector:
    """Return what a test shares fixtures with, of its own if it shares none."""
    definitions = getattr(item, "_fixtureinfo", None)
    found: dict[str, Any] = getattr(definitions, "name2fixturedefs", {})
    scopes = {definition.scope for of_name in found.values() for definition in of_name[-1:]}
    for scope, kind in (("package", pytest.Package), ("module", pytest.Module), ("class", pytest.Class)):
        if scope in scopes and (parent := item.getparent(kind)):
            return parent
    return item


def grouped(items: Sequence[Any], shared: Callable[[Any], object]) -> list[list[int]]:
    """Return the numbers of the items, those next to each other that share something in one list."""
    return [
        [number for number, _ in group]
        for _, group in groupby(enumerate(items), lambda pair: shared(pair[1]))
    ]


class Order:
    """Puts long tests first."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker how tests are distributed, and pytest-randomly's seed.

        xdist doesn't do the first, and pytest-randomly the second only where it finds xdist as an entry point.
        """
        node.workerinput["dist"] = node.config.option.dist
        seed = getattr(node.config.option, "randomly_seed", None)
        if seed is not None:
            node.workerinput["randomly_seed"] = seed

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Put long tests first, in a run of several workers."""
        run = getattr(config, "workerinput", {})
        workers = run.get("workercount", 1)
        if workers > 1 and run.get("dist") == "worksteal":
            order = arrange(grouped(items, _shared), expected_seconds(config, items), workers)
            items[:] = [items[number] for number in order]
