"""Which machine of CI runs which tests, by measured time: `tiers plan --shards 5`, or `--target-seconds 120`.

It writes `plan.json`; `pytest --plan plan.json --shard 2/5` runs a part of it.

    {"format": 1, "digest": "…", "shards": [{"seconds": 61.2, "files": ["tests/unit/test_a.py"],
        "tests": ["tests/unit/test_b.py::test_c"], "rest": []}]}

A shard collects its own files only. A file that is too big for one is divided by its tests: `tests` has those that are known,
and the shard that has the file in `rest` also runs those that are not. So each test is in one shard, measured or not. `digest`
stands for all Python files where the tests are: a plan is of use in no other checkout.
"""

import hashlib
import heapq
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from pytest_tiers.config import NOT_SEARCHED, Settings, find_tests
from pytest_tiers.timing.store import Store

FORMAT = 1
TOLERANCE = 1.001
"""How much slower than with all files divided the slowest shard may be, so that fewer are."""
MOST = 256
"""The jobs that a matrix of GitHub's may have."""
GUESS = 5e-5
"""Seconds per byte of a test file, where nothing was measured."""


class PlanError(ValueError):
    """A plan can't be made or used; the message says why, and what to do."""


@dataclass
class Shard:
    """What one machine runs."""

    seconds: float = 0.0
    files: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """All shards, and the test files they are made for."""

    digest: str
    shards: list[Shard]

    def __post_init__(self) -> None:
        """Find out what belongs where."""
        self._of_file = {
            file: n for n, shard in enumerate(self.shards) for file in (*shard.files, *shard.rest)
        }
        self._of_test = {test: n for n, shard in enumerate(self.shards) for test in shard.tests}
        self._parts = {(n, test.partition("::")[0]) for test, n in self._of_test.items()}

    def shard_of(self, nodeid: str) -> int:
        """Return the index of the shard that runs a test; the first one runs what no shard knows."""
        return self._of_test.get(nodeid, self._of_file.get(nodeid.partition("::")[0], 0))

    def knows(self, file: str) -> bool:
        """Tell whether it is one of the files that the plan was made for."""
        return file in self._of_file

    def collects(self, shard: int, file: str) -> bool:
        """Tell whether a shard has tests in a file."""
        return self._of_file.get(file, 0) == shard or (shard, file) in self._parts

    @property
    def divided(self) -> set[str]:
        """The files whose tests are in several shards."""
        return {file for shard in self.shards for file in shard.rest}

    def write(self, path: Path) -> None:
        """Write it to a file."""
        shards = [asdict(shard) for shard in self.shards]
        path.write_text(
            json.dumps({"format": FORMAT, "digest": self.digest, "shards": shards}, indent=1) + "\n"
        )

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read it from a file. Raises PlanError."""
        try:
            content = json.loads(path.read_bytes())
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r}")
            shards = [
                Shard(float(shard["seconds"]), *(_texts(shard[name]) for name in ("files", "tests", "rest")))
                for shard in content["shards"]
            ]
            if not shards:
                raise ValueError("no shards")
            return cls(str(content["digest"]), shards)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise PlanError(f"{path} is no plan ({error!r:.80}). Make one: tiers plan --shards N") from None


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("not a list of texts")
    return value


def _python_files(settings: Settings) -> Iterator[Path]:
    for place in settings.tests:
        if place.is_file():
            yield place
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if not NOT_SEARCHED.match(name)]
            yield from (Path(folder, name) for name in names if name.endswith(".py"))


def digest_of(settings: Settings) -> str:
    """Return a digest of all Python files where tests are: of the tests and of what they are made of."""
    digest = hashlib.sha256()
    for name, path in sorted({settings.relative(path): path for path in _python_files(settings)}.items()):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:20]


def estimate(
    settings: Settings, files: Iterable[str], measured: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Return the seconds of each test by file. A file of which nothing is known has one entry, the file itself."""
    known: dict[str, dict[str, float]] = {}
    for nodeid, seconds in measured.items():
        known.setdefault(nodeid.partition("::")[0], {})[nodeid] = seconds
    size = {file: max((settings.root / file).stat().st_size, 1) for file in files}
    # What a byte costs in the files of the same folder, of which something is known; else in all files.
    rates: dict[str, list[float]] = {}
    for file in size.keys() & known.keys():
        for folder in ("", file.rpartition("/")[0]):
            rates.setdefault(folder, []).append(sum(known[file].values()) / size[file])
    usual = median(rates.get("", [GUESS]))
    return {
        file: known.get(file) or {file: median(rates.get(file.rpartition("/")[0], [usual])) * size[file]}
        for file in sorted(size)
    }


def _deal(units: Mapping[str, float], count: int) -> list[list[str]]:
    """Deal units out, the longest first, each to whoever has least (R. L. Graham, 1969)."""
    heap = [(0.0, number, number) for number in range(count)]
    dealt: list[list[str]] = [[] for _ in range(count)]
    for unit in sorted(units, key=lambda unit: (-units[unit], unit)):
        load, given, number = heapq.heappop(heap)
        dealt[number].append(unit)
        heapq.heappush(heap, (load + units[unit], given + count, number))
    return dealt


def divide(times: Mapping[str, Mapping[str, float]], count: int) -> list[Shard]:
    """Divide tests into shards whose slowest is as fast as if all files were divided, and divide few files for that."""
    tests = {nodeid: seconds for of_file in times.values() for nodeid, seconds in of_file.items()}
    whole = {file: sum(of_file.values()) for file, of_file in times.items()}

    def slowest(dealt: list[list[str]], units: Mapping[str, float]) -> tuple[float, list[str]]:
        return max((sum(units[unit] for unit in part), part) for part in dealt)

    best = slowest(_deal(tests, count), tests)[0]
    divided: set[str] = set()
    while True:
        units = {file: seconds for file, seconds in whole.items() if file not in divided}
        for file in divided:
            units |= times[file]
        dealt = _deal(units, count)
        seconds, part = slowest(dealt, units)
        divisible = [file for file in whole if file not in divided and len(times[file]) > 1]
        if seconds <= best * TOLERANCE or not divisible:
            break
        # The biggest file of the slowest shard; of all files, where that has none.
        divided.add(
            max(
                [file for file in divisible if file in part] or divisible,
                key=lambda file: (whole[file], file),
            )
        )
    shards = [
        Shard(
            round(sum(units[unit] for unit in part), 3),
            sorted(unit for unit in part if unit in whole and unit not in divided),
            sorted(unit for unit in part if unit not in whole),
        )
        for part in dealt
    ]
    for file in sorted(divided):  # to one that collects the file anyway
        having = [shard for shard in shards if any(test.startswith(f"{file}::") for test in shard.tests)]
        min(having, key=lambda shard: (shard.seconds, shard.tests)).rest.append(file)
    return shards


def make(settings: Settings, store: Store, *, shards: int = 1, target: float | None = None) -> Plan:
    """Make a plan with so many shards, or with as few as take `target` seconds each, or the longest test. Raises PlanError."""
    around = median(store.machine.around or store.machine.relayed or [0.0])  # of pytest, for each of them
    known = {nodeid: known.seconds + around for nodeid, known in store.tests.items()}
    times = estimate(settings, find_tests(settings), known)
    if not times:
        raise PlanError(f"there are no test files in {', '.join(map(str, settings.tests))}")
    if target is not None:
        seconds = [second for of_file in times.values() for second in of_file.values()]
        target = max(target, *seconds)
        for shards in range(max(math.floor(sum(seconds) / target), 1), MOST + 1):
            if max(shard.seconds for shard in divide(times, shards)) <= target:
                break
        else:
            raise PlanError(f"{sum(seconds):.0f} s of tests don't fit into {MOST} shards of {target:g} s")
    return Plan(digest_of(settings), divide(times, shards))


def describe(plan: Plan, measured: Iterable[str]) -> str:
    """Return the plan in lines."""
    seconds = [shard.seconds for shard in plan.shards]
    files = {file for shard in plan.shards for file in (*shard.files, *shard.rest)}
    new = len(files - {nodeid.partition("::")[0] for nodeid in measured})
    mean = sum(seconds) / len(seconds)
    lines = [
        f"{number:5}  {shard.seconds:8.1f} s  {len(shard.files)} files"
        + (f", {len(shard.tests)} tests of divided ones" if shard.tests else "")
        for number, shard in enumerate(plan.shards, 1)
    ]
    balance = f"the slowest takes {max(seconds) / mean if mean else 1:.2f} times the mean"
    return "\n".join(
        [
            f"{len(files)} files in {len(plan.shards)} shards: {balance}; {len(plan.divided)} files are divided.",
            *([f"{new} files were never measured: their times are estimated by size."] if new else []),
            *lines,
        ]
    )
