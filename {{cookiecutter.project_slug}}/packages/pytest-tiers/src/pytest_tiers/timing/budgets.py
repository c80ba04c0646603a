"""Which tests take more than `[tool.tiers.budgets]` allows them together, and which got slower than they were."""

import math
from collections.abc import Mapping
from statistics import median, quantiles
from typing import NamedTuple

from pytest_tiers.config import Budgets
from pytest_tiers.timing.measures import FIRMNESS, Measured, Run

LEAST = 0.1
"""Seconds by which a test has to be slower, at least."""
KNOWN = 3
"""Of how many runs a test has to be known before it can be slower than before."""
MANY = 20
"""From how many known tests the pace of a run can be told."""
TELLING = 0.005
"""Seconds from which a test tells something of it."""


def exceeded(budgets: Budgets, tests: Mapping[str, Measured]) -> list[str]:
    """Return which budgets of many tests together are exceeded, as lines to print."""
    fast = whole = 0.0
    for known in tests.values():
        seconds = known.seconds
        whole += seconds
        if known.speed == "fast":
            fast += seconds
    return [
        f"{what} take {seconds:.1f} s, one after the other; the budget `{name}` is {budget:g} s"
        for what, name, seconds, budget in (
            ("The fast tests", "fast", fast, budgets.fast),
            ("All tests", "all", whole, budgets.all),
        )
        if seconds > budget
    ]


class Slower(NamedTuple):
    """A test that took clearly longer than before."""

    nodeid: str
    before: float
    now: float

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.nodeid} took {self.now:.2f} s, and {self.before:.2f} s before"


def pace_and_noise(run: Run, before: Mapping[str, Measured]) -> tuple[float, float]:
    """Return how many times as long as before the tests took, and how much more than that one in ten did.

    They take longer on a busy machine, or with coverage. 1 and 1 where too few tests are known to tell, or they were faster.
    """
    ratios = [
        sum(phases[:3]) / before[nodeid].seconds
        for nodeid, phases in run.tests.items()
        if nodeid in before and len(before[nodeid].last) >= KNOWN and before[nodeid].seconds > TELLING
    ]
    if len(ratios) < MANY:
        return 1.0, 1.0
    return max(median(ratios), 1.0), quantiles(ratios, n=10)[-1] / median(ratios)


def slower(run: Run, before: Mapping[str, Measured], factor: float) -> list[Slower]:
    """Return the tests that took more than `factor` times as long as before, and longer than noise explains.

    Noise is how the others varied in this run, and the test in its own last runs, one of which may have been an exception. Where
    only waiting got longer, which a busy machine does to any test, it counts when the two runs before showed it as well.
    """
    if math.isinf(factor):
        return []
    pace, noise = pace_and_noise(run, before)

    def beyond(value: float, values: list[float]) -> bool:
        bound = max(factor * noise * median(values), FIRMNESS * sorted(values)[-2])
        return value > bound and value - median(values) > LEAST

    found = []
    for nodeid, phases in run.tests.items():
        known = before.get(nodeid)
        if known is None or len(known.last) < KNOWN:
            continue
        now, past = sum(phases[:3]) / pace, [sum(earlier[:3]) for earlier in known.last]
        worked = beyond(phases[3] / pace, [earlier[3] for earlier in known.last])
        earlier, lately = past[:-2], (*past[-2:], now)
        waited = len(earlier) >= KNOWN and all(beyond(seconds, earlier) for seconds in lately)
        if (worked and beyond(now, past)) or waited:
            found.append(Slower(nodeid, median(earlier if waited else past), now))
    return sorted(found, key=lambda slowed: slowed.before - slowed.now)
