"""A whole suite, 1,882 and 10,000 tests: `nox -s bench -- scale [--quick] [--json FILE]`.

Renders the service, generates tests in a realistic mix in the place of its own (`in_service/generate.py`), and measures, in turns:

1. The bodies of all tests in a loop without pytest, with the statements of their fixtures: what there is to do.
2. The suite without workers, with 2, 4 and 8, with `-n auto`, and as two shards one after the other, each with `-n auto`.
3. Collecting it, from nothing and again, beside bare pytest, which has no plugins and no conftest.
4. Peak memory: empty tests, beside bare pytest.
5. The smaller suite in the usual set-ups, with a worker for each processor.

Speed-up is wall time without workers over wall time with them. A missed mark fails nothing. Other work on the machine only ever
adds to a time: compare ratios within one run.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from pytest_tiers.timing import workers
from rendering import ROOT
from service import Service, outside_environment, render_from_outside

BARE_INI = "[pytest]\npythonpath = . src\nmarkers =\n    unguarded: x\n    differs: x\n"
EMPTY = "\n\n".join(f"def test_{number}():\n    pass\n" for number in range(20))
USUAL_INI = "[pytest]\npythonpath = . src\naddopts = -p xdist.plugin -p pytest_postgresql.plugin --disable-plugin-autoload\n"
BARE = ("--disable-plugin-autoload", "-c", "bare.ini", "--rootdir=.")
HOLD = """
import sys
from pytest_tiers.databases.embedded import EmbeddedPostgres

with EmbeddedPostgres("helpdesk") as server:
    print(server.host, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Taken:
    """What a command took: seconds of wall time, of the processor, and the most memory of any of its processes, in MB."""

    seconds: float
    processor: float
    memory: float
    output: str


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def read_options(benchmark: str) -> argparse.Namespace:
    """Return what the command line of a benchmark says: `quick`, and `json`, the file for the figures."""
    parser = argparse.ArgumentParser(prog=f"nox -s bench -- {benchmark}")
    parser.add_argument(
        "--quick", action="store_true", help="only see that it works: the figures are worth nothing"
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=ROOT / f".cache/tests/bench-{benchmark}.json",
        metavar="FILE",
        help="where to write all figures",
    )
    return parser.parse_args()


def write(figures: Mapping[str, object], path: Path) -> None:
    """Write all figures to a file, and say where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1))
    say(f"\nAll figures are in {path}")


class Suite:
    """The rendered service with generated tests."""

    def __init__(self, folder: Path) -> None:
        """Render and install it."""
        folder.chmod(0o755)  # as root, the server is another user
        self._environment = outside_environment(folder / "outside") | {"TMPDIR": str(folder)}
        cache = folder / "cache"
        cache.mkdir()
        self._environment |= {"XDG_CACHE_HOME": str(cache)}
        self.service: Service = render_from_outside(ROOT, folder / "service", self._environment)
        self.service.run("uv", "sync", "--locked")
        self.tests = self.service.folder / "tests"
        for test in self.tests.glob("*/test_*.py"):
            test.unlink()
        bench = self.tests / "bench"
        shutil.copytree(Path(__file__).parent / "in_service", bench)
        (bench / "__init__.py").touch()
        (self.service.folder / "bare.ini").write_text(BARE_INI)
        (self.service.folder / "usual.ini").write_text(USUAL_INI)

    def generate(self, count: int) -> None:
        """Make it a suite of so many tests, of which nothing is known."""
        self.python("-m", "tests.bench.generate", str(count))
        shutil.rmtree(self.service.folder / ".cache", ignore_errors=True)

    def python(self, *arguments: str, **environment: str) -> Taken:
        """Run the service's Python. Exits where that fails."""
        with tempfile.TemporaryFile() as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                [".venv/bin/python", *arguments],
                cwd=self.service.folder,
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            output.seek(0)
            said = output.read().decode(errors="replace")
        if status:
            sys.exit(f"{' '.join(arguments)} failed:\n{said[-3000:]}")
        return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)

    def pytest(self, *arguments: str, **environment: str) -> Taken:
        """Run pytest."""
        return self.python("-m", "pytest", *arguments, **environment)

    def bodies(self) -> Taken:
        """Run the bodies of all tests without pytest; its time is that of the bodies."""
        taken = self.python("-m", "tests.bench.bare")
        count, seconds = taken.output.splitlines()[-1].split()
        return Taken(float(seconds), taken.processor, taken.memory, count)

    def shards(self, count: int) -> list[Taken]:
        """Run the suite in so many shards, one after the other."""
        self.python("-m", "pytest_tiers", "plan", "--shards", str(count))
        parts = [f"{number}/{count}" for number in range(1, count + 1)]
        return [self.pytest("-q", "-n", "auto", "--plan", "plan.json", "--shard", part) for part in parts]

    def forget_bytecode(self) -> None:
        """Make it as in a fresh clone."""
        for folder in ("tests", "src", "packages", "migrations"):
            for bytecode in (self.service.folder / folder).rglob("__pycache__"):
                shutil.rmtree(bytecode)

    def make_usual(self) -> None:
        """Take the tiers' conftests away, so that each test has PostgreSQL in the usual way."""
        for tier in ("unit", "integration", "committed"):
            (self.tests / tier / "conftest.py").unlink()
        with (self.tests / "conftest.py").open("a") as conftest:
            conftest.write("\n\nfrom tests.bench.usual import *  # noqa\n")

    def make_empty(self, count: int) -> None:
        """Make it a suite of tests that do nothing."""
        for test in self.tests.glob("*/test_*.py"):
            test.unlink()
        for number in range(count // 20):
            (self.tests / "unit" / f"test_empty_{number:04}.py").write_text(EMPTY)
        shutil.rmtree(self.service.folder / ".cache", ignore_errors=True)


def middle(takens: list[Taken]) -> float:
    """Return the middle wall time."""
    return statistics.median(taken.seconds for taken in takens)


class Bench:
    """What is measured, and what is said of it."""

    def __init__(self, suite: Suite, sizes: tuple[int, int], rounds: tuple[int, int]) -> None:
        """Take the suite, the sizes to make it, and how often each is measured."""
        self._suite, self._sizes, self._rounds = suite, sizes, rounds
        self.figures: dict[str, dict[str, float]] = defaultdict(dict)
        self.marks: list[tuple[str, float, bool]] = []

    def _mark(self, mark: str, figure: float, met: bool) -> None:
        self.marks.append((mark, figure, met))

    def measure_runs(self) -> None:
        """Measure whole runs of both suites."""
        for size, rounds in zip(self._sizes, self._rounds, strict=True):
            self._suite.generate(size)
            say(f"\n{size} tests: a first run, which measures them ...")
            self._suite.pytest("-q", "-n", "0")
            ways: dict[str, Callable[[], Taken]] = {"the bodies alone, without pytest": self._suite.bodies}
            for count in ("0", "2", "4", "8", "auto"):
                ways[f"-n {count}"] = lambda count=count: self._suite.pytest("-n", count)  # type: ignore[misc]
            taken: dict[str, list[Taken]] = defaultdict(list)
            shards: list[list[Taken]] = []
            for number in range(1, rounds + 1):
                say(f"{size} tests: round {number} of {rounds}, some minutes ...")
                for way, run in ways.items():
                    taken[way].append(run())
                shards.append(self._suite.shards(2))
            self._report_runs(size, taken, shards)

    def _report_runs(self, size: int, taken: dict[str, list[Taken]], shards: list[list[Taken]]) -> None:
        figures = self.figures[f"{size} tests"]
        bare = middle(taken["the bodies alone, without pytest"])
        serial = middle(taken["-n 0"])
        say(f"\n{size} tests, wall time in s: middle of {len(shards)} (least to most)")
        for way, takens in taken.items():
            seconds = [one.seconds for one in takens]
            figures[way] = middle(takens)
            speed_up = f"{serial / figures[way]:5.2f} times as fast as -n 0" if way.startswith("-n") else ""
            say(
                f"  {way:34} {figures[way]:7.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
                f"   {figures[way] / bare:5.2f} times the bodies   {max(one.memory for one in takens):5.0f} MB   {speed_up}"
            )
        parts = [statistics.median(round_[part].seconds for round_ in shards) for part in range(2)]
        figures["two shards"] = sum(parts)
        say(
            f"  two shards, one after the other    {sum(parts):7.1f} (the first {parts[0]:.1f}, the second {parts[1]:.1f})"
        )
        for line in re.findall(r"^-n auto: .*$", taken["-n auto"][-1].output, re.MULTILINE):
            say(f"  {line}")
        best = min((way for way in figures if way.startswith("-n")), key=lambda way: figures[way])
        self._mark(
            f"{size} tests, {best}: ≤ 1.6 times the bodies alone",
            figures[best] / bare,
            figures[best] <= 1.6 * bare,
        )
        fixed = min(figures[way] for way in figures if way.startswith("-n") and "auto" not in way)
        self._mark(
            f"{size} tests, -n auto: ≤ 1.1 times the best fixed number",
            figures["-n auto"] / fixed,
            figures["-n auto"] <= 1.1 * fixed,
        )

    def compare_sizes(self) -> None:
        """Compare the cost per test of both sizes, beyond what the tests themselves take."""
        small, large = (self.figures[f"{size} tests"] for size in self._sizes)
        for way in ("-n 0", "-n auto"):
            costs = [figures[way] / figures["the bodies alone, without pytest"] for figures in (small, large)]
            self._mark(
                f"{way}: cost per test, over that of its body, no higher in the larger suite",
                costs[1] / costs[0],
                costs[1] <= costs[0],
            )

    def measure_collection(self, repeats: int) -> None:
        """Measure what collecting takes, beside bare pytest."""
        for size in self._sizes:
            self._suite.generate(size)
            say(f"\nCollecting {size} tests ...")
            seconds: dict[str, list[float]] = defaultdict(list)
            memory: dict[str, float] = {}
            for _ in range(repeats):
                for who, options in (("the service", ("-n", "0")), ("bare pytest", BARE)):
                    self._suite.forget_bytecode()
                    for state in ("cold", "warm"):
                        taken = self._suite.pytest("-q", "--collect-only", *options, "tests")
                        seconds[f"{who}, {state}"].append(taken.seconds)
                        memory[who] = taken.memory
            self._suite.forget_bytecode()
            cold = {count: self._collected_by_workers(count, cold=True) for count in (2, 8)}
            warm = {count: self._collected_by_workers(count, cold=False) for count in (2, 8)}
            figures = self.figures[f"collecting {size} tests"]
            for name, values in seconds.items():
                figures[name] = statistics.median(values)
                say(f"  {name:24} {figures[name]:6.2f} s")
            for count in cold:
                figures[f"-n {count}, cold"], figures[f"-n {count}, warm"] = cold[count], warm[count]
                say(
                    f"  all but one deselected, -n {count}: cold {cold[count]:.2f} s, warm {warm[count]:.2f} s"
                )
            ratio = figures["the service, warm"] / figures["bare pytest, warm"]
            self._mark(f"collecting {size} tests: ≤ 1.1 times bare pytest", ratio, ratio <= 1.1)

    def _collected_by_workers(self, count: int, *, cold: bool) -> float:
        if cold:
            self._suite.forget_bytecode()
        return self._suite.pytest("-q", "-n", str(count), "-k", "test_a_broken_cursor and 0000").seconds

    def measure_memory(self) -> None:
        """Measure how much memory tests take that do nothing."""
        say("\nPeak memory of a run of empty tests, in MB")
        grown = {}
        for who, options in (("the service", ("-n", "0")), ("bare pytest", BARE)):
            peaks = []
            for size in self._sizes:
                self._suite.make_empty(size)
                peaks.append(self._suite.pytest("-q", *options, "tests/unit").memory)
            grown[who] = (peaks[1] - peaks[0]) / (self._sizes[1] - self._sizes[0]) * 1000
            self.figures["memory"] |= {
                f"{who}, {size}": peak for size, peak in zip(self._sizes, peaks, strict=True)
            }
            say(
                f"  {who:12} {peaks[0]:6.0f} with {self._sizes[0]} tests, {peaks[1]:6.0f} with {self._sizes[1]}: {grown[who]:.1f} per 1,000"
            )
        ratio = grown["the service"] / grown["bare pytest"] if grown["bare pytest"] > 0 else 1.0
        self._mark("memory per test: ≤ 1.5 times bare pytest", ratio, ratio <= 1.5)

    def measure_usual(self) -> None:
        """Measure the smaller suite in the usual set-ups."""
        size = self._sizes[0]
        self._suite.generate(size)
        self._suite.make_usual()
        holder = subprocess.Popen(
            [".venv/bin/python", "-c", HOLD],
            cwd=self._suite.service.folder,
            env=self._suite._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holder.stdout is not None
        host = holder.stdout.readline().strip()
        figures = self.figures[f"{size} tests"]
        say(f"\n{size} tests in the usual set-ups, a worker for each processor, wall time in s")
        for name, text in {
            "client": "pytest-postgresql's client fixture",
            "create_all": "create_all and drop_all",
        }.items():
            say(f"  {text}: some minutes ...")
            options = ("-q", "-c", "usual.ini", "--rootdir=.", "-n", "auto", "tests")
            figures[text] = self._suite.pytest(*options, USUAL=name, USUAL_HOST=host).seconds
            say(
                f"  {text:34} {figures[text]:7.1f}   {figures[text] / figures['-n auto']:5.1f} times as long as -n auto here"
            )
        holder.communicate()

    def report(self) -> None:
        """Print the marks."""
        say("\nMarks")
        for mark, figure, met in self.marks:
            say(f"  {mark:76} {figure:6.2f}  {'met' if met else 'MISSED'}")


def main() -> None:
    """Measure, print, and write the figures."""
    options = read_options("scale")
    sizes, rounds = ((60, 120), (1, 1)) if options.quick else ((1882, 10_000), (3, 2))
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        say("Rendering and installing the service ...")
        suite = Suite(folder)
        gains = [workers.measure_gain(2) for _ in range(5)]
        say(
            f"{platform.platform()}, {workers.cores()} processors, Python {platform.python_version()}:"
            f" two busy processes do {min(gains):.2f} to {max(gains):.2f} times the work of one"
        )
        bench = Bench(suite, sizes, rounds)
        bench.figures["machine"]["two busy processes"] = statistics.median(gains)
        bench.measure_runs()
        bench.compare_sizes()
        bench.measure_collection(1 if options.quick else 3)
        bench.measure_memory()
        bench.measure_usual()
        bench.report()
    marks = [{"mark": mark, "figure": figure, "met": met} for mark, figure, met in bench.marks]
    write({"figures": bench.figures, "marks": marks}, options.json)


if __name__ == "__main__":
    main()
