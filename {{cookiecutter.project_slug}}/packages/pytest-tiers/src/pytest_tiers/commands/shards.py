"""What the shards of a run left: which records count, and whether each test ran in exactly one shard."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pytest_tiers.config import CACHE
from pytest_tiers.timing import records
from pytest_tiers.timing.plan import Plan
from pytest_tiers.timing.records import Record

SAYS = {"digest": str, "shard": int, "of": int, "selected": list, "left": list}
"""What a record says of its shard."""


class Shard(NamedTuple):
    """The newest attempt of a shard: the folder that it left, its newest record there, and what is in it."""

    folder: Path
    path: Path
    record: Record

    @property
    def number(self) -> int:
        """Which shard it is, from 1."""
        return int(self.record.facts["shard"]["shard"])

    @property
    def started(self) -> datetime:
        """When it began; long ago, where that isn't known."""
        try:
            return datetime.fromisoformat(self.record.facts["started"]).astimezone(UTC)
        except (KeyError, TypeError, ValueError):
            return datetime.min.replace(tzinfo=UTC)


def _is_whole(facts: dict[str, Any]) -> bool:
    """Tell whether a record says which shard it is of, and what that did: one that was killed, or is damaged, doesn't."""
    shard = facts.get("shard")
    return (
        isinstance(shard, dict)
        and all(isinstance(shard.get(name), kind) for name, kind in SAYS.items())
        and isinstance(facts.get("seconds"), int | float)
        and isinstance(facts.get("workers"), int)
    )


def _found(folder: Path) -> Iterator[Shard]:
    for runs in sorted(folder.glob(f"*/{CACHE / 'runs'}")):
        if records.kept(runs):
            path = records.newest(runs)
            yield Shard(runs.parents[len(CACHE.parts)], path, records.read(path))


def read_shards(folder: Path) -> list[Shard]:
    """Return what each shard left that came to its end, in their order.

    Of a shard that ran again, as a job of CI that failed does, the newest attempt counts and no other.
    """
    newest: dict[int, Shard] = {}
    for shard in _found(folder):
        if _is_whole(shard.record.facts):
            other = newest.get(shard.number)
            if other is None or other.started < shard.started:
                newest[shard.number] = shard
    return [newest[number] for number in sorted(newest)]


def join(shards: Sequence[Shard], runs: Path) -> None:
    """Write the records of all shards into one, which is then that of the last run. Raises OSError."""
    with records.new(runs).open("wb") as joined:
        for shard in shards:
            with records.open_lines(shard.path) as lines:
                shutil.copyfileobj(lines, joined)


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
