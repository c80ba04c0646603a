"""Records of runs that never were, as `timing.records` describes them: of any size, and with any fault."""

import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGIN = datetime(2026, 11, 20, 9, tzinfo=UTC)
TIERS = ("unit", "unit", "unit", "integration", "committed")
SELECT, INSERT = (
    "SELECT tickets.id FROM tickets WHERE tickets.customer_id = ?",
    "INSERT INTO tickets (subject) VALUES (?)",
)


def shape(text: str) -> str:
    """Return a key for a statement."""
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()


@dataclass
class Made:
    """A run to be recorded. `change` may alter each line of a test, given its number, before it is written."""

    tests: int = 200
    workers: int = 4
    number: int = 0
    """Which run it is: an hour after the one before."""
    branch: str = "main"
    status: int = 0
    shard: tuple[int, int] | None = None
    predicted: float = 10.0
    change: Callable[[int, dict[str, Any]], None] = lambda number, line: None
    facts: dict[str, Any] = field(default_factory=dict)
    stop_after: float = 1.0
    """Which part of the tests ran."""

    def names(self) -> list[str]:
        """Return the tests' node ids."""
        return [
            f"tests/{TIERS[number // 25 % 5]}/test_module_{number // 25:03}.py::test_does_what_it_should_{number:05}"
            for number in range(self.tests)
        ]

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the record."""
        yield {"pytest_version": "9.2.0", "$report_type": "SessionStart"}
        chance = random.Random(7)
        noise = random.Random(f"{self.number} {self.shard}")
        began = (BEGIN + timedelta(hours=self.number)).timestamp()
        free = [began + 1.0 + 0.02 * worker for worker in range(max(self.workers, 1))]
        collected = list(free)
        names = self.names()
        for number, nodeid in enumerate(names):
            call = round(chance.paretovariate(1.6) * 0.004, 6)
            setup = round(call * 0.3 + 0.001, 6)
            statements = chance.randrange(1, 6)
            if self.shard and number % self.shard[1] + 1 != self.shard[0]:
                continue
            if number >= self.stop_after * self.tests:
                break
            call, setup = (round(value * noise.uniform(0.97, 1.03), 5) for value in (call, setup))
            worker = min(range(len(free)), key=free.__getitem__)
            start = round(free[worker], 4)
            line: dict[str, Any] = {
                "$report_type": "Test",
                "nodeid": nodeid,
                "worker": f"gw{worker}" if self.workers else "main",
                "line": 10 + number % 25 * 7,
                "start": start,
                "own": [setup, call, 0.0003],
                "processor": round((setup + call) * 0.8, 5),
                "apart": [0.0, 0.0, 0.0001],
            }
            if "/unit/" not in nodeid:
                line["statements"] = {shape(SELECT): [statements, round(statements * 0.0001, 5)]}
            self.change(number, line)
            free[worker] = start + sum(line["own"]) + sum(line["apart"]) + 0.0013
            if line.get("outcome") == "failed":
                yield {
                    "$report_type": "TestReport", "nodeid": nodeid, "when": "call", "outcome": "failed",
                    "longrepr": {"reprcrash": {"message": line.pop("error", "assert 1 == 2"), "path": "a.py", "lineno": 3}},
                }  # fmt: skip
            yield line
        yield self._run(began, collected, free)
        yield {"exitstatus": self.status, "$report_type": "SessionFinish"}

    def _run(self, began: float, collected: list[float], free: list[float]) -> dict[str, Any]:
        processes = [
            {"worker": f"gw{worker}" if self.workers else "main", "began": began + 0.1, "collecting": began + 0.6,
             "collected": at, "ended": max(free) + 0.05}
            for worker, at in enumerate(collected)
        ]  # fmt: skip
        shard = self.shard and {
            "digest": "d1", "shard": self.shard[0], "of": self.shard[1], "seconds": self.predicted, "selected": [], "left": []
        }  # fmt: skip
        return {
            "$report_type": "Run", "format": 2, "id": f"run {self.number} {self.shard}", "arguments": ["-n", str(self.workers)],
            "started": datetime.fromtimestamp(began, UTC).isoformat(), "seconds": round(max(free) - began + 0.1, 4),
            "python": "3.11.7", "platform": "Linux x86_64", "branch": self.branch, "commit": f"{self.number:07x}abcdef",
            "ci": f"ci {self.number}", "workers": self.workers, "control": 0.2, "work": 0.002, "gone": [], "shard": shard,
            "machine": {"cores": 4, "begin": 0.5, "collect": 0.0004, "around": 0.0006, "relayed": 0.0009, "control": 0.0005,
                        "start": 0.3, "gain": 3.1},
            "fixtures": {
                "db_session (function) tests/integration": {"count": 400, "seconds": 0.52, "longest": 0.01, "places": 20},
                "settings (session) tests": {"count": 4, "seconds": 0.08, "longest": 0.03, "places": 0},
            },
            "files": {"tests/unit/test_module_000.py": 0.02}, "imports": {"tests/unit/test_module_000.py": 0.31},
            "shapes": {shape(SELECT): SELECT, shape(INSERT): INSERT}, "processes": processes,
        } | self.facts  # fmt: skip

    def write(self, folder: Path) -> Path:
        """Write the record into a folder, compressed but for the newest, and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        part = f"-{self.shard[0]}" if self.shard else ""
        path = folder / f"{self.number + 1:06}-20261120T0900{self.number:02}{part}.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in self.lines()))
        return path


def compress(path: Path) -> Path:
    """Compress a record as the next run does."""
    whole = path.with_name(f"{path.name}.gz")
    whole.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
    return whole


def thirty(folder: Path, tests: int = 200, runs: int = 30) -> None:
    """Write the records of thirty runs: one test gets slower in the last, one faster, one is flaky, one fails in the last."""
    for number in range(runs):
        last = number == runs - 1

        def change(test: int, line: dict[str, Any], number: int = number, last: bool = last) -> None:
            if test == 7:
                line["own"][1] = 0.42 if last else 0.11
            if test == 8:
                line["own"][1] = 0.05 if last else 0.21
            if test == 9 and number % 4 == 1:
                line["outcome"] = "failed"
            if test == 80:
                line["statements"] = {shape(SELECT): [137, 0.24]}
                line["own"][1] = 0.3
            if test == 90:
                line.pop("statements", None)
            if test == 12 and last:
                line |= {"outcome": "failed", "error": "assert 'open' == 'closed'"}
            if test == 20:
                line |= {"slept": 0.5, "own": [0.001, 0.52, 0.001]}

        path = Made(tests=tests, number=number, status=int(last), change=change).write(folder)
        if not last:
            compress(path)
