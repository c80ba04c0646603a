"""The tests that the working tree's change can affect; all of them, where that can't be told.

pytest-testmon knows which functions each test ran, and selects the tests that ran a function which changed, failed, or are new.
It doesn't know what ran before a test, or for many at once; so everything runs where something else changed than functions that
tests run themselves: code outside of functions, functions called by that or by a fixture of a wider scope, migrations,
files that are no Python, packages. Not seen: data from outside of the repository, and files that git ignores.
"""

import json
import os
import sqlite3
import subprocess
from dataclasses import asdict
from pathlib import Path

from pytest_tiers.commands.running import CommandError, need, parser_of, pytest_command, run, split, suite
from pytest_tiers.commands.sources import State, changed_functions, load, reasons_for_all, state_of
from pytest_tiers.config import Settings, prepare_cache

LISTED = 10
NOTHING_SELECTED = 5
"""pytest's exit code."""


def folder_of(settings: Settings) -> Path:
    """Return the folder of what is known: testmon's data, `state.json`, and `shared.json` of `changed_plugin`."""
    return settings.cache / "changed"


def affected_tests(settings: Settings) -> set[str] | None:
    """Return the known tests that ran what changed, or failed; None if nothing is known, or of other packages."""
    from testmon.testmon_core import TestmonData

    try:
        data = TestmonData.for_local_run(rootdir=str(settings.root))
        data.determine_stable()
    except sqlite3.DatabaseError:  # damaged: it is made anew
        for path in folder_of(settings).glob("testmon*"):
            path.unlink()
        return None
    known = bool(data.all_tests) and not data.system_packages_change
    affected = set(data.unstable_test_names) | set(data.failing_tests)
    data.db.con.close()  # its own close_connection() closes nothing
    return affected if known else None


def main(arguments: list[str]) -> int:
    """Say what runs and why, run it, and return pytest's exit code."""
    _, arguments = split(parser_of("changed", __doc__, passes_on=True), arguments)
    settings = suite()
    need("changed", "testmon")
    folder = folder_of(settings)
    try:
        prepare_cache(settings)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"What tests ran can't be kept: {error}. Give yourself the right to write there."
        ) from None
    # The C tracer: with sys.monitoring, testmon 2.2 deselects tests that should run.
    os.environ |= {"COVERAGE_CORE": "ctrace", "TESTMON_DATAFILE": str(folder / "testmon")}
    now, past = _state(settings), load(folder / "state.json", dict)
    parts = past if past and past.keys() == asdict(now).keys() else {}
    shared = load(folder / "shared.json", list)
    known = bool(parts) and shared is not None and all(isinstance(part, dict) for part in parts.values())
    before = State(**parts) if known else State()
    affected = affected_tests(settings)
    reasons = reasons_for_all(settings, before, now, set(shared or ()))
    workers: int | str = "auto"
    selection = ["--testmon-noselect"]
    if not known or affected is None:
        _say("All tests:", ["it isn't known yet what they run, or not with these packages"])
    elif reasons:
        _say("All tests:", reasons)
    else:
        _say(
            "Changed:",
            [f"{name.replace('::', ', ')}()" for name in changed_functions(before, now)] or ["nothing"],
        )
        print(f"{len(affected)} tests ran it, or failed; new tests run as well.")
        workers, selection = _worth(settings, affected), []
    # Tracing makes the tests slower: their times say nothing, so they go into no store.
    record = f"--tiers-record={folder / 'record.jsonl'}"
    options = ["-p", "pytest_tiers.commands.changed_plugin", "--testmon", *selection, record]
    status = run(pytest_command(*options, *arguments, workers=workers))
    if status in (0, 1, NOTHING_SELECTED) and not arguments:  # of which some may leave tests out
        (folder / "state.json").write_text(json.dumps(asdict(now)))
    return 0 if status == NOTHING_SELECTED else status


def _state(settings: Settings) -> State:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=settings.root, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise CommandError("`tiers changed` needs git, which isn't here: install it.") from None
    if listed.returncode:
        raise CommandError(f"`tiers changed` needs git, which says: {listed.stderr.strip()}")
    return state_of(settings, filter(None, listed.stdout.split("\0")))


def _say(title: str, lines: list[str]) -> None:
    more = ["…"] if len(lines) > LISTED else []
    print(title, *lines[:LISTED], *more, sep="\n  ")


def _worth(settings: Settings, tests: set[str]) -> int:
    """Return how many workers pay for these tests."""
    from pytest_tiers.timing import workers
    from pytest_tiers.timing.store import open_store

    store = open_store(settings)
    times = [store.tests[nodeid].seconds for nodeid in tests if nodeid in store.tests] or [0.0]
    work = workers.Work(sum(times), sum(times), max(times), len(tests), len(tests))
    machine = store.machine
    return workers.choose(work, machine) if machine.cores == workers.cores() else 0
