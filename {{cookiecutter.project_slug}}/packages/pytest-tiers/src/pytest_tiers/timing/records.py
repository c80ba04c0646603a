"""What a run of pytest did: one record per run, in `.cache/tests/runs/`, of which the last ones are kept.

A record has a JSON object per line, between pytest-reportlog's `SessionStart` and `SessionFinish`. At the end of a test a `Test` is
written; of several tries, of the last one:

    {"$report_type": "Test", "nodeid": "tests/unit/test_a.py::test_b", "worker": "gw0", "line": 7, "start": 1795698489.8343,
     "own": [0.002, 0.005, 0.0001], "processor": 0.006, "apart": [0.1, 0.0, 0.0], "outcome": "failed", "tries": 2,
     "slept": 0.1, "statements": {"5f3a9c01": [25, 0.012]}}

`start` is seconds since 1970. `own` is what set-up, call and tear-down took themselves, and `processor` for how much of that the
processor worked; `apart` is what imports and fixtures of wider scopes took meanwhile. That and what follows is left out where
there is nothing to say: it passed, at its first try, and neither slept nor executed a statement. `statements` has, by the key of
its shape, how often a statement was executed and in how many seconds. A phase that didn't pass is a `TestReport` as well, with
its error. At the end there is a `Run`:

    {"$report_type": "Run", "format": 2, "id": "9f0c…", "arguments": ["-n", "2"], "started": "2026-11-23T09:00:00+00:00",
     "seconds": 12.1, "python": "3.11.7", "platform": "Linux x86_64", "branch": "main", "commit": "646e707…", "ci": "4711",
     "workers": 2, "control": 0.6, "work": 0.0021, "machine": {"cores": 2, "begin": 0.7, …}, "gone": [], "shard": null,
     "fixtures": {"app (session) tests": {"count": 2, "seconds": 0.004, "longest": 0.002, "places": 14}},
     "files": {"tests/unit/test_a.py": 0.01}, "imports": {"tests/unit/test_a.py": 0.3}, "shapes": {"5f3a9c01": "SELECT …"},
     "processes": [{"worker": "gw0", "began": 1795698488.1, "collecting": …, "collected": …, "ended": …}]}

`control` is the part of the time for which the process that controls the workers was busy itself. Of a fixture, `places` is in how
many files of a process tests used it. `shard` is null or {"digest", "shard", "of", "seconds", "selected", "left"}, with node ids of the
tests that the shard was to run, and that it left to others. `ci` is the number of the run of CI. A run that was killed has no such
line. `tiers flaky` may add one of the type `Again`. What a run adds to these fields, older versions pass over.

Format 1 had a `TestReport` for each phase, passed or not, with `own_seconds` and `own_processor`, and of a fixture a list of seconds.
It still loads. All records but the last are compressed with gzip: lines of JSON, too, and several files can be joined into one.
"""

import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any, BinaryIO, NamedTuple, cast

from pytest_tiers.config import Settings
from pytest_tiers.timing.measures import Run
from pytest_tiers.timing.workers import undo_sharing

FORMAT = 2
KEPT = 30
"""Of how many runs the records are kept, at most."""
ROOM = 200_000_000
"""How many bytes they may take: those of 10,000 tests take 3 million, a tenth of it when compressed."""
END = 100_000
"""In how many bytes at the end of a record its last lines are: what `tiers flaky` added may be long."""
REACHED_THE_END = (0, 1)
"""The exit statuses of a run that is complete: all passed, some failed."""
PHASES = {"setup": 0, "call": 1, "teardown": 2}


def runs_folder(settings: Settings) -> Path:
    """Return the folder of a suite's records."""
    return settings.cache / "runs"


class Result(NamedTuple):
    """How a test ended, the first line of its error, and why `tiers parity` may expect another result elsewhere."""

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
            fixtures={str(name): _each(found) for name, found in facts["fixtures"].items()},
            files={str(file): float(seconds) for file, seconds in facts["files"].items()},
            machine={str(name): float(value) for name, value in facts["machine"].items()},
            gone={str(nodeid) for nodeid in facts["gone"]},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"no record of a whole run ({error!r:.80})") from None


def summed(seconds: Sequence[float], places: int) -> dict[str, float]:
    """Return what a record says of a fixture that was set up in so many seconds each, and used in so many places."""
    total, longest = round(sum(seconds), 6), round(max(seconds), 6)
    return {"count": len(seconds), "seconds": total, "longest": longest, "places": places}


def _each(fixture: Any) -> float:
    if isinstance(fixture, dict):
        return float(fixture["seconds"]) / int(fixture["count"])
    return mean(map(float, fixture))  # format 1


def first_line(error: Any) -> str:
    """Return the first line of a `longrepr`, as a report has it."""
    if isinstance(error, dict):
        error = error.get("reprcrash") or error
        error = error.get("message") or ""
    elif isinstance(error, list):  # of a skip: file, line, reason
        error = error[-1]
    return next(iter(str(error).strip().splitlines()), "")


def open_lines(path: Path) -> BinaryIO:
    """Open a record, compressed or not. Raises OSError."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with open_lines(path) as lines:
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
                case "Test":
                    _add_test(record, line)
                case "Run" if 1 <= line["format"] <= FORMAT:
                    record.facts = line
                case "Again":
                    record.again = {str(nodeid): str(outcome) for nodeid, outcome in line["outcomes"].items()}
    return record


def _add_test(record: Record, test: dict[str, Any]) -> None:
    nodeid, outcome = str(test["nodeid"]), str(test.get("outcome", "passed"))
    result = record.results.get(nodeid, Result(outcome, "", str(test.get("differs", ""))))
    # What was reported of a phase says why; a further try counts in place of the one before.
    record.results[nodeid] = result._replace(
        outcome=outcome, error="" if outcome == "passed" else result.error
    )
    setup, call, teardown = (max(float(seconds), 0.0) for seconds in test["own"])
    record.times[nodeid] = [setup, call, teardown, max(float(test["processor"]), 0.0)]
    record.ended.add(nodeid)


def _add_report(record: Record, report: dict[str, Any]) -> None:
    nodeid, outcome, when = str(report["nodeid"]), str(report["outcome"]), report["when"]
    result = record.results.get(nodeid, Result("passed", "", str(report.get("differs", ""))))
    if outcome != "passed" and result.outcome == "passed":
        result = result._replace(outcome=outcome, error=first_line(report["longrepr"]))
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


def kept(folder: Path) -> list[Path]:
    """Return the records in a folder, the oldest first."""
    return sorted(path for path in folder.glob("*.jsonl*") if path.name.endswith((".jsonl", ".jsonl.gz")))


def new(folder: Path) -> Path:
    """Return a new file for a record, compress those before it, and remove those of the oldest runs.

    Numbers tell which is newer, whatever the clock says. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = kept(folder)
    room = ROOM
    for age, path in enumerate(reversed(found), 2):
        room -= path.stat().st_size
        if room < 0 or age > KEPT:
            path.unlink()
        elif path.suffix != ".gz":
            _compress(path)
    number = int(found[-1].name.partition("-")[0]) if found else 0
    while True:
        number += 1
        path = folder / f"{number:06}-{datetime.now(UTC):%Y%m%dT%H%M%S}.jsonl"
        with suppress(FileExistsError):
            if not any(folder.glob(f"{number:06}-*")):
                path.touch(exist_ok=False)
                return path


def _compress(path: Path) -> None:
    content = path.read_bytes()
    if b'"SessionFinish"' not in content[-END:]:
        return  # another run may still be writing it
    whole = path.with_name(f"{path.name}.gz")
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        part.write_bytes(gzip.compress(content, mtime=0))
        part.replace(whole)
        path.unlink()
    finally:
        part.unlink(missing_ok=True)


def newest(folder: Path) -> Path:
    """Return the record of the last run. Raises FileNotFoundError."""
    found = kept(folder)
    if not found:
        raise FileNotFoundError(f"there is no record of a run in {folder}")
    return found[-1]
