"""What the parts of the page reckon from: the run that is shown, those before it, its timeline, and the suite."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_tiers.commands.dashboard.changes import Change, Flaky, baseline, changed, flaky, serial_wall
from pytest_tiers.commands.dashboard.model import History, Run, Test
from pytest_tiers.commands.dashboard.timeline import Timeline, draw
from pytest_tiers.config import DATABASE_TIERS, Settings
from pytest_tiers.tiers import Tiers

NEAR = 0.8
"""From which part of its budget on a test is near it."""


@dataclass
class Context:
    """A run and all that it is seen against."""

    history: History
    shown: Run
    settings: Settings
    _of_file: dict[str, str] = field(default_factory=dict)

    @cached_property
    def timeline(self) -> Timeline:
        """The run, worker by worker."""
        return draw(self.shown, serial_wall(self.shown, self.history))

    @cached_property
    def _compared(self) -> tuple[str, list[Run]]:
        return baseline(self.history)

    @property
    def baseline_name(self) -> str:
        """What the run is compared with, in words."""
        return self._compared[0]

    @property
    def baseline(self) -> list[Run]:
        """The runs that it is compared with."""
        return self._compared[1]

    @cached_property
    def changes(self) -> list[Change]:
        """The tests that got slower or faster."""
        return changed(self.shown, self.baseline)

    @cached_property
    def flaky(self) -> list[Flaky]:
        """The tests that pass in one run and fail in another."""
        return flaky(self.history)

    @cached_property
    def _tiers(self) -> Tiers:
        return Tiers(self.settings)

    def tier(self, nodeid: str) -> str:
        """Return the tier of a test; "no tier" if it lies in none."""
        file = nodeid.partition("::")[0]
        if file not in self._of_file:
            self._of_file[file] = self._tiers.of(Path(self.settings.root, file)) or "no tier"
        return self._of_file[file]

    @property
    def counts_statements(self) -> bool:
        """Whether the run counted statements: else none at all says nothing."""
        return bool(self.shown.shapes)

    @cached_property
    def misplaced(self) -> list[tuple[Test, str]]:
        """The tests that look as if they lay in the wrong tier, and why, the slowest first."""
        found = []
        for test in self.shown.tests:
            tier = self.tier(test.nodeid)
            if test.outcome != "passed":
                continue
            if tier in DATABASE_TIERS and self.counts_statements and not test.statements:
                found.append((test, f"it lies in the {tier} tier and executed no statement"))
            elif tier == "unit" and test.seconds >= NEAR * self.settings.budgets.unit:
                budget = self.settings.budgets.unit
                found.append(
                    (test, f"it takes {test.seconds / budget:.0%} of the unit tier's budget of {budget:g} s")
                )
        return sorted(found, key=lambda pair: -pair[0].seconds)
