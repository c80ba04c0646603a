"""The figures of the page in Markdown, for the summary of a run of CI."""

from collections.abc import Iterable, Sequence
from typing import Any

from pytest_tiers.commands.dashboard.advice import seconds

LISTED = 10
"""How many rows a table has."""
SPECIAL = str.maketrans({character: f"\\{character}" for character in r"\`*_{}[]<>()#|~"} | {"&": "&amp;"})


def escape(text: object) -> str:
    """Return a text that Markdown takes as it is: a test's id may hold anything."""
    printable = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text)
    )
    return printable.translate(SPECIAL)


def write(figures: dict[str, Any]) -> str:
    """Return the summary of the figures."""
    run = figures["run"]
    if run is None:
        return "\n".join(
            ["## Test performance", "", "There is no record of a run yet.", "", *_notices(figures)]
        )
    lines = [
        f"## Test performance: {run['verdict']}, {run['tests']:,} tests in {seconds(run['wall'])}",
        "",
        *_advice(figures["advice"]),
        _speed(run),
        "",
        _against(run),
        "",
        *_changes("Slower", figures["changes"]["slower"]),
        *_changes("Faster", figures["changes"]["faster"]),
        *_flaky(figures["flaky"]),
        *_shards(figures["shards"]),
        *_slowest(figures["tests"]),
        *_notices(figures),
        f"From the record {escape(run['record'])}.",
    ]
    return "\n".join(lines)


def _speed(run: dict[str, Any]) -> str:
    faster = "measured" if run["serial_measured"] else "by estimate"
    workers = f"{run['workers']} worker{'' if run['workers'] == 1 else 's'}"
    return (
        f"One after another they would take {seconds(run['serial'])} ({faster}): {run['speedup']:.1f} times as fast on "
        f"{workers}. Collection {seconds(run['collection'])}."
    )


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    if not body:
        return []
    return [f"### {title}", "", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body, ""]


def _advice(advice: list[dict[str, Any]]) -> list[str]:
    if not advice:
        return ["Nothing was found that would save much.", ""]
    return [
        "### What to do",
        "",
        *(
            f"{number}. **{escape(item['title'])}** (saves about {seconds(item['seconds'])}). {escape(item['evidence'])}"
            for number, item in enumerate(advice, 1)
        ),
        "",
    ]


def _against(run: dict[str, Any]) -> str:
    band = run["wall_band"]
    if not band:
        return "There are too few earlier runs of these tests to compare with."
    place = "within" if band["low"] <= run["wall"] <= band["high"] else "outside"
    where = "Earlier runs" if run["baseline"] == "earlier runs" else f"Runs of {escape(run['baseline'])}"
    return (
        f"{where} took {seconds(band['middle'])} (the middle of {band['runs']}); this run is {place} their noise, "
        f"{seconds(band['low'])} to {seconds(band['high'])}."
    )


def _changes(title: str, changes: list[dict[str, Any]]) -> list[str]:
    return _table(
        f"{title} than before",
        ("test", "before", "now", "noise"),
        (
            (
                escape(change["nodeid"]),
                seconds(change["band"]["middle"]),
                seconds(change["now"]),
                f"{seconds(change['band']['low'])} to {seconds(change['band']['high'])}",
            )
            for change in changes[:LISTED]
        ),
    )


def _flaky(tests: list[dict[str, Any]]) -> list[str]:
    return _table(
        "Flaky",
        ("test", "failed here", "failed on main"),
        (
            (
                escape(test["nodeid"]),
                f"{test['failures']} of {test['runs']}",
                f"{test['failures_on_main']} of {test['runs_on_main']}",
            )
            for test in tests[:LISTED]
        ),
    )


def _shards(shards: list[dict[str, Any]]) -> list[str]:
    return _table(
        "Shards",
        ("shard", "tests", "predicted", "took", "wall time", "workers"),
        (
            (
                shard["shard"],
                shard["tests"],
                "?" if shard["predicted"] is None else seconds(shard["predicted"]),
                seconds(shard["seconds"]),
                seconds(shard["wall"]),
                shard["workers"],
            )
            for shard in shards
        ),
    )


def _slowest(tests: dict[str, list[Any]]) -> list[str]:
    order = sorted(range(len(tests["nodeid"])), key=lambda number: -tests["seconds"][number])[:LISTED]
    names = ("seconds", "setup", "call", "teardown", "processor")
    return _table(
        "Slowest",
        ("test", "itself", "set-up", "call", "tear-down", "processor", "statements"),
        (
            (
                escape(tests["nodeid"][number]),
                *(seconds(tests[name][number]) for name in names),
                tests["statements"][number],
            )
            for number in order
        ),
    )


def _notices(figures: dict[str, Any]) -> list[str]:
    if not figures["notices"]:
        return []
    return [
        "### Records that were passed over",
        "",
        *(f"- {escape(notice)}" for notice in figures["notices"]),
        "",
    ]
