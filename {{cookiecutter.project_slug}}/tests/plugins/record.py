# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""The record of the run, which pytest-reportlog writes: `tools.records` describes it."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_reportlog.plugin import ReportLogPlugin

from tests.plugins.durations import stopwatch_of
from tools.records import FOLDER, FORMAT, new

LEFT_OUT = ("keywords", "location", "node")
"""What makes a record twice as long, or can't be written."""


class RunRecord(ReportLogPlugin):  # type: ignore[misc]
    """Writes what pytest reports, and at the end what the run was."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        """Begin the record. Raises OSError."""
        super().__init__(config, path)
        # By a clock that isn't set back, and that a test with frozen time doesn't hold.
        self._begun, self._started = datetime.now(UTC), time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a phase of a test, and what it printed if it failed."""
        serializable = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        data = {name: value for name, value in serializable.items() if name not in LEFT_OUT}
        if report.passed:
            data["sections"] = []
        self._write_json_data(data)

    @pytest.hookimpl(trylast=True)  # when the others have measured, and decided what becomes of the run
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what the run was."""
        shard = self._config.pluginmanager.get_plugin("shard")
        line = {
            "$report_type": "Run",
            "format": FORMAT,
            "arguments": [str(argument) for argument in self._config.invocation_params.args],
            "started": self._begun.isoformat(),
            "seconds": time.monotonic() - self._started,
            "python": sys.version.split()[0],
            "shard": shard.record() if shard else None,
        }
        self._write_json_data(line | stopwatch_of(self._config).facts)
        super().pytest_sessionfinish(session.exitstatus)

    def pytest_terminal_summary(self) -> None:
        """Say nothing: where it lies is written in the README."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--record`."""
    parser.addoption(
        "--record",
        type=Path,
        metavar="FILE",
        help="write the record of this run there, and keep no times of it",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin the record, where the run is controlled."""
    option = config.option
    if hasattr(config, "workerinput") or option.collectonly or option.help:
        return
    try:
        path = option.record or new(config.rootpath / FOLDER)
        record = RunRecord(config, path)
    except OSError as error:  # a checkout that can't be written to is no reason to fail
        print(f"There will be no record of this run: {error}", file=sys.stderr)
        return
    config.pluginmanager.register(record, "record")
    config.add_cleanup(record.close)
