"""Times that pytest-split measured: `tiers plan --import-durations .test_durations`.

pytest-split charges what the set-up of a run costs to whichever test came first. Such tests are recognised: a few take far
longer than all others, and about as long as each other. They get the middle time of their file instead.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median

from pytest_tiers.timing.store import Store

GAP = 5
"""How many times as long as the next one the shortest of them takes, at least."""
FEW = 0.05
"""Which part of all tests they are, at most."""


def read_durations(path: Path) -> dict[str, float]:
    """Return the seconds by node id from a file of pytest-split. Raises ValueError."""
    try:
        content = json.loads(path.read_bytes())
        times = {str(nodeid): float(seconds) for nodeid, seconds in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} has no durations of pytest-split ({error!r:.80})") from None
    if not all(0 <= seconds < 1e6 for seconds in times.values()):
        raise ValueError(f"{path} has durations that are none: negative, or no numbers")
    return times


def charged_with_setup(times: Mapping[str, float]) -> list[str]:
    """Return the tests, the longest first, that were charged with the set-up of a run."""
    longest = sorted(times, key=lambda nodeid: -times[nodeid])
    most = int(len(longest) * FEW)
    ratios = {
        count: times[before] / max(times[after], 1e-6)
        for count, (before, after) in enumerate(pairwise(longest[: most + 1]), 1)
        if count > 1 and times[before] >= 1 and times[before] * 2 > times[longest[0]]
    }
    count = max(ratios, key=lambda count: ratios[count], default=0)
    return longest[:count] if ratios.get(count, 0) >= GAP else []


def import_durations(path: Path, store: Store) -> str:
    """Add the times of a file to the store, and return what was done. Raises ValueError, OSError."""
    times = read_durations(path)
    charged = charged_with_setup(times)
    of_file: dict[str, list[float]] = {}
    for nodeid in times.keys() - set(charged):
        of_file.setdefault(nodeid.partition("::")[0], []).append(times[nodeid])
    usual = (
        median(times[nodeid] for nodeid in times.keys() - set(charged)) if len(times) > len(charged) else 0.0
    )
    corrected = {nodeid: median(of_file.get(nodeid.partition("::")[0], [usual])) for nodeid in charged}
    before = len(store.tests)
    store.take_over(times | corrected)
    said = [f"{len(times)} tests in {path}, {len(store.tests) - before} of them taken over."]
    if missing := len(times.keys() - store.tests.keys()):
        said.append(f"{missing} are in files that don't exist here.")
    if charged:
        part = sum(times[nodeid] for nodeid in charged) / sum(times.values())
        said.append(
            f"{len(charged)} tests of {times[charged[-1]]:.1f} to {times[charged[0]]:.1f} s hold {part:.0%} of the time. That looks"
            " like the set-up of a run, charged to whichever test came first: they get the middle time of their file, until"
            f" they are measured:\n  " + "\n  ".join(charged)
        )
    return "\n".join(said)
