# Kept by the template: an update replaces this file.
"""What tests may take, by `[tool.budgets]` of pyproject.toml, and which of them got slower than they were."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from tools.store import FIRMNESS, Measured, Run

LEAST = 0.1
"""Seconds by which a test has to be slower, at least."""
KNOWN = 3
"""Of how many runs a test has to be known before it can be slower than before."""
MANY = 20
"""From how many known tests the pace of a run can be told."""
TELLING = 0.005
"""Seconds from which a test tells something of it."""


@dataclass(frozen=True)
class Budgets:
    """Seconds that may be taken; `slower` is a factor. What isn't in pyproject.toml has no bound."""

    unit: float = math.inf
    integration: float = math.inf
    committed: float = math.inf
    fast: float = math.inf
    all: float = math.inf
    slower: float = math.inf

    def of_tier(self, tier: str | None) -> float:
        """Return what a test of a tier may take."""
        return {"unit": self.unit, "integration": self.integration, "committed": self.committed}.get(
            tier or "", math.inf
        )


def read(root: Path) -> Budgets:
    """Return the budgets of a service. Raises ValueError, which says what is wrong with them."""
    with (root / "pyproject.toml").open("rb") as file:
        given = tomllib.load(file).get("tool", {}).get("budgets", {})
    names = [field.name for field in fields(Budgets)]
    for name, value in given.items():
        if name not in names:
            raise ValueError(f"[tool.budgets] in pyproject.toml: {name} is none of {', '.join(names)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ValueError(f"[tool.budgets] in pyproject.toml: {name} has to be a number above 0")
    return Budgets(**given)


def exceeded(budgets: Budgets, tests: Mapping[str, Measured]) -> list[str]:
    """Return which budgets of many tests together are exceeded, as lines to print."""
    fast = sum(known.seconds for known in tests.values() if known.speed == "fast")
    whole = sum(known.seconds for known in tests.values())
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
