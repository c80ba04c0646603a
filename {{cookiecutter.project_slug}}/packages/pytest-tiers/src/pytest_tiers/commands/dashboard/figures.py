"""All figures of the page, as they stand in it and in the JSON file: from records only, each with the record that it is from.

Times are seconds; points in time are seconds since the run began, but for `started`, which is an ISO date. Tests are columns,
one list for each, in the order of their starts: `tests.nodeid[7]` took `tests.call[7]`.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pytest_tiers.commands.dashboard.advice import advise
from pytest_tiers.commands.dashboard.changes import Band, Change, alike, band_of
from pytest_tiers.commands.dashboard.context import Context
from pytest_tiers.commands.dashboard.model import FAILED, History, Run, Test
from pytest_tiers.config import TIERS, Settings

VERSION = 1
"""Of this form."""
LISTED = 200
"""How many rows a table of the page has at most, but for that of the tests."""


def collect(history: History, settings: Settings) -> dict[str, Any]:
    """Return the figures of the last run and of those before it."""
    figures: dict[str, Any] = {
        "version": VERSION,
        "project": settings.name,
        "notices": history.notices,
        "trends": [],
        "run": None,
    }
    if not (shown := history.shown):
        return figures
    context = Context(history, shown, settings)
    return figures | {
        "run": _run(context),
        "advice": [advice._asdict() for advice in advise(context)],
        "workers": _workers(context),
        "path": {name: _round(value) for name, value in context.timeline.path().items()},
        "tests": _tests(context),
        "changes": {
            "slower": [_change(change) for change in context.changes if change.difference > 0][:LISTED],
            "faster": [_change(change) for change in context.changes if change.difference < 0][:LISTED],
        },
        "fixtures": [
            fixture._asdict() | {"seconds": _round(fixture.seconds), "longest": _round(fixture.longest)}
            for fixture in shown.fixtures[:LISTED]
        ],
        "statements": _statements(shown),
        "collection": _collection(shown),
        "flaky": [vars(test) for test in context.flaky[:LISTED]],
        "trends": [_trend(context, run) for run in history.runs],
        "shards": _shards(shown),
        "budgets": _budgets(context),
        "tiers": _tiers(context),
        "misplaced": [
            {"nodeid": test.nodeid, "why": why, "seconds": _round(test.seconds)}
            for test, why in context.misplaced[:LISTED]
        ],
    }


def _round(seconds: float) -> float:
    return round(seconds, 5)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _band(band: Band | None) -> dict[str, Any] | None:
    return {name: _round(value) for name, value in band._asdict().items()} if band else None


def _run(context: Context) -> dict[str, Any]:
    run, timeline = context.shown, context.timeline
    outcomes: dict[str, int] = defaultdict(int)
    for brief in run.briefs.values():
        outcomes[brief.outcome] += 1
    facts = run.facts
    return {
        "record": run.record,
        "started": _iso(run.started),
        "branch": run.branch,
        "commit": str(run.facts.get("commit") or ""),
        "python": str(facts.get("python", "")),
        "platform": str(facts.get("platform", "")),
        "cores": int(facts.get("machine", {}).get("cores", 0)),
        "arguments": [str(argument) for argument in facts.get("arguments", ())],
        "verdict": _verdict(run),
        "wall": _round(run.wall),
        "serial": _round(timeline.serial),
        "serial_measured": timeline.measured,
        "speedup": round(timeline.serial / run.wall, 2) if run.wall else 0.0,
        "at_once": round(timeline.at_once, 2),
        "workers": run.workers,
        "without_workers": not run.facts.get("workers") and not run.sharded,
        "shards": len(run.sessions) if run.sharded else 0,
        "collection": _round(run.collection),
        "idle_at_end": _round(timeline.idle_at_end),
        "tests": len(run.briefs),
        "outcomes": dict(outcomes),
        "counts_statements": context.counts_statements,
        "baseline": context.baseline_name,
        "compared_runs": len(context.baseline),
        "wall_band": _band(band_of(run, context.baseline, lambda run: run.wall)),
        "collection_band": _band(band_of(run, context.baseline, lambda run: run.collection)),
    }


def _verdict(run: Run) -> str:
    if not run.complete:
        return "interrupted" if run.status == 2 else "ended early"
    failed = any(brief.outcome == FAILED for brief in run.briefs.values())
    return "failed" if failed or run.status else "passed"


def _begin(run: Run, worker: str) -> float:
    """Return from when the times of a worker count: each shard has a machine, and so a beginning of its own."""
    if not run.sharded:
        return run.started
    number = worker.partition("/")[0]
    return next((session.started for session in run.sessions if str(session.shard) == number), run.started)


def _workers(context: Context) -> list[dict[str, Any]]:
    found = []
    for lane in context.timeline.lanes:
        process = lane.process
        begin = _begin(context.shown, process.worker)
        found.append(
            {
                "worker": process.worker,
                "began": _round(max(process.began - begin, 0.0)),
                "collecting": _round(process.collecting - begin),
                "collected": _round(process.collected - begin),
                "ended": _round(process.ended - begin),
                "busy": _round(lane.busy),
                "tests": len(lane.tests),
                "critical": lane is context.timeline.critical,
                "idle": [[_round(gap.start - begin), _round(gap.stop - begin)] for gap in lane.gaps],
            }
        )
    return found


def _tests(context: Context) -> dict[str, list[Any]]:
    run, tests = context.shown, context.shown.tests
    workers = {lane.process.worker: number for number, lane in enumerate(context.timeline.lanes)}
    begins = {worker: _begin(run, worker) for worker in workers}
    columns: dict[str, list[Any]] = {
        "nodeid": [test.nodeid for test in tests],
        "worker": [workers.get(test.worker, 0) for test in tests],
        "start": [_round(test.start - begins.get(test.worker, run.started)) for test in tests],
        "stop": [_round(test.stop - begins.get(test.worker, run.started)) for test in tests],
        "seconds": [_round(test.seconds) for test in tests],
        "processor": [_round(test.processor) for test in tests],
        "slept": [_round(test.slept) for test in tests],
        "statements": [sum(count for count, _ in test.statements.values()) for test in tests],
        "repeated": [max((count for count, _ in test.statements.values()), default=0) for test in tests],
        "executing": [_round(sum(took for _, took in test.statements.values())) for test in tests],
        "outcome": [test.outcome for test in tests],
        "tries": [test.tries for test in tests],
        "line": [test.line for test in tests],
        "tier": [context.tier(test.nodeid) for test in tests],
    }
    for number, name in enumerate(("setup", "call", "teardown")):
        columns[name] = [_round(test.took[number]) for test in tests]
    columns["error"] = [run.errors.get(test.nodeid, "")[:300] for test in tests]
    return columns


def _change(change: Change) -> dict[str, Any]:
    return {"nodeid": change.nodeid, "now": _round(change.now), "difference": _round(change.difference)} | {
        "band": _band(change.band)
    }


def _statements(run: Run) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for test in run.tests:
        for shape, (count, took) in test.statements.items():
            entry = found.setdefault(
                shape,
                {
                    "text": run.shapes.get(shape, ""),
                    "count": 0,
                    "seconds": 0.0,
                    "tests": 0,
                    "most": 0,
                    "in": "",
                },
            )
            entry["count"] += count
            entry["seconds"] += took
            entry["tests"] += 1
            if count > entry["most"]:
                entry["most"], entry["in"] = count, test.nodeid
    rows = sorted(found.values(), key=lambda entry: -entry["seconds"])[:LISTED]
    return [row | {"seconds": _round(row["seconds"])} for row in rows]


def _collection(run: Run) -> list[dict[str, Any]]:
    own, imports = run.seconds_of("files"), run.seconds_of("imports")
    rows: list[dict[str, Any]] = [
        {"file": file, "own": _round(own.get(file, 0.0)), "imports": _round(imports.get(file, 0.0))}
        for file in own.keys() | imports.keys()
    ]
    return sorted(rows, key=lambda row: (-row["own"] - row["imports"], row["file"]))[:LISTED]


def _trend(context: Context, run: Run) -> dict[str, Any]:
    tiers: dict[str, float] = defaultdict(float)
    for nodeid, brief in run.briefs.items():
        tiers[context.tier(nodeid)] += brief.seconds
    return {
        "record": run.record,
        "started": _iso(run.started),
        "branch": run.branch,
        "commit": str(run.facts.get("commit") or ""),
        "verdict": _verdict(run),
        "wall": _round(run.wall),
        "collection": _round(run.collection),
        "tests": len(run.briefs),
        "failed": sum(brief.outcome == FAILED for brief in run.briefs.values()),
        "workers": run.workers,
        "alike": run is context.shown or bool(alike(context.shown, [run])),
        "tiers": {tier: _round(seconds) for tier, seconds in tiers.items()},
    }


def _shards(run: Run) -> list[dict[str, Any]]:
    if not run.sharded:
        return []
    return [
        {
            "shard": session.shard,
            "of": int(session.facts["shard"].get("of", 0)),
            "tests": len(session.briefs),
            "predicted": session.facts["shard"].get("seconds"),
            "seconds": _round(sum(brief.seconds for brief in session.briefs.values())),
            "wall": _round(session.seconds),
            "workers": int(session.facts.get("workers", 0)),
            "record": session.path.name,
        }
        for session in run.sessions
    ]


def _budgets(context: Context) -> list[dict[str, Any]]:
    limits, tests = context.settings.budgets, context.shown.tests
    found = []
    for tier in TIERS:
        of_tier = [test for test in tests if context.tier(test.nodeid) == tier]
        found.append((tier, "the longest test", limits.of_tier(tier), max((test.seconds for test in of_tier), default=0.0),
                      _longest(of_tier)))  # fmt: skip
    fast = sum(test.seconds for test in tests if test.seconds < 0.1)
    found.append(("fast", "all fast tests, one after the other", limits.fast, fast, ""))
    found.append(
        ("all", "all tests, one after the other", limits.all, sum(test.seconds for test in tests), "")
    )
    return [
        {"budget": name, "what": what, "limit": limit, "seconds": _round(took), "nodeid": nodeid}
        for name, what, limit, took, nodeid in found
        if math.isfinite(limit)
    ]


def _longest(tests: Sequence[Test]) -> str:
    return max(tests, key=lambda test: test.seconds).nodeid if tests else ""


def _tiers(context: Context) -> list[dict[str, Any]]:
    counts: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0])
    for test in context.shown.tests:
        entry = counts[context.tier(test.nodeid)]
        entry[0] += 1
        entry[1] += test.seconds
        entry[2] += sum(count for count, _ in test.statements.values())
    order = [*TIERS, "no tier"]
    return [
        {
            "tier": tier,
            "tests": int(counts[tier][0]),
            "seconds": _round(counts[tier][1]),
            "statements": int(counts[tier][2]),
        }
        for tier in order
        if tier in counts
    ]
