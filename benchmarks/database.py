"""What a test on a database costs, and what it costs to get there: `nox -s bench -- database [--quick] [--json FILE]`.

Renders the service, then measures there, on a server and in a cache folder of its own:

1. Each way to give a test a clean database, in one process of pytest, in turns, so that a noisy machine harms all alike.
   A test's time is that of its whole protocol: set-up, call, tear-down and reports.
2. The shares of the rollback tier's safety measures, in a loop without pytest.
3. Whole runs of pytest with one test on PostgreSQL per worker, beside runs with as many empty unit tests.

A missed mark fails nothing. Other work on the machine only ever adds to a time: compare ratios, not the times of two runs.

The file system counts, as to clone a database is to copy 300 files: TMPDIR says where. On ext4 without a journal, as some
virtual machines have it, each file takes the longer to make the more were deleted in the last minutes.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from rendering import ROOT
from service import outside_environment, render_from_outside


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    rounds: int
    cheap: int
    """Tests per method and round."""
    slow: int
    """The same for the methods that take ten milliseconds or more."""
    passes: int
    """Of the loop without pytest."""
    repeats: int
    """Runs of pytest per case of start-up."""
    workers: tuple[int, ...]
    revisions: tuple[int, ...]
    """Lengths of the chain of migrations, beside the one that is rendered."""


FULL = Extent(5, 20, 5, 500, 4, (0, 1, 2, 4, 8), (10, 100, 400))
QUICK = Extent(1, 3, 1, 20, 1, (0, 2), (10,))
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
RENDERED = 2
"""The number of migrations that are rendered."""

METHODS = {
    "TestUnit": "SQLite, rolled back: the unit tier",
    "TestPlain": "rollback, no safety measures",
    "TestIntegration": "rollback, everything: the integration tier",
    "TestDelete": "DELETE from all tables",
    "TestTruncate": "TRUNCATE of all tables",
    "TestCreateAll": "create_all and drop_all",
    "TestCommitted": "committed_db: the committed tier",
    "TestOwnPostgresql": "postgresql, as the service has it",
    "TestLoadedPostgresql": "postgresql, pytest-postgresql's, loaded template",
}
SHARES = {
    "guard savepoint": ("unwatched", "guard"),
    "SET CONSTRAINTS ALL IMMEDIATE": ("unwatched", "constraints"),
    "unlock, DEALLOCATE ALL, DISCARD SEQUENCES": ("unwatched", "resets"),
    "event listeners, and what else the class does": ("service", "unwatched"),
    "all of these": ("service", "none"),
    "BEGIN and ROLLBACK sent by hand": ("none", "plain"),
}
"""The variants of the loop with and without each measure."""

TIER = "from tests.bench.methods import Bodies\n\n\nclass Test{}(Bodies):\n    slow = {}\n"
REPEATED = """
import os, pytest, sqlalchemy
pytestmark = pytest.mark.parametrize("number", range(int(os.environ["BENCH_TESTS"])))
"""
START = {
    "unit": f"{REPEATED}def test_empty(number):\n    pass\n",
    "integration": f"{REPEATED}def test_select(number, db_session):\n    db_session.execute(sqlalchemy.text('SELECT 1'))\n",
}
REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{:04}", "{:04}"

def upgrade():
    {}
"""


@dataclass(frozen=True)
class Spread:
    """The middle of some times, and between what four fifths of them lie."""

    median: float
    p10: float
    p90: float

    def __str__(self) -> str:
        median, p10, p90 = (f"{value:.{0 if abs(value) >= 100 else 2}f}" for value in astuple(self))
        return f"{median} ({p10} to {p90})"


def spread(seconds: Iterable[float], *, minus: float = 0, unit: float = 1) -> Spread:
    """Return the spread of `seconds`, less `minus` seconds, in `unit` seconds: 1e-3 for milliseconds."""
    values = [(value - minus) / unit for value in seconds]
    deciles = statistics.quantiles(values * (2 if len(values) == 1 else 1), n=10, method="inclusive")
    return Spread(deciles[4], deciles[0], deciles[8])


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def print_table(title: str, *rows: Sequence[object]) -> None:
    """Print rows, the first of which is the head; the first column is left-aligned."""
    columns = list(zip(*rows, strict=True))
    widths = [max(len(str(cell)) for cell in column) for column in columns]
    say(f"\n{title}")
    for first, *others in rows:
        cells = (str(cell).rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        say("   ".join([f"  {first}".ljust(widths[0] + 2), *cells]))


class Bench:
    """The rendered service, and what is found out in it."""

    def __init__(self, folder: Path, extent: Extent) -> None:
        """Render the service into `folder`, which others may enter, and install it."""
        say("Rendering and installing the service ...")
        self._extent = extent
        self._folder = folder
        self._cache = folder / "cache"
        self._cache.mkdir()
        # Some programs leave files in the temporary folder, and so does the server.
        environment = outside_environment(folder / "outside") | {"TMPDIR": str(folder)}
        self._service = render_from_outside(ROOT, folder / "service", environment)
        self._service.run("uv", "sync", "--locked")
        self._tests = self._service.folder / "tests"
        self.results: dict[str, Any] = {"extent": extent, "marks": []}

    def measure_tests(self) -> None:
        """Measure what each method costs per test, and what the safety measures do."""
        bench = self._tests / "bench"
        shutil.copytree(Path(__file__).parent / "in_service", bench)
        (bench / "__init__.py").touch()
        files = [bench / "methods.py"]
        for tier in ("unit", "integration", "committed"):
            files.append(self._tests / tier / "test_bench.py")
            files[-1].write_text(TIER.format(tier.title(), tier == "committed"))
        times = self._folder / "times.json"
        plan = json.dumps(asdict(self._extent) | {"file": str(times)})
        say("Measuring each method per test ...")
        self._python("-m", "pytest", "-q", "-p", "tests.bench.stopwatch", *map(str, files), BENCH_PLAN=plan)
        say("Measuring the shares of the safety measures ...")
        loop = json.loads(self._python("-m", "tests.bench.loop", str(self._extent.passes)))
        if not any(self._cache.iterdir()):
            sys.exit(
                "The server didn't use the benchmark's cache folder: set TMPDIR to one that others may enter"
            )
        self.results |= {"tests_seconds": json.loads(times.read_text()), "loop_seconds": loop["seconds"]}
        self.results["machine"] = (
            f"{platform.platform()}, {CORES} cores, Python {loop['python']}, "
            "PostgreSQL {}, fsync {}, in {}".format(*loop["settings"], self._folder.parent)
        )

    def measure_start_up(self) -> None:
        """Measure what PostgreSQL adds to a run of pytest."""
        for tier, text in START.items():
            (self._tests / tier / "test_start.py").write_text(text)
            self._run_suite(tier, 0)  # compiles everything
        cases = [(workers, RENDERED) for workers in self._extent.workers]
        cases += [(0, revisions) for revisions in self._extent.revisions]
        seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for repeat in range(self._extent.repeats):
            say(f"Measuring start-up, {repeat + 1} of {self._extent.repeats} ...")
            for workers, revisions in cases:
                self._write_revisions(revisions)
                shutil.rmtree(self._cache)
                self._cache.mkdir()
                empty, cold, warm = (
                    self._run_suite(tier, workers) for tier in ("unit", "integration", "integration")
                )
                figures = {"empty": empty, "cold": cold - empty, "warm": warm - empty}
                for kind, figure in figures.items():
                    seconds[f"-n {workers}, {revisions} migrations"][kind].append(figure)
        self.results["start_up_seconds"] = seconds

    def _run_suite(self, tier: str, workers: int) -> float:
        """Return the seconds that pytest takes for one test per worker."""
        command = ("-m", "pytest", "-q", "-n", str(workers), f"tests/{tier}/test_start.py")
        started = time.perf_counter()
        self._python(*command, BENCH_TESTS=str(workers or 1))
        return time.perf_counter() - started

    def _python(self, *arguments: str, **environment: Any) -> str:
        """Run the service's Python, and return what it prints."""
        command = (".venv/bin/python", *arguments)
        return self._service.run(*command, XDG_CACHE_HOME=str(self._cache), **environment).stdout

    def _write_revisions(self, count: int) -> None:
        """Make the chain of migrations `count` long: each tenth adds a table, those between a column of it."""
        folder = self._service.folder / "migrations" / "versions"
        for path in folder.glob("*_extra.py"):
            path.unlink()
        for number in range(RENDERED + 1, count + 1):
            table, column = divmod(number - RENDERED - 1, 10)
            change = f'op.add_column("extra{table}", sa.Column("column{column}", sa.Integer()))'
            if column == 0:
                change = f'op.create_table("extra{table}", sa.Column("id", sa.Integer(), primary_key=True))'
            (folder / f"{number:04}_extra.py").write_text(REVISION.format(number, number - 1, change))

    def report(self) -> None:
        """Print tables and marks, and add their figures to the results."""
        say(f"\n{self.results['machine']}")
        self._report_tests()
        self._report_shares()
        self._report_start_up()
        rows = ((mark["mark"], f"{mark['figure']:.2f}", mark["verdict"]) for mark in self.results["marks"])
        print_table("Marks", ("", "measured", ""), *rows)

    def _report_tests(self) -> None:
        measured, loop = self.results["tests_seconds"], self.results["loop_seconds"]
        empty = statistics.median(measured["TestEmpty"]["nothing"])
        figures = {"bare": {body: spread(times["bare"], unit=1e-3) for body, times in loop.items()}}
        for method in METHODS:
            bodies = measured[method].items()
            figures[method] = {body: spread(times, minus=empty, unit=1e-3) for body, times in bodies}
        tier = figures["TestIntegration"]

        def row(label: str, method: str) -> list[str]:
            cells = [label]
            for body in ("nothing", "rows"):
                figure = figures[method][body]
                cells += [str(figure), f"{figure.median / tier[body].median:.2f}"]
            return cells

        print_table(
            f"Per test, ms beyond the {empty * 1e3:.2f} ms of an empty one: median (p10 to p90), times the integration tier",
            ("", "taking the fixture", "times", "2 rows, 2 commits, count", "times"),
            row("the statements alone: psycopg, no pytest", "bare"),
            *(row(label, method) for method, label in METHODS.items()),
        )
        self.results["tests_ms"] = figures
        nothing, committed = tier["nothing"].median, figures["TestCommitted"]["rows"].median
        self._mark("rollback with everything, taking the fixture: ≤ 1.5 ms", nothing, nothing <= 1.5)
        factor = figures["TestLoadedPostgresql"]["nothing"].median / nothing
        self._mark("pytest-postgresql's client fixture: ≥ 20 times that", factor, factor >= 20)
        self._mark("committed_db, with rows: ≤ 50 ms", committed, committed <= 50)

    def _report_shares(self) -> None:
        figures: dict[str, dict[str, Spread]] = defaultdict(dict)
        for body, times in self.results["loop_seconds"].items():
            for label, (more, less) in SHARES.items():
                differences = (a - b for a, b in zip(times[more], times[less], strict=True))
                figures[label][body] = spread(differences, unit=1e-6)
        print_table(
            "Shares of the safety measures, µs per test: median (p10 to p90) of the differences in each pass",
            ("", "taking the fixture", "2 rows, 2 commits, count"),
            *((label, bodies["nothing"], bodies["rows"]) for label, bodies in figures.items()),
        )
        self.results["shares_us"] = figures

    def _report_start_up(self) -> None:
        figures = {
            case: {kind: spread(times) for kind, times in kinds.items()}
            for case, kinds in self.results["start_up_seconds"].items()
        }
        print_table(
            "Start-up, s beyond a run of as many empty unit tests: median (p10 to p90)",
            ("", "empty tests", "first run ever", "warm, server stopped"),
            *((case, *kinds.values()) for case, kinds in figures.items()),
        )
        self.results["start_up_s"] = figures
        usual = figures[f"-n 0, {RENDERED} migrations"]
        cold, warm = usual["cold"].median, usual["warm"].median
        self._mark("warm start: ≤ 0.5 s", warm, warm <= 0.5)
        self._mark("first run ever: ≤ 3 s", cold, cold <= 3)
        # With more workers than cores, whatever takes the processor's time takes so many times longer.
        workers = [f"-n {count}, {RENDERED} migrations" for count in self._extent.workers if count <= CORES]
        migrations = [f"-n 0, {count} migrations" for count in self._extent.revisions]
        for label, cases in {"migrations": migrations, "workers, one per core at most": workers}.items():
            growth = max(figures[case]["warm"].median for case in cases) - warm
            self._mark(f"warm start with more {label}: ≤ 0.1 s longer", growth, growth <= 0.1)

    def _mark(self, mark: str, figure: float, met: bool) -> None:
        self.results["marks"].append({"mark": mark, "figure": figure, "verdict": "met" if met else "MISSED"})


def stop(*_: object) -> NoReturn:
    """End, and clean up, undisturbed by a second signal: nox sends one soon after the first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit("Interrupted")


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(prog="nox -s bench -- database")
    parser.add_argument(
        "--quick", action="store_true", help="only see that it works: the figures are worth nothing"
    )
    parser.add_argument(
        "--json", type=Path, default=ROOT / ".cache/tests/bench-database.json", metavar="FILE"
    )
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the server is another user
        bench = Bench(folder, QUICK if options.quick else FULL)
        bench.measure_tests()
        bench.measure_start_up()
    bench.report()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(bench.results, default=asdict, indent=1), encoding="utf-8")
    say(f"\nAll figures are in {options.json}")


if __name__ == "__main__":
    main()
