# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""One shard of the tests, by a plan that `nox -s plan` made: `--plan plan.json --shard 2/5`.

Files of other shards aren't imported. The record of the run says what was to run, for `nox -s report`.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from tools.plan import Plan, PlanError, digest_of


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--plan` and `--shard`."""
    parser.addoption("--plan", metavar="FILE", help="the shards, from `nox -s plan`; with --shard")
    parser.addoption("--shard", metavar="I/N", help="run the I-th of the N shards of --plan")


def pytest_configure(config: pytest.Config) -> None:
    """Begin a shard. Raises UsageError for a plan that doesn't fit the checkout."""
    path, shard = config.option.plan, config.option.shard
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
    if plan.digest != digest_of(config.rootpath):
        raise pytest.UsageError(
            f"{path} was made for other tests than those of this checkout: some would run twice, or never.\n"
            f"Make it anew, and use it for all shards: nox -s plan -- --shards {count}"
        )
    config.pluginmanager.register(Shard(config, plan, int(match[1]) - 1), "shard")


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
        file = collection_path.relative_to(self._config.rootpath).as_posix()
        return True if self._plan.knows(file) and not self._plan.collects(self._index, file) else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests of other shards, where a file is divided."""
        mine = [item for item in items if self._plan.shard_of(item.nodeid) == self._index]
        others = [item for item in items if self._plan.shard_of(item.nodeid) != self._index]
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
        place = {"digest": self._plan.digest, "shard": self._index + 1, "of": len(self._plan.shards)}
        return place | self._found
