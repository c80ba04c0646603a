# Kept by the template: an update replaces this file.
"""What the shards of a run did, together: `nox -s report`, for the last job of CI.

Takes `plan.json`, and from each folder in `.cache/tests/shards/` what one shard left: `.cache/tests/runs/`, `.cache/tests/coverage`
and the bytecode of its tests. Checks that each test ran in exactly one shard, merges times, coverage and records, and
compares all with the budgets. The summary goes to standard output, and to the page of GitHub's run (GITHUB_STEP_SUMMARY).
"""

import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools import budgets, records
from tools.plan import Plan, PlanError
from tools.records import Record
from tools.store import PATH, Moved, Store

SHARDS = Path(".cache", "tests", "shards")
COVERAGE = Path(".cache", "tests", "coverage")
LISTED = 10
"""How many lines of a kind are listed."""


@dataclass
class Findings:
    """What there is to say of all shards."""

    wrong: list[str] = field(default_factory=list)
    """Why this isn't a complete run, or one that is within the budgets."""
    results: dict[str, records.Result] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    slower: list[budgets.Slower] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)


def record_files(folder: Path) -> list[Path]:
    """Return the newest record in the folder of each shard."""
    return [
        records.newest(runs) for runs in sorted(folder.glob("*/.cache/tests/runs")) if any(runs.iterdir())
    ]


def read_shards(folder: Path) -> list[Record]:
    """Return the record of each shard, in their order; one that was killed doesn't say which shard it is of."""
    found = [record for path in record_files(folder) if (record := records.read(path)).facts.get("shard")]
    return sorted(found, key=lambda record: int(record.facts["shard"]["shard"]))


def join(folder: Path) -> None:
    """Write the records of all shards into one, which is then that of the last run."""
    with records.new(records.FOLDER).open("wb") as joined:
        for path in record_files(folder):
            joined.write(path.read_bytes())


def verify(plan: Plan, shards: Sequence[Record]) -> list[str]:
    """Return what is wrong with what the shards did; nothing if each test ran in exactly one."""
    ran: dict[str, list[int]] = defaultdict(list)
    collected: set[str] = set()
    wrong, seen = [], set()
    for record in shards:
        shard = record.facts["shard"]
        number = int(shard["shard"])
        if shard["digest"] != plan.digest or shard["of"] != len(plan.shards):
            wrong.append(f"shard {number} is of another plan")
            continue
        seen.add(number)
        collected.update(shard["selected"], shard["left"])
        for nodeid in record.results:
            ran[nodeid].append(number)
    wrong += [
        f"shard {n} left no record of a whole run" for n in range(1, len(plan.shards) + 1) if n not in seen
    ]
    wrong += [
        f"{nodeid} ran in shards {numbers}" for nodeid, numbers in sorted(ran.items()) if len(numbers) > 1
    ]
    return wrong + [f"{nodeid} didn't run" for nodeid in sorted(collected - ran.keys())]


def merge(shards: Iterable[Record], store: Store, limits: budgets.Budgets) -> Findings:
    """Add the times of all shards to the store, and return what they did. Raises OSError."""
    found, before = Findings(), store.tests
    for record in shards:
        found.results |= record.results
        found.again |= record.again
        found.seconds |= {nodeid: sum(times[:3]) for nodeid, times in record.times.items()}
        found.quarantined |= record.quarantined
        try:
            run = record.run
        except ValueError as error:
            found.wrong.append(f"shard {record.facts['shard']['shard']} left {error}")
            continue
        found.slower += budgets.slower(run, before, limits.slower)
        found.moved += store.add(run)
    found.wrong += [str(slower) for slower in found.slower]
    found.wrong += budgets.exceeded(limits, store.tests)
    return found


def combine_coverage(folder: Path) -> tuple[list[str], str]:
    """Merge what the shards covered, and return what is wrong with it, and the total in words."""
    parts = [str(path) for path in folder.glob("*/.cache/tests/coverage")]
    if not parts:
        return ["no shard left its coverage"], "unknown"

    def coverage(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "coverage", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603

    combined = coverage("combine", "--keep", *parts)
    if combined.returncode:
        return [f"coverage can't be merged: {combined.stdout.strip()}"], "unknown"
    coverage("xml")
    report = coverage("report", "--format=total")
    total = f"{report.stdout.split()[0]} %" if report.stdout.split() else report.stderr.strip()
    return (["coverage is below `fail_under` in pyproject.toml"] if report.returncode else []), total


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    escaped = [
        [str(cell).replace("|", "\\|") for cell in cells] for cells in (head, ["---"] * len(head), *rows)
    ]
    return [*(f"| {' | '.join(cells)} |" for cells in escaped), ""]


def _list(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    more = [f"- … and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return [f"### {title}", "", *(f"- {line}" for line in lines[:LISTED]), *more, ""]


def summarize(plan: Plan, shards: Sequence[Record], found: Findings, coverage: str) -> str:
    """Return the summary, in Markdown."""
    outcomes = Counter(result.outcome for result in found.results.values())
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "no test ran"
    rows, took = [], []
    for record in shards:
        facts = record.facts
        number = int(facts["shard"]["shard"])
        took.append(sum(found.seconds.get(nodeid, 0.0) for nodeid in record.results))
        predicted = f"{plan.shards[number - 1].seconds:.1f} s" if number <= len(plan.shards) else "?"
        rows.append(
            (
                number,
                len(record.results),
                predicted,
                f"{took[-1]:.1f} s",
                f"{facts['seconds']:.1f} s",
                facts["workers"],
            )
        )
    mean = sum(took) / len(took) if took else 0.0
    balance = (
        f"The slowest shard has {max(took) / mean:.2f} times the mean of the tests' time." if mean else ""
    )
    failed = [
        f"`{nodeid}`: {result.error}"
        + (
            " **Flaky: it passed when it ran again on its own.**"
            if found.again.get(nodeid) == "passed"
            else ""
        )
        for nodeid, result in found.results.items()
        if result.outcome == "failed"
    ]
    longest = sorted(found.seconds.items(), key=lambda pair: -pair[1])[:LISTED]
    lines = [
        f"## Tests: {counts}; coverage {coverage}",
        "",
        *_list("Wrong with the run", found.wrong),
        *_list("Failed", failed),
        *_list("Failed in quarantine", [f"`{nodeid}`: {why}" for nodeid, why in found.quarantined.items()]),
        *_table(("shard", "tests", "predicted", "took", "wall time", "workers"), rows),
        balance,
        "",
        "### Slowest",
        "",
        *_table(("seconds", "test"), ((f"{seconds:.2f}", f"`{nodeid}`") for nodeid, seconds in longest)),
        *_list("Slower than before", [str(slower) for slower in found.slower]),
        *_list(
            "Have another speed now",
            [
                f"`{nodeid}`: {old.speed}, now {new.speed} ({old.seconds:.2f} s, now {new.seconds:.2f} s)"
                for nodeid, old, new in found.moved
            ],
        ),
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> str | None:
    """Merge, check and report; return what is to be done, None if nothing is."""
    folder = Path(*arguments) if arguments else SHARDS
    try:
        plan, limits = Plan.read(Path("plan.json")), budgets.read(Path())
    except (PlanError, ValueError) as error:
        return str(error)
    shards = read_shards(folder)
    wrong = verify(plan, shards)
    found = merge(shards, Store(PATH), limits)
    for tests in folder.glob("*/tests"):  # only bytecode is in there
        shutil.copytree(tests, "tests", dirs_exist_ok=True)
    join(folder)
    uncovered, coverage = combine_coverage(folder)
    found.wrong = [*wrong, *found.wrong, *uncovered]
    summary = summarize(plan, shards, found, coverage)
    print(summary)
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a") as file:
            file.write(f"{summary}\n")
    failed = any(result.outcome == "failed" for result in found.results.values())
    if found.wrong:
        return f"This run isn't right: {len(found.wrong)} findings, listed above under “Wrong with the run”."
    return "Tests failed." if failed else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
