"""`-n auto` beside every fixed number of workers: `nox -s bench -- workers [--quick] [--json FILE]`.

Renders the service, puts suites of 20 to 10,000 unit tests in the place of its own, one kind light and one that waits, and runs
each with 0, 1, 2, 4 and 8 workers and with `-n auto`, in turns, many times. The mark is 1.1 times the best of the fixed numbers.
These keep no times, so that `-n auto` knows what it knows where it is used all day.
"""

import platform
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from pytest_tiers.timing import workers
from scale import Suite, read_options, say, write

FIXED = ("0", "1", "2", "4", "8")
LIGHT = """
import pytest
from helpdesk.schemas import TicketIn

VALID = {"customer_id": 1, "subject": "No sound", "body": "Silence."}


@pytest.mark.parametrize("number", range(COUNT))
def test_light(number):
    for customer in range(1, 40):
        assert TicketIn.model_validate(VALID | {"customer_id": customer}).customer_id == customer
"""
WAITING = """
import time

import pytest


@pytest.mark.parametrize("number", range(COUNT))
def test_waiting(number):
    time.sleep(0.01)
"""


def fill(suite: Suite, text: str, count: int) -> None:
    """Make it a suite of so many tests, twenty in each file, and measure them once."""
    for test in suite.tests.glob("*/test_*.py"):
        test.unlink()
    for number in range(count // 20):
        (suite.tests / "unit" / f"test_many_{number:04}.py").write_text(text.replace("COUNT", "20"))
    shutil.rmtree(suite.service.folder / ".cache", ignore_errors=True)
    for _ in range(2):  # the first one compiles
        suite.pytest("-q", "-n", "0", "tests/unit")


def main() -> None:
    """Measure, print, and write the figures."""
    options = read_options("workers")
    sizes = {20: 1} if options.quick else {20: 7, 200: 7, 2_000: 5, 10_000: 3}
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        say("Rendering and installing the service ...")
        suite = Suite(Path(name))
        say(f"{platform.platform()}, {workers.cores()} processors, Python {platform.python_version()}")
        for kind, text in (("light", LIGHT), ("waiting", WAITING)):
            for size, rounds in sizes.items():
                fill(suite, text, size)
                seconds: dict[str, list[float]] = defaultdict(list)
                said = ""
                for number in range(1, rounds + 1):
                    print(f"{size} {kind} tests: round {number} of {rounds}", file=sys.stderr, flush=True)
                    for count in (*FIXED, "auto"):
                        keeping = () if count == "auto" else ("--record", str(Path(name) / "record.jsonl"))
                        taken = suite.pytest("-n", count, "tests/unit", *keeping)
                        seconds[count].append(taken.seconds)
                        said = "".join(re.findall(r"^-n auto: .*$", taken.output, re.MULTILINE)) or said
                middle = {count: median(values) for count, values in seconds.items()}
                best = min(FIXED, key=lambda count: middle[count])
                ratio = middle["auto"] / middle[best]
                figures[f"{size} {kind}"] = middle | {"ratio": ratio}
                say(f"\n{size} {kind} tests, wall time in s, middle of {rounds}; {said}")
                say("  " + "   ".join(f"-n {count} {value:.2f}" for count, value in middle.items()))
                say(f"  -n auto: {ratio:.2f} times -n {best}: {'met' if ratio <= 1.1 else 'MISSED'}")
    write(figures, options.json)


if __name__ == "__main__":
    main()
