"""What the guards cost each test: `nox -s bench -- guards [--quick] [--json FILE]`.

Renders the service, adds empty unit tests, and runs them in one process with all guards, without some, and without any, in
turns, so that a noisy machine harms all alike. The cost is the difference in time, divided by the number of tests: compare
ratios, not the times of two runs. The audit hook costs what a test does, so the service's own unit tests are measured too.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from rendering import ROOT
from service import Service, outside_environment, render_from_outside

EMPTY = (
    "import pytest\n\n\n@pytest.mark.parametrize('number', range({}))\ndef test_empty(number):\n    pass\n"
)
WITHOUT = {
    "all guards": (),
    "without the snapshots of state": ("state",),
    "without what watches events": ("guards",),
    "without any": ("state", "guards"),
}


def seconds(service: Service, python: str, without: tuple[str, ...], *tests: str) -> float:
    """Return the seconds that pytest's own process takes for `tests`, without some plugins of the machinery."""
    options = [f"-pno:tests.plugins.{name}" for name in without]
    started = time.perf_counter()
    # What a plugin declares that isn't loaded is unknown.
    lenient = ("-o", "strict=false", "-W", "ignore::pytest.PytestWarning")
    service.run(python, "-m", "pytest", "-q", "-n", "0", *lenient, *options, *tests)
    return time.perf_counter() - started


def main() -> None:
    """Measure, print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a trial: few tests, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    empty, rounds, own = (50, 0, "tests/unit/test_customers.py") if options.quick else (2000, 7, "tests/unit")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        service = render_from_outside(ROOT, folder / "rendered", outside_environment(folder / "outside"))
        service.run("uv", "sync", "--locked")
        python = str(service.folder / ".venv" / "bin" / "python")
        (service.folder / "tests/unit/test_empty.py").write_text(EMPTY.format(empty))
        cases = {"empty tests": (["tests/unit/test_empty.py"], empty)}
        listed = service.run(python, "-m", "pytest", "--collect-only", "-q", own).stdout
        cases["the service's own unit tests"] = (
            [own, "--ignore=tests/unit/test_empty.py"],
            len(re.findall("^(?!tests/unit/test_empty).*::", listed, re.MULTILINE)),
        )
        figures: dict[str, dict[str, float]] = {}
        for case, (tests, count) in cases.items():
            times: dict[str, list[float]] = {variant: [] for variant in WITHOUT}
            for number in range(rounds + 1):
                print(f"{case}: round {number} of {rounds}", file=sys.stderr)
                for variant, without in WITHOUT.items():
                    taken = seconds(service, python, without, *tests)
                    if number or not rounds:  # the first one compiles
                        times[variant].append(taken)
            middle = {variant: statistics.median(taken) for variant, taken in times.items()}
            bare = middle["without any"]
            figures[case] = {variant: 1000 * (taken - bare) / count for variant, taken in middle.items()}
            figures[case]["whole run without any, s"] = bare
            print(f"\n{count} tests: {case}, {bare:.2f} s without any guard, median of {rounds}")
            for variant, taken in middle.items():
                print(f"  {variant:32} {figures[case][variant]:+7.3f} ms per test, {taken / bare:6.3f} times")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
