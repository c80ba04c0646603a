# Kept by the template: an update replaces this file.
"""What a run of pytest did: one record per run, in `.cache/tests/runs/`, of which the last ones are kept.

A record has a JSON object per line, as pytest-reportlog writes them: a `TestReport` for each phase of each test, with `start`,
`stop`, `outcome`, `worker_id`, and added to them `own_seconds` and `own_processor`, which is what the test itself took and
for how much of that the processor worked. Its last but one line is of the type `Run`:

    {"$report_type": "Run", "format": 1, "arguments": ["-n", "2"], "started": "2026-11-23T09:00:00+00:00", "seconds": 12.1,
     "python": "3.11.7", "workers": 2, "control": 0.6, "work": 0.0021, "machine": {"cores": 2, "begin": 0.7, …},
     "fixtures": {"app (session) tests": [0.002]}, "files": {"tests/unit/test_a.py": 0.01}, "gone": [], "shard": null}

`control` is the part of the time for which the process that controls the workers was busy itself. `shard` is null or
{"digest", "shard", "of", "selected", "left"}, with node ids of the tests that the shard was to run, and that it left to others.
A run that was killed has no such line. `tools.flaky` may add one of the type `Again`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from tools.store import Run
from tools.workers import undo_sharing

FOLDER = Path(".cache", "tests", "runs")
FORMAT = 1
KEPT = 20
"""Of how many runs the records are kept, at most."""
ROOM = 200_000_000
"""How many bytes they may take: those of 10,000 tests take 15 million."""
REACHED_THE_END = (0, 1)
"""The exit statuses of a run that is complete: all passed, some failed."""
PHASES = {"setup": 0, "call": 1, "teardown": 2}


class Result(NamedTuple):
    """How a test ended, the first line of its error, and why `nox -s parity` may expect another result elsewhere."""

    outcome: str = "not run"
    error: str = ""
    differs: str = ""

    def __str__(self) -> str:
        """Return outcome and error in one line."""
        return f"{self.outcome}: {self.error}" if self.error else self.outcome


@dataclass
class Record:
    """What one run did."""

    results: dict[str, Result] = field(default_factory=dict)
    """The result of each test by node id, in the order in which they ran. The worst phase counts."""
    times: dict[str, list[float]] = field(default_factory=dict)
    """Own seconds of set-up, call and tear-down of each test, and of the processor."""
    ended: set[str] = field(default_factory=set)
    """The tests that got as far as to their tear-down."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The line of the type `Run`; empty, where the run was killed."""
    quarantined: dict[str, str] = field(default_factory=dict)
    """The tests that failed in quarantine, and what is written of them there."""
    again: dict[str, str] = field(default_factory=dict)
    """How the tests that failed ended when they ran again on their own."""

    @property
    def run(self) -> Run:
        """What was measured. Raises ValueError if that isn't in the record."""
        passed = {nodeid for nodeid in self.ended if self.results[nodeid].outcome == "passed"}
        return to_run(self.times, passed, self.facts)


def to_run(times: Mapping[str, Sequence[float]], passed: set[str], facts: Mapping[str, Any]) -> Run:
    """Return what was measured, from own times and the line of the type `Run`. Raises ValueError if that is none.

    A test that failed, was skipped, interrupted, or crashed its worker took a time that says nothing.
    """
    try:
        cores, busy = int(facts["machine"]["cores"]), int(facts["workers"]) + float(facts["control"])
        return Run(
            work=float(facts["work"]),
            tests={
                nodeid: undo_sharing((setup, call, teardown, processor), busy, cores)
                for nodeid, (setup, call, teardown, processor) in times.items()
                if nodeid in passed
            },
            fixtures={str(name): mean(map(float, seconds)) for name, seconds in facts["fixtures"].items()},
            files={str(file): float(seconds) for file, seconds in facts["files"].items()},
            machine={str(name): float(value) for name, value in facts["machine"].items()},
            gone={str(nodeid) for nodeid in facts["gone"]},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"no record of a whole run ({error!r:.80})") from None


def _first_line(error: Any) -> str:
    if isinstance(error, dict):
        error = error.get("reprcrash") or error
        error = error.get("message") or ""
    elif isinstance(error, list):  # of a skip: file, line, reason
        error = error[-1]
    return next(iter(str(error).strip().splitlines()), "")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            # The last one is half a line where the run was killed.
            with suppress(ValueError, RecursionError):
                content = json.loads(line)
                if isinstance(content, dict):
                    yield content


def read(path: Path) -> Record:
    """Return what a record has; what is damaged in it is left out. Raises OSError."""
    record = Record()
    for line in _lines(path):
        with suppress(KeyError, TypeError, ValueError, IndexError, AttributeError):
            match line.get("$report_type"):
                case "TestReport":
                    _add_report(record, line)
                case "Run" if line["format"] == FORMAT:
                    record.facts = line
                case "Again":
                    record.again = {str(nodeid): str(outcome) for nodeid, outcome in line["outcomes"].items()}
    return record


def _add_report(record: Record, report: dict[str, Any]) -> None:
    nodeid, outcome, when = str(report["nodeid"]), str(report["outcome"]), report["when"]
    result = record.results.get(nodeid, Result("passed", "", str(report.get("differs", ""))))
    if outcome != "passed" and result.outcome == "passed":
        result = result._replace(outcome=outcome, error=_first_line(report["longrepr"]))
    if when != "setup" or outcome != "passed":  # a test that was set up hasn't run
        record.results[nodeid] = result
    if outcome == "skipped" and str(report.get("wasxfail")).startswith("quarantine "):
        record.quarantined[nodeid] = report["wasxfail"].removeprefix("quarantine ")
    if when in PHASES:
        times = record.times.setdefault(nodeid, [0.0, 0.0, 0.0, 0.0])
        times[PHASES[when]] += max(float(report.get("own_seconds", 0.0)), 0.0)
        times[3] += max(float(report.get("own_processor", 0.0)), 0.0)
    if when == "teardown":
        record.ended.add(nodeid)


def new(folder: Path) -> Path:
    """Return a new file for a record, and remove those of the oldest runs.

    Numbers tell which is newer, whatever the clock says. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.glob("*.jsonl"))
    room = ROOM
    for age, path in enumerate(reversed(found), 2):
        room -= path.stat().st_size
        if room < 0 or age > KEPT:
            path.unlink()
    number = int(found[-1].name.partition("-")[0]) if found else 0
    while True:
        number += 1
        path = folder / f"{number:06}-{datetime.now(UTC):%Y%m%dT%H%M%S}.jsonl"
        with suppress(FileExistsError):
            if not any(folder.glob(f"{number:06}-*")):
                path.touch(exist_ok=False)
                return path


def newest(folder: Path = FOLDER) -> Path:
    """Return the record of the last run. Raises FileNotFoundError."""
    found = sorted(folder.glob("*.jsonl"))
    if not found:
        raise FileNotFoundError(f"there is no record of a run in {folder}")
    return found[-1]
