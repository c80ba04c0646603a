"""The tests in several orders: names each test that depends on what ran before it.

As written and backwards: so each test runs before and after each other one. Then in random orders, for what takes several.
Orders run beside each other, one per core, each in one process: with `--orders N` the tests run N + 2 times. To find what one
of them depends on takes at most four times that of the tests, and as many starts of pytest as `log2(tests) * 2 + 8`; it is done
for three at most.
"""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pytest_tiers.commands.running import (
    CommandError,
    environment_with,
    need,
    parser_of,
    pytest_command,
    split,
    suite,
)
from pytest_tiers.timing import records
from pytest_tiers.timing.records import REACHED_THE_END, Result

EXPLAINED = 3
"""For how many tests the cause is looked for: the others are often due to the same."""
LOAD = ("-p", "pytest_tiers.commands.isolation_plugin")
SEARCH = "from detect_test_pollution import main; raise SystemExit(main())"  # with -m it wouldn't find itself
PROGRESS = re.compile(r"\[ *\d+%\]|\d+ tests remaining")
SUMMARY = re.compile(r"^\d+ .* in [\d.]+s.*$", re.MULTILINE)
SAYS = {
    "expected failure": "nothing that ran before it: in the same order it passes now; is it time, chance or load?",
    "unexpected pass": "several tests together: none of them alone makes it fail",
}
"""What the words of detect-test-pollution mean, where it doesn't name a test."""


@dataclass(eq=False)
class Order:
    """An order of the tests, what gives pytest this order, and each test's result in it."""

    name: str
    options: tuple[str, ...] = ()
    results: dict[str, Result] = field(default_factory=dict)

    def before(self, nodeid: str) -> list[str]:
        """Return the tests that ran before one."""
        tests = list(self.results)
        return tests[: tests.index(nodeid)]

    def __str__(self) -> str:
        """Return its name."""
        return self.name


def orders_of(seeds: range) -> list[Order]:
    """Return the orders to run in: each two tests come in both orders, and by the seeds among others."""
    random = [
        Order(f"seed {seed}", (*LOAD, "--tiers-order=random", f"--randomly-seed={seed}")) for seed in seeds
    ]
    return [Order("as written", LOAD), Order("backwards", (*LOAD, "--tiers-order=backwards")), *random]


class Job:
    """A process that runs tests, and the file that its output goes into."""

    def __init__(
        self, name: str, command: list[str], output: Path, environment: Mapping[str, str] = os.environ
    ) -> None:
        """Take what to run, and how it is called when its progress is shown."""
        self._name, self._command, self._output = name, command, output
        self._environment = environment

    def start(self) -> None:
        """Start the process."""
        with self._output.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603 - pytest, or detect-test-pollution
                self._command, stdout=output, stderr=subprocess.STDOUT, env=self._environment
            )

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._output.read_text(errors="replace")

    def __str__(self) -> str:
        """Return how far it is, and in the end pytest's summary."""
        running = self.process.poll() is None
        found = PROGRESS.findall(self.said) if running else SUMMARY.findall(self.said)
        return f"{self._name}: {[('begins' if running else 'done'), *found][-1]}"


def run(jobs: list[Job]) -> None:
    """Run the jobs, as many at a time as there are cores, and say how far they are."""
    live, width = sys.stdout.isatty(), shutil.get_terminal_size().columns
    waiting, running = list(jobs), list[Job]()
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                waiting[0].start()
                running.append(waiting.pop(0))
            with suppress(subprocess.TimeoutExpired):
                running[0].process.wait(0.3)
            done = [job for job in running if job.process.poll() is not None]
            if live:
                print("\r\033[K", end="")
            for job in done:
                print(f"  {job}")
                running.remove(job)
            if live:
                print(f"  {'; '.join(map(str, running))}"[: width - 1], end="", flush=True)
    finally:
        for job in running:
            job.process.terminate()
        for job in running:
            job.process.wait()


def run_orders(orders: list[Order], arguments: list[str], folder: Path) -> None:
    """Run the tests in these orders and take in the results. Raises CommandError if a run doesn't reach its end."""
    jobs = []
    for order in orders:
        options = ["-q", "--no-header", "--tb=short", f"--tiers-record={folder / f'{order}.jsonl'}"]
        command = pytest_command(*options, *order.options, *arguments, workers=0)
        jobs.append(Job(str(order), command, folder / f"{order}.txt"))
    run(jobs)
    for order, job in zip(orders, jobs, strict=True):
        status = job.process.returncode
        if status not in REACHED_THE_END:
            raise CommandError(
                f"{job.said}\nNothing was compared: pytest ended with status {status} ({order}). Mend that first.",
                status if status >= 0 else 128 - status,
            )
        order.results.update(records.read(folder / f"{order}.jsonl").results)


class Dependent:
    """A test that fails in some orders and not in others."""

    def __init__(self, nodeid: str, orders: list[Order], arguments: list[str]) -> None:
        """Note where it failed; `arguments` are those of the runs."""
        results = {order: order.results.get(nodeid, Result()).outcome for order in orders}
        self.nodeid = nodeid
        self.fails = [order for order, outcome in results.items() if outcome == "failed"]
        self.passes = [order for order, outcome in results.items() if outcome not in ("failed", "not run")]
        self.cause = "not looked for: mend those above first"
        self._reproduce = [*self.fails[0].options, *arguments]

    def search(self, folder: Path, number: int, *, needs: bool = False) -> Job:
        """Return what searches for the test that makes this one fail; with `needs`, for the one that lets it pass."""
        orders = self.passes if needs else self.fails
        before = min((order.before(self.nodeid) for order in orders), key=len)
        file = folder / f"{number}.{needs}"
        file.write_text("\n".join([*before, self.nodeid]))
        command = [sys.executable, "-c", SEARCH, "--failing-test", self.nodeid]
        turned = [f"--tiers-turn-round={self.nodeid}"] if needs else []
        options = pytest_command(*LOAD, *turned, workers=0)[3:]  # without Python, -m and pytest
        environment = environment_with(options)
        return Job(self.nodeid, [*command, f"--testids-file={file}"], file.with_suffix(".txt"), environment)

    def learn(self, said: str, *, needs: bool = False) -> bool:
        """Take in what the search said; return whether it says that the test fails on its own."""
        if found := re.search(r"the polluting test is: (.+)", said):
            self.cause = f"{found[1]}, which {'has to' if needs else 'must not'} run before it"
            self._reproduce = [self.nodeid] if needs else [found[1], self.nodeid]
        elif "test failed! (output printed above)" in said and not needs:
            return True
        else:
            known = (meaning for words, meaning in SAYS.items() if words in said)
            self.cause = next(known, f"unknown, the search failed:\n{said}")
        return False

    def __str__(self) -> str:
        """Return what was found, in lines."""
        return (
            f"\n{self.nodeid}\n"
            f"    fails       {', '.join(map(str, self.fails))}: {self.fails[0].results[self.nodeid].error}\n"
            f"    passes      {', '.join(map(str, self.passes))}\n"
            f"    depends on  {self.cause}\n"
            f"    see it      pytest {shlex.join(self._reproduce)}"
        )


def explain(tests: list[Dependent], folder: Path) -> None:
    """Find out what these tests depend on."""
    print(f"\nWhat {len(tests)} of them depend on:", flush=True)
    needing = tests
    for needs in (False, True):
        jobs = [test.search(folder, number, needs=needs) for number, test in enumerate(needing)]
        run(jobs)
        learnt = zip(needing, jobs, strict=True)
        needing = [test for test, job in learnt if test.learn(job.said, needs=needs)]


def main(arguments: list[str]) -> int:
    """Run, compare and report; return the exit code."""
    parser = parser_of("isolation", __doc__, passes_on=True)
    parser.add_argument(
        "--orders", type=int, default=3, help="random orders, beside the two that are always run (default: 3)"
    )
    parser.add_argument("--seed", type=int, help="of the first random order; the next ones count on from it")
    options, arguments = split(parser, arguments)
    if options.orders < 1:
        parser.error("--orders: at least one")
    suite()
    need("isolation", "pytest_randomly")
    need("isolation", "detect_test_pollution")
    seed = secrets.randbelow(10_000) if options.seed is None else options.seed
    orders = orders_of(range(seed, seed + options.orders))
    print(f"The tests in {len(orders)} orders: {', '.join(map(str, orders))}.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run_orders(orders, arguments, Path(folder))
        failed = {
            nodeid
            for order in orders
            for nodeid, result in order.results.items()
            if result.outcome == "failed"
        }
        found = [Dependent(nodeid, orders, arguments) for nodeid in sorted(failed)]
        broken = [test for test in found if not test.passes]
        dependent = [test for test in found if test.passes]
        if dependent:
            explain(dependent[:EXPLAINED], Path(folder))
    for test in broken:
        print(f"\n{test.nodeid}\n    fails in every order: {test.fails[0].results[test.nodeid].error}")
    for dependency in dependent:
        print(dependency)
    count = len({nodeid for order in orders for nodeid in order.results})
    print(
        f"\n{count} tests in {len(orders)} orders: {len(dependent)} depend on the order, {len(broken)} fail in each."
    )
    if found:
        raise CommandError(f"Mend them; the same orders again: tiers isolation --seed {seed}", status=1)
    return 0
