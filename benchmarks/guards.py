"""What the guards and the fakes cost each test: `nox -s bench -- guards [--quick] [--json FILE]`.

Renders the service, adds empty unit tests, and runs them in one process with all guards, without some, and without any, in
turns, many times. The cost is the difference in processor time (one process waits for nothing), over the number of tests. Of each
the least counts: noise only ever adds. A fake costs what a test that takes it lasts longer than one that doesn't: medians of
many, of which again the least counts; with TEST_REDIS_URL, on that Redis. The audit hook costs what a test does, so tests of the service are measured too.
"""

import argparse
import json
import os
import re
import resource
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from rendering import ROOT
from service import Service, outside_environment, render_from_outside

EMPTY = (
    "import pytest\n\n\n@pytest.mark.parametrize('number', range({}))\ndef test_empty(number):\n    pass\n"
)
TAKING = (
    "\n\n@pytest.mark.parametrize('number', range({count}))\ndef test_{name}(number{argument}):\n    pass\n"
)
FAKES = {
    "none": "",
    **{
        name: f", {name}"
        for name in ("redis_client", "fake_ai", "fake_secrets", "frozen_time", "seeded_random")
    },
}
OWN = "tests/unit/test_tickets.py"
STATE = ("leftovers", "nothing-left", "late", "imports")
EVENTS = ("run", "network", "secrets")
WITHOUT = {
    "all guards": (),
    "without the snapshots of state": STATE,
    "without what watches events": EVENTS,
    "without any": STATE + EVENTS,
}


def seconds(service: Service, python: str, without: tuple[str, ...], *tests: str) -> float:
    """Return the processor time, in seconds, that pytest takes for `tests` without some of the guards."""
    options = [f"-pno:tiers-{name}" for name in without]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # What a plugin declares that isn't loaded is unknown.
    lenient = ("-o", "strict=false", "-W", "ignore::pytest.PytestWarning")
    service.run(python, "-m", "pytest", "-q", "-n", "0", *lenient, *options, *tests)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def durations(service: Service, python: str, log: Path) -> dict[str, float]:
    """Return the middle duration, in seconds, of an empty test that takes each fake, and of one that takes none."""
    load = ("-p", "pytest_reportlog.plugin", f"--report-log={log}")
    redis = {name: os.environ[name] for name in ("TEST_REDIS_URL",) if name in os.environ}
    service.run(
        python,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        *load,
        "tests/unit/test_taking.py",
        status=0,
        seconds=600,
        **redis,
    )
    times: dict[str, dict[str, float]] = {fake: {} for fake in FAKES}
    for report in map(json.loads, log.read_text().splitlines()):
        if report["$report_type"] == "TestReport":
            fake, _, number = report["nodeid"].partition("::test_")[2].partition("[")
            times[fake][number] = times[fake].get(number, 0.0) + report["duration"]
    return {fake: statistics.median(of_tests.values()) for fake, of_tests in times.items()}


def main() -> None:
    """Measure, print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a trial: few tests, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    empty, rounds = (50, 0) if options.quick else (500, 10)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        service = render_from_outside(ROOT, folder / "rendered", outside_environment(folder / "outside"))
        service.run("uv", "sync", "--locked")
        python = str(service.folder / ".venv" / "bin" / "python")
        (service.folder / "tests/unit/test_empty.py").write_text(EMPTY.format(empty))
        cases = {"empty tests": (["tests/unit/test_empty.py"], empty)}
        listed = service.run(python, "-m", "pytest", "--collect-only", "-q", OWN).stdout
        cases["tests of the service"] = (
            [OWN, "--ignore=tests/unit/test_empty.py"],
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
            least = {variant: min(taken) for variant, taken in times.items()}
            bare = least["without any"]
            figures[case] = {variant: 1000 * (taken - bare) / count for variant, taken in least.items()}
            figures[case]["whole run without any, s"] = bare
            print(f"\n{count} tests: {case}, {bare:.2f} s without any guard, least of {rounds or 1}")
            for variant, taken in least.items():
                print(f"  {variant:32} {figures[case][variant]:+7.3f} ms per test, {taken / bare:6.3f} times")
        taking = "".join(
            TAKING.format(count=empty // 2, name=name, argument=argument) for name, argument in FAKES.items()
        )
        (service.folder / "tests/unit/test_taking.py").write_text(f"import pytest\n{taking}")
        runs = [durations(service, python, folder / "log.jsonl") for _ in range(rounds // 2 or 1)]
        fakes = {fake: min(run[fake] for run in runs) for fake in FAKES}
        figures["fakes"] = {fake: 1000 * (taken - fakes["none"]) for fake, taken in fakes.items()}
        print(
            f"\nAn empty test takes {1000 * fakes['none']:.2f} ms, least of {len(runs)} medians; with a fake:"
        )
        for fake, taken in figures["fakes"].items():
            print(f"  {fake:32} {taken:+7.3f} ms per test")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
