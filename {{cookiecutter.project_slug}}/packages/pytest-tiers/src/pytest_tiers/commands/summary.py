"""What all shards did, in Markdown."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_tiers.timing import budgets, records
from pytest_tiers.timing.plan import Plan
from pytest_tiers.timing.records import Record
from pytest_tiers.timing.store import Moved

LISTED = 10
"""How many lines of a kind are listed."""


@dataclass
class Findings:
    """What there is to say of all shards."""

    wrong: list[str] = field(default_factory=list)
    """Why this isn't a complete run, or one that is within the budgets."""
    notes: list[str] = field(default_factory=list)
    """What couldn't be kept; the run may be right all the same."""
    results: dict[str, records.Result] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    slower: list[budgets.Slower] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """The tests that failed."""
        return [nodeid for nodeid, result in self.results.items() if result.outcome == "failed"]


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
    """Return the summary; `coverage` is the total in words."""
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
    flaky = " **Flaky: it passed when it ran again on its own.**"
    failed = [
        f"`{nodeid}`: {found.results[nodeid].error}" + (flaky if found.again.get(nodeid) == "passed" else "")
        for nodeid in found.failed
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
        *_list("Not kept", found.notes),
    ]
    return "\n".join(lines)
