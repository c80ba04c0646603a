"""`-n auto`: as many workers as pay for the tests that were selected, 0 included, by what was measured (`timing.workers`).

Selected are paths, `-k`, `-m`, `--lf` and a shard. That is before anything is collected, so each is looked up among the
measured tests: what a test has by a marker of its own isn't known here. Files that were never measured count by their size.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median

import pytest
from _pytest.mark.expression import Expression
from _pytest.pathlib import absolutepath

from pytest_tiers.config import DATABASE_TIERS, TIERS, find_tests, settings_of
from pytest_tiers.tiers import tiers_of
from pytest_tiers.timing.measures import SPEEDS, Measured, work_seconds
from pytest_tiers.timing.plan import Plan, PlanError, estimate
from pytest_tiers.timing.stopwatch import machine_of, store_of
from pytest_tiers.timing.workers import Work, choose, predict

TRIVIAL = 3.0
"""Seconds of tests for which no worker pays, on whatever machine."""
BYTES = 150
"""The size of a test, where nothing was measured."""


def _path_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _selecting(config: pytest.Config) -> Callable[[str], bool]:
    """Return what tells whether a test, or a file, is named on the command line."""
    here, settings = config.invocation_params.dir, settings_of(config)
    given = config.option.file_or_dir or (map(str, settings.tests) if here == config.rootpath else [""])
    folders: list[Path] = []
    nodes: list[str] = []
    for argument in given:
        path, separator, rest = str(argument).partition("::")
        relative = settings.relative(absolutepath(here / path))
        if separator:
            nodes.append(f"{relative}{separator}{rest}")
        else:
            folders.append(Path(relative))

    @cache
    def in_folder(path: str) -> bool:
        return any(Path(path).is_relative_to(folder) for folder in folders)

    def selected(nodeid: str) -> bool:
        return in_folder(_path_of(nodeid)) or any(
            nodeid == node or nodeid.startswith((f"{node}::", f"{node}[")) for node in nodes
        )

    return selected


def _tells_marker(config: pytest.Config) -> Callable[[str, Measured, str], bool]:
    """Return what tells whether a test has a marker. One that is the suite's own isn't known: all tests may have it."""
    declared = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    speeds, tiers, root = SPEEDS.keys() - declared, tiers_of(config), config.rootpath
    known_tiers = TIERS.keys() - declared if tiers.configured else set()

    def has(nodeid: str, known: Measured, name: str) -> bool:
        if name in speeds:
            return name == known.speed
        return name not in known_tiers or tiers.of_nodeid(nodeid, root) == name

    return has


def _narrowing(config: pytest.Config) -> Callable[[str, Measured], bool]:
    """Return what tells whether `-k`, `-m`, `--lf` or a shard let a measured test run."""
    conditions: list[Callable[[str, Measured], bool]] = []
    option = config.option

    def matching(text: str, names: Callable[[str, Measured, str], bool]) -> None:
        with suppress(Exception):  # pytest refuses it later, and says why
            expression = Expression.compile(text)
            expression.evaluate(lambda _name, /, **_: True)
            conditions.append(
                lambda nodeid, known: expression.evaluate(lambda name, /, **_: names(nodeid, known, name))
            )

    if option.keyword:
        matching(option.keyword, lambda nodeid, _, name: name.lower() in nodeid.lower())
    if option.markexpr:
        matching(option.markexpr, _tells_marker(config))
    if getattr(option, "lf", False):
        with suppress(OSError, ValueError, TypeError):
            cache_dir = config.rootpath / config.getini("cache_dir")
            failed = set(json.loads((cache_dir / "v/cache/lastfailed").read_bytes()))
            conditions.append(lambda nodeid, _: nodeid in failed or not failed)
    if option.tiers_plan and option.tiers_shard:
        with suppress(PlanError, ValueError):
            plan = Plan.read(config.invocation_params.dir / option.tiers_plan)
            index = int(option.tiers_shard.partition("/")[0]) - 1
            conditions.append(lambda nodeid, _: plan.shard_of(nodeid) == index)
    return lambda nodeid, known: all(condition(nodeid, known) for condition in conditions)


def work_of(config: pytest.Config) -> Work:
    """Return what there is to do, as far as it is known before the tests are collected."""
    store, settings, tiers = store_of(config), settings_of(config), tiers_of(config)
    named, narrowed = _selecting(config), _narrowing(config)
    collected = {nodeid: known for nodeid, known in store.tests.items() if named(nodeid)}
    known_files = {_path_of(nodeid) for nodeid in store.tests}
    new = [file for file in find_tests(settings) if file not in known_files and named(file)]

    @cache
    def on_postgresql(file: str) -> bool:
        if tiers.configured:
            return tiers.of_nodeid(file, settings.root) in DATABASE_TIERS
        return settings.migrations is not None  # then each of them may be

    times, processor = [], []
    for nodeid, known in collected.items():
        if narrowed(nodeid, known):
            seconds = known.seconds
            times.append(seconds)
            # What waits for PostgreSQL keeps a processor busy as well: the server's.
            busy = on_postgresql(_path_of(nodeid))
            processor.append(seconds if busy else min(known.processor, seconds))
    found, count = len(times), len(collected)
    for file, of_file in estimate(settings, new, {}).items():
        times += of_file.values()
        processor += of_file.values()
        guessed = (settings.root / file).stat().st_size // BYTES
        found, count = found + guessed, count + guessed
    return Work(sum(times), sum(processor), max(times, default=0.0), found, count)


class AutoWorkers:
    """Answers xdist's question for the number of workers."""

    def __init__(self) -> None:
        """Begin with nothing to say."""
        self._why: str | None = None

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_xdist_auto_num_workers(self, config: pytest.Config) -> int:
        """Return the number of workers for `-n auto`: none if the tests are done before another process had started."""
        work = work_of(config)
        said = f"{work.tests} tests of {work.seconds:.1f} s"
        if work.seconds < TRIVIAL:
            self._why = f"-n auto: no workers: {said}, for which none pays"
            return 0
        machine, slower = machine_of(config), store_of(config).ratio(work_seconds())
        # What waits takes as long on any machine.
        seconds = work.seconds + work.processor * (slower - 1)
        work = replace(
            work,
            seconds=seconds,
            processor=work.processor * slower,
            longest=work.longest * seconds / work.seconds,
        )
        chosen = choose(work, machine, slower=slower)
        with_none, with_chosen = (predict(count, work, machine, slower=slower) for count in (0, chosen))
        compared = with_none if chosen else predict(1, work, machine, slower=slower)
        self._why = (
            f"-n auto: {chosen or 'no'} workers: {said}, done in about {with_chosen:.1f} s, and in {compared:.1f} s"
            f" with {'none' if chosen else 'one'}; {machine.cores} processors do {median(machine.gain):.1f} times the work of one"
        )
        return chosen

    def pytest_report_header(self) -> str | None:
        """Say why that many."""
        return self._why
