"""Shards beside pytest-split's: `nox -s bench -- shards [--quick] [--json FILE]`.

1. On the real times of a project (tests/data/durations.json): the slowest shard over the mean, for 2 to 20 shards, of this plan and
   of pytest-split's two algorithms; and the bound that no plan can beat, which is the longest test, or two of them in one shard.
2. On a generated suite: how long each of five shards takes to collect, here and with pytest-split, in turns.
"""

import statistics
import sys
import tempfile
import tomllib
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tiers"))

from inputs import real_times
from pytest_split.algorithms import Algorithms
from pytest_tiers.timing import plan
from rendering import ROOT
from scale import Suite, read_options, say, write

SHARDS = 5


def compare_balance() -> dict[int, dict[str, float]]:
    """Print and return the slowest shard over the mean, by the number of shards."""
    times = real_times()
    tests = {nodeid: seconds for of_file in times.values() for nodeid, seconds in of_file.items()}
    longest = sorted(tests.values(), reverse=True)
    items = [SimpleNamespace(nodeid=nodeid) for nodeid in tests]
    names = [algorithm.name for algorithm in Algorithms]
    say(f"{len(tests)} real tests, the slowest shard over the mean\n")
    say("  shards   here   bound   " + "   ".join(names))
    figures = {}
    for count in range(2, 21):
        mean = sum(tests.values()) / count
        row = {
            "here": max(shard.seconds for shard in plan.divide(times, count)) / mean,
            "bound": max(mean, longest[0], longest[count - 1] + longest[count]) / mean,
        }
        for algorithm in Algorithms:
            groups = algorithm.value(count, items, dict(tests))
            row[algorithm.name] = max(group.duration for group in groups) / mean
        figures[count] = row
        cells = (f"{row[name]:{max(len(name), 5)}.3f}" for name in ("here", "bound", *names))
        say(f"  {count:6}  " + "   ".join(cells))
    worst = max(row["here"] / row["bound"] for row in figures.values())
    say(f"\n  at most {worst:.3f} times the bound: {'met' if worst <= 1.05 else 'MISSED'} (1.05)")
    better = all(row["here"] <= min(row[name] for name in names) * plan.TOLERANCE for row in figures.values())
    say(f"  never worse than either: {'met' if better else 'MISSED'}")
    return figures


def compare_collection(size: int, rounds: int) -> dict[str, list[float]]:
    """Print and return the seconds that each shard of a generated suite takes to collect."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        suite = Suite(Path(name))
        pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["test"]
        (pin,) = (pin for pin in pins if isinstance(pin, str) and pin.startswith("pytest-split"))
        suite.service.run("uv", "pip", "install", "-q", "--python", ".venv/bin/python", pin)
        suite.generate(size)
        suite.pytest("-q", "-n", "2")
        suite.python("-m", "pytest_tiers", "plan", "--shards", str(SHARDS))
        collect = ("-q", "-n", "0", "--collect-only", "tests")
        seconds: dict[str, list[list[float]]] = {"here": [], "pytest-split": []}
        for _ in range(rounds):
            parts = range(1, SHARDS + 1)
            ours = (("--plan", "plan.json", "--shard", f"{part}/{SHARDS}") for part in parts)
            theirs = (
                ("-p", "pytest_split.plugin", "--splits", str(SHARDS), "--group", str(part)) for part in parts
            )
            seconds["here"].append([suite.pytest(*collect, *options).seconds for options in ours])
            seconds["pytest-split"].append([suite.pytest(*collect, *options).seconds for options in theirs])
    middle = {
        who: [statistics.median(part) for part in zip(*runs, strict=True)] for who, runs in seconds.items()
    }
    say(f"\nCollecting each of {SHARDS} shards of {size} generated tests, wall time in s, middle of {rounds}")
    for who, taken in middle.items():
        say(f"  {who:14}" + "".join(f"{part:7.2f}" for part in taken))
    return middle


def main() -> None:
    """Measure, print, and write the figures."""
    options = read_options("shards")
    figures = {
        "balance": compare_balance(),
        "collection": compare_collection(100 if options.quick else 10_000, 1 if options.quick else 3),
    }
    write(figures, options.json)


if __name__ == "__main__":
    main()
