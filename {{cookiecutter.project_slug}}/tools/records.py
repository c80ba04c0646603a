# Kept by the template: an update replaces this file.
"""What a run of pytest did, as pytest-reportlog writes it down."""

import json
from pathlib import Path
from typing import Any, NamedTuple

LOAD = ("-p", "pytest_reportlog.plugin")
REACHED_THE_END = (0, 1)
"""The exit statuses of such a run: all passed, some failed."""


class Result(NamedTuple):
    """How a test ended, the first line of its error, and why `nox -s parity` may expect another result elsewhere."""

    outcome: str = "not run"
    error: str = ""
    differs: str = ""

    def __str__(self) -> str:
        """Return outcome and error in one line."""
        return f"{self.outcome}: {self.error}" if self.error else self.outcome


def _first_line(error: Any) -> str:
    if isinstance(error, dict):
        error = error.get("reprcrash") or error
        error = error.get("message") or ""
    elif isinstance(error, list):  # of a skip: file, line, reason
        error = error[-1]
    return next(iter(str(error).strip().splitlines()), "")


def read_results(log: Path) -> dict[str, Result]:
    """Return the result of each test by node id, in the order in which they ran. The worst phase counts."""
    results: dict[str, Result] = {}
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            report = json.loads(line)
            if report["$report_type"] != "TestReport":
                continue
            result = results.get(report["nodeid"], Result("passed", "", report.get("differs", "")))
            if report["outcome"] != "passed" and result.outcome == "passed":
                result = result._replace(outcome=report["outcome"], error=_first_line(report["longrepr"]))
            results[report["nodeid"]] = result
    return results
