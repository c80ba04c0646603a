"""One shard of the tests, by a plan that `tiers plan` made: `--plan plan.json --shard 2/5`.

Files of other shards aren't imported. The record of the run says what was to run, for `tiers report`.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.timing.plan import Plan, PlanError, digest_of


class Shards:
    """Begins a shard, where the command line has one."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Begin it. Raises UsageError for a plan that doesn't fit the checkout."""
        path, shard = config.option.tiers_plan, config.option.tiers_shard
        if path is None and shard is None:
            return
        if path is None or shard is None:
            raise pytest.UsageError("--plan and --shard go together: --plan plan.json --shard 2/5")
        try:
            plan = Plan.read(config.invocation_params.dir / path)
        except PlanError as error:
            raise pytest.UsageError(str(error)) from None
        count = len(plan.shards)
        match = re.fullmatch(r"(\d+)/(\d+)", shard)
        if not match or int(match[2]) != count or not 1 <= int(match[1]) <= count:
            raise pytest.UsageError(f"--shard {shard}: {path} has the shards 1/{count} to {count}/{count}")
        if plan.digest != digest_of(settings_of(config)):
            raise pytest.UsageError(
                f"{path} was made for other tests than those of this checkout: some would run twice, or never.\n"
                f"Make it anew, and use it for all shards: tiers plan --shards {count}"
            )
        config.pluginmanager.register(Shard(config, plan, int(match[1]) - 1), "tiers-shard")


class Shard:
    """Leaves out what belongs to other shards."""

    def __init__(self, config: pytest.Config, plan: Plan, index: int) -> None:
        """Take the plan, and which of its shards this is."""
        self._config, self._plan, self._index = config, plan, index
        self._found: dict[str, list[str]] = {"selected": [], "left": []}

    def pytest_report_header(self) -> str:
        """Say what is run."""
        seconds = self._plan.shards[self._index].seconds
        return f"shard {self._index + 1} of {len(self._plan.shards)}, {seconds:.1f} s of tests"

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out a file of other shards before it is imported."""
        file = settings_of(self._config).relative(collection_path)
        return True if self._plan.knows(file) and not self._plan.collects(self._index, file) else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests of other shards, where a file is divided."""
        mine: list[pytest.Item] = []
        others: list[pytest.Item] = []
        for item in items:
            (mine if self._plan.shard_of(item.nodeid) == self._index else others).append(item)
        if others:
            self._config.hook.pytest_deselected(items=others)
        items[:] = mine
        self._found["left"] = [item.nodeid for item in others]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is going to run."""
        self._found["selected"] = [item.nodeid for item in session.items]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker collected: all collect the same."""
        self._found = getattr(node, "workeroutput", {}).get("shard", self._found)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Pass on what was to run."""
        shard = self._plan.shards[self._index]
        if (
            session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
            and not shard.files + shard.tests + shard.rest
        ):
            session.exitstatus = pytest.ExitCode.OK  # there are more shards than tests
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["shard"] = self._found

    def record(self) -> dict[str, Any]:
        """Return what the record of the run says of this shard."""
        place: dict[str, Any] = {
            "digest": self._plan.digest,
            "shard": self._index + 1,
            "of": len(self._plan.shards),
        }
        place["seconds"] = self._plan.shards[self._index].seconds
        return place | self._found
