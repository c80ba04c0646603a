# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""`-n auto`: as many workers as pay for the tests that were selected, 0 included, by what was measured (`tools.workers`).

Selected are paths, `-k`, `-m`, `--lf` and a shard. That is before anything is collected, so each is looked up among the
measured tests: what a test has by a marker of its own isn't known here. Files that were never measured count by their size.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from _pytest.mark.expression import Expression

from tests.plugins.durations import machine_of, store_of
from tests.plugins.tiers import DATABASE_TIERS, TIERS
from tools.plan import Plan, PlanError, estimate, find_tests
from tools.store import SPEEDS, Measured, work_seconds
from tools.workers import Work, choose, predict

_WHY = pytest.StashKey[str]()
TRIVIAL = 3.0
"""Seconds of tests for which no worker pays, on whatever machine."""
BYTES = 150
"""The size of a test, where nothing was measured."""


def _path_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _selecting(config: pytest.Config) -> Callable[[str], bool]:
    """Return what tells whether a test, or a file, is named on the command line."""
    here = config.invocation_params.dir
    given = config.option.file_or_dir or config.getini("testpaths") or [""]
    folders: list[str] = []
    nodes: list[str] = []
    for argument in given:
        path, separator, rest = str(argument).partition("::")
        absolute = (here / path).resolve()
        if absolute.is_relative_to(config.rootpath):
            relative = absolute.relative_to(config.rootpath).as_posix()
            (nodes if separator else folders).append(f"{relative}{separator}{rest}")

    def selected(nodeid: str) -> bool:
        path = Path(_path_of(nodeid))
        return any(path.is_relative_to(folder) for folder in folders) or any(
            nodeid == node or nodeid.startswith((f"{node}::", f"{node}[")) for node in nodes
        )

    return selected


def _narrowing(config: pytest.Config) -> Callable[[str, Measured], bool]:
    """Return what tells whether `-k`, `-m`, `--lf` or a shard let a measured test run."""
    conditions: list[Callable[[str, Measured], bool]] = []
    option = config.option

    def matching(text: str, names: Callable[[str, Measured], Callable[..., bool]]) -> None:
        with suppress(Exception):  # pytest refuses it later, and says why
            expression = Expression.compile(text)
            expression.evaluate(lambda _name, /, **_: True)
            conditions.append(lambda nodeid, known: expression.evaluate(names(nodeid, known)))

    if option.keyword:
        matching(option.keyword, lambda nodeid, _: lambda name, **_: name.lower() in nodeid.lower())
    if option.markexpr:
        # A marker that is neither a tier nor a speed isn't known: all tests may have it.
        matching(
            option.markexpr,
            lambda nodeid, known: (
                lambda name, **_: (
                    name == known.speed
                    if name in SPEEDS
                    else nodeid.startswith(f"tests/{name}/") or name not in TIERS
                )
            ),
        )
    if option.lf:
        with suppress(OSError, ValueError, TypeError):
            cache = config.rootpath / config.getini("cache_dir") / "v/cache/lastfailed"
            failed = set(json.loads(cache.read_bytes()))
            conditions.append(lambda nodeid, _: nodeid in failed or not failed)
    if option.plan and option.shard:
        with suppress(PlanError, ValueError):
            plan = Plan.read(config.invocation_params.dir / option.plan)
            index = int(option.shard.partition("/")[0]) - 1
            conditions.append(lambda nodeid, _: plan.shard_of(nodeid) == index)
    return lambda nodeid, known: all(condition(nodeid, known) for condition in conditions)


def work_of(config: pytest.Config) -> Work:
    """Return what there is to do, as far as it is known before the tests are collected."""
    store, named, narrowed = store_of(config), _selecting(config), _narrowing(config)
    collected = {nodeid: known for nodeid, known in store.tests.items() if named(nodeid)}
    known_files = {_path_of(nodeid) for nodeid in store.tests}
    new = [file for file in find_tests(config.rootpath) if file not in known_files and named(file)]
    times, processor = [], []
    for nodeid, known in collected.items():
        if narrowed(nodeid, known):
            times.append(known.seconds)
            # What waits for PostgreSQL keeps a processor busy as well: the server's.
            waits = nodeid.split("/")[1] not in DATABASE_TIERS
            processor.append(min(known.processor, known.seconds) if waits else known.seconds)
    found, count = len(times), len(collected)
    for file, of_file in estimate(config.rootpath, new, {}).items():
        times += of_file.values()
        processor += of_file.values()
        guessed = (config.rootpath / file).stat().st_size // BYTES
        found, count = found + guessed, count + guessed
    return Work(sum(times), sum(processor), max(times, default=0.0), found, count)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers for `-n auto`: none if the tests are done before another process had started."""
    work = work_of(config)
    said = f"{work.tests} tests of {work.seconds:.1f} s"
    if work.seconds < TRIVIAL:
        config.stash[_WHY] = f"-n auto: no workers: {said}, for which none pays"
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
    config.stash[_WHY] = (
        f"-n auto: {chosen or 'no'} workers: {said}, done in about {with_chosen:.1f} s, and in {compared:.1f} s"
        f" with {'none' if chosen else 'one'}; {machine.cores} processors do {median(machine.gain):.1f} times the work of one"
    )
    return chosen


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say why `-n auto` chose what it did."""
    return config.stash.get(_WHY, None)
