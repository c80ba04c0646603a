"""The record of the run, which pytest-reportlog writes: `timing.records` describes it."""

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from pytest_reportlog.plugin import ReportLogPlugin

from pytest_tiers.config import prepare_cache, settings_of
from pytest_tiers.timing.details import details_of
from pytest_tiers.timing.records import FORMAT, PHASES, new, runs_folder
from pytest_tiers.timing.stopwatch import stopwatch_of

LEAST = 0.0005
"""Seconds from which it is said what happened meanwhile; pytest itself takes less."""
LEFT_OUT = frozenset({"keywords", "location", "node", "_id", "own_seconds", "own_processor", "details"})
"""What makes a record twice as long, can't be written, or stands in the line of the test."""


class Trial:
    """What is known of a test that runs, or of one try of it."""

    __slots__ = ("apart", "line", "more", "own", "processor", "worker")

    def __init__(self, worker: str, line: int) -> None:
        """Take which worker runs it, and where it begins in its file."""
        self.worker, self.line = worker, line
        self.own, self.apart, self.processor = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 0.0
        self.more: dict[str, Any] = {}


class Recorder:
    """Begins the record, where the run is controlled."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Begin it; `--record` says where."""
        option = config.option
        if hasattr(config, "workerinput") or option.collectonly or option.help:
            return
        try:
            record = RunRecord(config, option.tiers_record or _new(config))
        except OSError as error:  # a checkout that can't be written to is no reason to fail
            print(f"There will be no record of this run: {error}", file=sys.stderr)
            return
        config.pluginmanager.register(record, "tiers-record")
        config.add_cleanup(record.close)


def _new(config: pytest.Config) -> Path:
    settings = settings_of(config)
    prepare_cache(settings)
    return new(runs_folder(settings))


class RunRecord(ReportLogPlugin):  # type: ignore[misc]
    """Writes what pytest reports, and at the end what the run was."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        """Begin the record. Raises OSError."""
        super().__init__(config, path)
        self._now = (
            monotonic  # a clock that isn't set back, here, where nothing that freezes time looks for it
        )
        self._begun, self._started = datetime.now(UTC), monotonic()
        self._tests: dict[str, Trial] = {}
        """What is known of the tests that run now."""
        self._again: dict[str, int] = defaultdict(int)
        """How many tries of a test didn't count."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a test when it is over, and before it what went wrong with one of its phases."""
        said, nodeid, when = vars(report), report.nodeid, report.when
        if report.outcome not in ("passed", "rerun"):
            self._write_report(report)
        if "own_seconds" not in said or when is None:  # a subtest's, or of a crash
            return
        if when == "setup" or nodeid not in self._tests:
            worker = getattr(report, "worker_id", "main")
            self._tests[nodeid] = Trial(
                "main" if worker == "master" else worker, (report.location[1] or 0) + 1
            )
        test, own, phase = self._tests[nodeid], said["own_seconds"], PHASES[when]
        test.own[phase] = own
        test.apart[phase] = report.duration - own
        test.processor += said["own_processor"]
        if report.outcome != "passed" and test.more.get("outcome") != "failed":
            test.more["outcome"] = report.outcome
        if "differs" in said:
            test.more["differs"] = said["differs"]
        if when == "teardown":
            self._write_test(nodeid, self._tests.pop(nodeid), said.get("details", {}))

    def _write_test(self, nodeid: str, test: Trial, details: dict[str, Any]) -> None:
        more = test.more
        if more.get("outcome") == "rerun":
            self._again[nodeid] += 1
            return
        if nodeid in self._again:
            more["tries"] = 1 + self._again[nodeid]
        if max(test.apart) > LEAST:
            more["apart"] = [round(max(seconds, 0.0), 5) for seconds in test.apart]
        start = details.pop("start", 0.0)
        more |= details
        rest = f", {json.dumps(more)[1:-1]}" if more else ""
        setup, call, teardown = test.own
        # By hand, because json takes ten times as long, most of it for digits that nobody wants.
        self._file.write(
            f'{{"$report_type": "Test", "nodeid": {json.dumps(nodeid)}, "worker": "{test.worker}", "line": {test.line}, '
            f'"start": {start:.4f}, "own": [{setup:.5f}, {call:.5f}, {teardown:.5f}], "processor": {test.processor:.5f}{rest}}}\n'
        )
        self._file.flush()

    def _write_report(self, report: pytest.TestReport) -> None:
        serializable = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._write_json_data({name: value for name, value in serializable.items() if name not in LEFT_OUT})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write what couldn't be collected: what could is among the tests."""
        if not report.passed:
            super().pytest_collectreport(report)

    @pytest.hookimpl(trylast=True)  # when the others have measured, and decided what becomes of the run
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what the run was."""
        shard = self._config.pluginmanager.get_plugin("tiers-shard")
        line: dict[str, Any] = {
            "$report_type": "Run",
            "format": FORMAT,
            "id": uuid4().hex,
            "arguments": [str(argument) for argument in self._config.invocation_params.args],
            "started": self._begun.isoformat(),
            "seconds": self._now() - self._started,
            "python": sys.version.split()[0],
            "shard": shard.record() if shard else None,
        }
        self._write_json_data(line | details_of(self._config).facts | stopwatch_of(self._config).facts)
        super().pytest_sessionfinish(session.exitstatus)

    def pytest_terminal_summary(self) -> None:
        """Say nothing: where it lies is written in the documentation."""
