"""What to do about a slow suite: at most seven things, those first that save most of the run's wall time.

Each is an estimate from the record of one run. Seconds that several workers spend at once save less wall time than they are,
so they are divided by how many tests ran at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from operator import attrgetter
from statistics import median
from typing import NamedTuple

from pytest_tiers.commands.dashboard.context import Context
from pytest_tiers.commands.dashboard.model import Fixture, Test
from pytest_tiers.timing.measures import Machine
from pytest_tiers.timing.workers import USUAL, WORTH, Work, most, predict

MOST = 7
"""How many things are said."""
TELLING = 0.001
"""Seconds of the processor from which a test says how busy the machine was."""
REPEATED = 25
"""How often one test may execute statements of one shape before it is said."""
CHEAP = 0.002
"""Seconds below which a fixture may be set up for each test."""
WAITS = 0.05
"""Seconds from which a test's waiting is worth a word."""
LEAST, LEAST_PART = 0.05, 0.01
"""What has to be saved at least: seconds, and the part of the wall time."""
TRUSTED = 0.25
"""By which part the prediction for the run as it was may be wrong, for those of other numbers of workers to be believed."""
PREDICTED = 0.9
"""Other numbers of workers are said only if they make the run so much shorter: predictions aren't exact."""


class Advice(NamedTuple):
    """One thing to do."""

    title: str
    evidence: str
    seconds: float
    """What it would save of the wall time, by estimate."""
    section: str
    """The part of the page that shows it."""
    find: str = ""
    """What to search for there."""


def advise(context: Context) -> list[Advice]:
    """Return what to do, the most seconds first."""
    least = max(LEAST, LEAST_PART * context.shown.wall)
    kinds = (
        _wider_fixtures, _misplaced, _repeated, _imports, _idle, _shards, _sleeps, _flaky, _workers,
    )  # fmt: skip
    found = [advice for kind in kinds for advice in kind(context) if advice.seconds >= least]
    return sorted(found, key=attrgetter("seconds"), reverse=True)[:MOST]


def seconds(value: float) -> str:
    """Return seconds as a person reads them."""
    if value < 0.0995:
        return f"{value * 1000:.{0 if value >= 0.00995 else 1}f} ms"
    if value < 99.5:
        return f"{value:.{1 if value >= 9.95 else 2}f} s"
    return f"{value // 60:.0f} min {value % 60:.0f} s"


def tests(count: int) -> str:
    """Return so many tests in words."""
    return f"{count:,} test{'' if count == 1 else 's'}"


def short(nodeid: str) -> str:
    """Return a test without the folders of its file."""
    file, found, name = nodeid.partition("::")
    return f"{file.rpartition('/')[2]}{found}{name}"


def _wall(context: Context, of_workers: float) -> float:
    return of_workers / context.timeline.at_once


def _wider_fixtures(context: Context) -> Iterator[Advice]:
    of_name: dict[str, list[Fixture]] = defaultdict(list)
    for fixture in context.shown.fixtures:
        if fixture.scope == "function" and fixture.setups and fixture.places:
            of_name[fixture.name].append(fixture)
    for name, found in of_name.items():
        setups, total = sum(fixture.setups for fixture in found), sum(fixture.seconds for fixture in found)
        places, each = sum(fixture.places for fixture in found), total / setups
        if each < CHEAP:  # its tests' own work costs as much
            continue
        others = len(found) - 1
        where = found[0].place + (f" and {others} more file{'' if others == 1 else 's'}" if others else "")
        yield Advice(
            f"Give the fixture {name} a wider scope",
            f"{f'In {where} it' if where else 'It'} was set up {setups:,} times at {seconds(each)}, {seconds(total)} in all. "
            f'With scope="module", if no test changes what it gives, it would be set up '
            f"{'once' if places == 1 else f'{places:,} times'}.",
            _wall(context, each * (setups - places)),
            "fixtures",
            name,
        )


def _misplaced(context: Context) -> Iterator[Advice]:
    idle: dict[str, list[Test]] = defaultdict(list)
    for test, _ in context.misplaced:
        tier = context.tier(test.nodeid)
        idle[tier].append(test)
    for tier, found in idle.items():
        if tier == "unit":
            worst = found[0]
            yield Advice(
                f"Move {tests(len(found))} out of the unit tier, or make them do less",
                f"{short(worst.nodeid)} took {seconds(worst.seconds)}; the budget is {context.settings.budgets.unit:g} s.",
                _wall(
                    context, sum(max(test.seconds - context.settings.budgets.unit / 2, 0.0) for test in found)
                ),
                "misplaced",
            )
            continue
        around = sum(test.own[0] + test.own[2] for test in found)
        yield Advice(
            f"Move {tests(len(found))} from the {tier} tier to the unit tier",
            f"No statement was executed, and their set-up and tear-down took {seconds(around)}: {short(found[0].nodeid)}, "
            "for instance.",
            _wall(context, around),
            "misplaced",
        )


def _repeated(context: Context) -> Iterator[Advice]:
    spent: Counter[str] = Counter()
    worst: dict[str, tuple[int, str]] = {}
    for test in context.shown.tests:
        for shape, (count, took) in test.statements.items():
            if count >= REPEATED:
                spent[shape] += took * (count - 1) / count  # type: ignore[assignment]  # Counter adds up floats as well
                worst[shape] = max(worst.get(shape, (0, "")), (count, test.nodeid))
    for shape, saved in spent.items():
        count, nodeid = worst[shape]
        text = context.shown.shapes.get(shape, "a statement")
        yield Advice(
            f"Ask the database once, not {count:,} times",
            f"{short(nodeid)} executes one statement {count:,} times: {text[:120]}. All such tests spend "
            f"{seconds(saved)} in it; production may, too.",
            _wall(context, saved),
            "statements",
            text[:40],
        )


def _imports(context: Context) -> Iterator[Advice]:
    imports = context.shown.seconds_of("imports")
    if not imports:
        return
    file, worst = max(imports.items(), key=lambda pair: pair[1])
    total = sum(imports.values())
    yield Advice(
        "Import less while the tests are collected",
        f"Each worker spends {seconds(context.shown.collection)} on collecting, {seconds(total)} of it in imports; "
        f"{file} is the first to ask for {seconds(worst)} of them. What only some tests need can be imported in them.",
        total / 2,  # some of it will be needed by the first test anyway
        "collection",
        file,
    )


def _idle(context: Context) -> Iterator[Advice]:
    timeline = context.timeline
    last = timeline.critical
    if not last or not last.tests or context.shown.sharded:
        return
    test = max(last.tests[-20:], key=lambda test: test.whole)
    waiting = max((gap for gap in timeline.gaps if gap.last), key=attrgetter("seconds"), default=None)
    if waiting:
        yield Advice(
            f"Divide {short(test.nodeid)}, or let it begin earlier",
            f"{waiting.worker} had nothing to do in the last {seconds(waiting.seconds)}, while {last.process.worker} "
            f"was still running; this test took {seconds(test.whole)} of that worker's end.",
            timeline.idle_at_end,
            "timeline",
            test.nodeid,
        )


def _shards(context: Context) -> Iterator[Advice]:
    sessions = [session for session in context.shown.sessions if session.tests]
    if len(sessions) < 2:
        return
    slowest = max(sessions, key=attrgetter("seconds"))
    mean = sum(session.seconds for session in sessions) / len(sessions)
    longest = max(slowest.tests, key=lambda test: test.whole)
    took = longest.whole
    waits = took > 0.5 * slowest.seconds
    title = f"Divide {short(longest.nodeid)}: a shard waits for it" if waits else "Plan the shards anew"
    yield Advice(
        title,
        f"Shard {slowest.shard} took {seconds(slowest.seconds)}, the mean is {seconds(mean)}. Its longest test took "
        f"{seconds(took)}.",
        slowest.seconds - mean,
        "timeline" if waits else "shards",
        longest.nodeid if waits else "",
    )


def _sleeps(context: Context) -> Iterator[Advice]:
    slept = sorted(
        (test for test in context.shown.tests if test.slept >= WAITS), key=lambda test: -test.slept
    )
    if slept:
        total = sum(test.slept for test in slept)
        yield Advice(
            f"Don't sleep in {tests(len(slept))}",
            f"{seconds(total)} of the tests' time went into time.sleep, most of it in {short(slept[0].nodeid)}: "
            f"{seconds(slept[0].slept)}. Wait for what is to happen, or let frozen_time pass the time.",
            _wall(context, total),
            "tests",
            slept[0].nodeid,
        )
    turns = _turns(context.shown.tests)
    pairs = ((test, _waits(test, turns)) for test in context.shown.tests)
    waiting = [(test, waits) for test, waits in pairs if waits >= max(WAITS, 0.5 * test.seconds)]
    if waiting:
        total = sum(waits for _, waits in waiting)
        test, longest = max(waiting, key=lambda pair: pair[1])
        yield Advice(
            f"Find out what {tests(len(waiting))} wait{'s' if len(waiting) == 1 else ''} for",
            f"For {seconds(total)} neither the processor worked, nor a statement was executed, nor time.sleep called; "
            f"{short(test.nodeid)} waits longest, {seconds(longest)}. A fake can answer at once.",
            _wall(context, total),
            "tests",
            test.nodeid,
        )


def _turns(tests: Sequence[Test]) -> float:
    """Return how many times as long as the processor worked most tests took: on a busy machine they take turns."""
    ratios = [test.seconds / test.processor for test in tests if test.processor > TELLING]
    return max(median(ratios), 1.0) if ratios else 1.0


def _waits(test: Test, turns: float) -> float:
    executing = sum(took for _, took in test.statements.values())
    return test.seconds - test.processor * turns - test.slept - executing


def _flaky(context: Context) -> Iterator[Advice]:
    for test in context.flaky[:3]:
        part = test.failures / test.runs
        yield Advice(
            f"Mend or quarantine {short(test.nodeid)}",
            f"It is flaky: it failed in {test.failures} of {test.runs} runs"
            + (f", on main in {test.failures_on_main} of {test.runs_on_main}" if test.runs_on_main else "")
            + ". Each failure costs another run.",
            part * context.shown.wall,
            "flaky",
            test.nodeid,
        )


def _workers(context: Context) -> Iterator[Advice]:
    run = context.shown
    if run.sharded or not run.complete or not run.tests:
        return
    count, facts = int(run.facts.get("workers", 0)), run.facts.get("machine", {})
    machine = Machine(cores=int(facts.get("cores", 1)))
    for name in (*USUAL, "gain"):
        if name in facts:
            getattr(machine, name).append(float(facts[name]))
    work = Work(
        sum(test.seconds for test in run.tests),
        sum(test.processor for test in run.tests),
        max(test.seconds for test in run.tests),
        len(run.tests),
        len(run.tests),
    )
    times = [predict(workers, work, machine) for workers in range(most(machine.cores) + 1)]
    if count:
        times[0] = max(times[0], context.timeline.serial)
    now = times[count] if count < len(times) else predict(count, work, machine)
    if min(times) > PREDICTED * now or abs(now / run.wall - 1) > TRUSTED:
        return
    few = next(workers for workers, took in enumerate(times) if took <= min(times) / WORTH)
    kept = {0: "without workers", 1: "with 1 worker"}.get(few, f"with {few} workers")
    ran = {0: "ran without workers", 1: "had 1 worker"}.get(count, f"had {count} workers")
    part = 1 - times[few] / now
    yield Advice(
        f"Run the tests {kept}",
        f"This run {ran} on {machine.cores} processors. By what it measured, {kept} it would take about "
        f"{seconds((1 - part) * run.wall)} instead of {seconds(run.wall)}; `-n auto` finds the number by itself.",
        part * run.wall,
        "timeline",
    )
