"""The file of the store, `.cache/tests/durations.json`, with a line for each test:

    {"format": 3,
     "machine": {"work": 0.0021, "cores": 2, "gain": [1.4], "collect": [0.0003], "around": [0.0005],
        "relayed": [0.0008], "control": [0.0006], "begin": [0.7], "start": [0.4]},
     "fixtures": {"engine (session) tests/unit": {"runs": 7, "seen": "2026-11-23", "last": [0.01]}},
     "files": {"tests/unit/test_a.py": {"runs": 7, "seen": "2026-11-23", "last": [0.02]}},
     "tests": {"tests/unit/test_a.py::test_b":
        {"runs": 7, "seen": "2026-11-23", "speed": "fast", "last": [[0.001, 0.004, 0.0005, 0.005]]}}}

Of a test, `last` has set-up, call, tear-down, and how much of these the processor worked, in seconds, of the last five runs; the
middle one of their sums counts, so that a busy machine moves nothing. Of a fixture it has what one set-up took, of a file what
collecting it took, without what it imports. `work` is what a fixed piece of work took where all of it was measured: what
another machine measures is converted. The rest of `machine` is what `timing.workers` reckons with.

A file that is missing or broken counts as empty. One of a later format is left alone.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from pytest_tiers.timing.measures import KEPT, SPEEDS, Machine, Measured, Phases, Series, speed_of

FORMAT = 3
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What reading a file that is none raises."""
Known = TypeVar("Known", Measured, Series)


@dataclass
class Content:
    """What a file has."""

    tests: dict[str, Measured] = field(default_factory=dict)
    fixtures: dict[str, Series] = field(default_factory=dict)
    files: dict[str, Series] = field(default_factory=dict)
    machine: Machine = field(default_factory=Machine)
    note: str = ""
    """What is wrong with it, if anything is."""
    later: bool = False
    """Whether a later version wrote it, so that it must stay as it is."""


def read(path: Path) -> Content:
    """Return what a file has. What is broken in it counts as new."""
    try:
        document = json.loads(path.read_bytes())
        if document["format"] > FORMAT:
            note = f"{path} is of a later version of pytest-tiers: it isn't used, and left as it is"
            return Content(note=note, later=True)
        if document["format"] != FORMAT:
            return Content()
        return Content(
            tests=_known(document["tests"], _measured),
            fixtures=_known(document["fixtures"], _series),
            files=_known(document["files"], _series),
            machine=_machine(document["machine"]),
        )
    except FileNotFoundError:
        return Content()
    except BROKEN as error:
        return Content(
            note=f"{path} can't be read ({error!r:.80}): all tests count as new, and it is written anew"
        )


def write(path: Path, content: Content) -> None:
    """Write a file. Raises OSError."""
    machine = vars(content.machine) | {
        name: [round(value, 6) for value in values]
        for name, values in vars(content.machine).items()
        if isinstance(values, list)
    }
    parts: dict[str, Mapping[str, Measured] | Mapping[str, Series]] = {
        "fixtures": content.fixtures,
        "files": content.files,
        "tests": content.tests,
    }
    # Renamed when complete: nobody reads half a file.
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        with temporary.open("w") as file:
            file.write('{"format": ' + str(FORMAT) + ',\n"machine": ' + json.dumps(machine))
            for part, known in parts.items():
                file.write(',\n"' + part + '": {')
                comma = ""
                for key in sorted(known):
                    file.write(f"{comma}\n{json.dumps(key)}: {json.dumps(_entry(known[key]))}")
                    comma = ","
                file.write("}")
            file.write("}\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _known(entries: dict[str, Any], read_entry: Callable[[Any], Known]) -> dict[str, Known]:
    known = {}
    for key, entry in entries.items():
        with suppress(ValueError, KeyError, TypeError, OverflowError):  # else it counts as new
            known[key] = read_entry(entry)
    return known


def _seconds(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not numbers or not all(0 <= number < 1e6 for number in numbers):
        raise ValueError("no times")
    return numbers


def _measured(entry: Any) -> Measured:
    last: list[Phases] = []
    for a, b, c, d in entry["last"][-KEPT:]:
        if not (0 <= a < 1e6 and 0 <= b < 1e6 and 0 <= c < 1e6 and 0 <= d < 1e6):
            raise ValueError("no times")
        last.append((float(a), float(b), float(c), float(d)))
    if not last:
        raise ValueError("no runs")
    known = Measured(tuple(last), max(int(entry["runs"]), 0), str(entry["seen"]), entry["speed"])
    return known if known.speed in SPEEDS else known._replace(speed=speed_of(known.seconds))


def _series(entry: Any) -> Series:
    return Series(_seconds(entry["last"])[-KEPT:], max(int(entry["runs"]), 0), str(entry["seen"]))


def _machine(entry: Any) -> Machine:
    machine = Machine(work=float(entry["work"]), cores=int(entry["cores"]))
    if not machine.work or not 0 < machine.work < 1e6:
        machine.work = None
    for series in fields(Machine):
        if series.default_factory is list:
            with suppress(ValueError, TypeError, KeyError):
                setattr(machine, series.name, [*_seconds(entry[series.name])][-KEPT:])
    return machine


def _entry(known: Measured | Series) -> dict[str, Any]:
    """Return it as `_measured` or `_series` reads it."""
    if isinstance(known, Series):
        return known._asdict() | {"last": [round(seconds, 6) for seconds in known.last]}
    return known._asdict() | {"last": [[round(second, 6) for second in phases] for phases in known.last]}
