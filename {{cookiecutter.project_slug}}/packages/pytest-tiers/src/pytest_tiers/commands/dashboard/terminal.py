"""The timeline of the last run in a few lines of text, and the first thing to do."""

from collections.abc import Iterator
from typing import Any

from pytest_tiers.commands.dashboard.advice import seconds
from pytest_tiers.commands.dashboard.figures import collect
from pytest_tiers.commands.dashboard.reading import read_history
from pytest_tiers.config import Settings
from pytest_tiers.timing.records import runs_folder

START, COLLECTION, TEST, IDLE = "·", ":", "█", "░"
MOST = 8
"""How many workers are drawn."""
NARROW, WIDE = 20, 100


def draw_last_run(settings: Settings, width: int = 80) -> str:
    """Return the timeline of the last run, so many characters wide, and the first thing to do; "" where there is no record."""
    figures = collect(read_history(runs_folder(settings)), settings)
    return "\n".join(draw(figures, width)) if figures["run"] else ""


def draw(figures: dict[str, Any], width: int = 80) -> Iterator[str]:
    """Yield the lines."""
    run, workers = figures["run"], figures["workers"]
    yield f"{run['tests']:,} tests in {seconds(run['wall'])}, one after another {_serial(run)}: {run['speedup']:.1f} times as fast"
    label = max((len(worker["worker"]) for worker in workers), default=0)
    columns = max(NARROW, min(width, WIDE) - label - 12)
    end = max((worker["ended"] for worker in workers), default=0.0) or 1.0
    for number, worker in enumerate(workers[:MOST]):
        bar = "".join(
            _cell(figures, number, column * end / columns, (column + 1) * end / columns)
            for column in range(columns)
        )
        part = worker["busy"] / max(worker["ended"] - worker["collected"], 0.001)
        yield f"{worker['worker']:{label}} {bar} {min(part, 1):4.0%} busy"
    if len(workers) > MOST:
        yield f"… and {len(workers) - MOST} more workers"
    yield f"{START} start  {COLLECTION} collection  {TEST} tests  {IDLE} idle"
    if figures["advice"]:
        first = figures["advice"][0]
        yield f"First: {printable(first['title'])}; it would save about {seconds(first['seconds'])}."
        yield f"  {printable(first['evidence'])}"


def printable(text: str) -> str:
    """Return a text without what would steer the terminal."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _serial(run: dict[str, Any]) -> str:
    return f"{'' if run['serial_measured'] else 'about '}{seconds(run['serial'])}"


def _cell(figures: dict[str, Any], number: int, start: float, stop: float) -> str:
    """Return the character for a part of a worker's time: what most of it went into."""
    worker, middle = figures["workers"][number], (start + stop) / 2
    if middle < worker["began"] or middle > worker["ended"]:
        return " "
    if middle < worker["collecting"]:
        return START
    if middle < worker["collected"]:
        return COLLECTION
    return IDLE if any(begin <= middle < end for begin, end in worker["idle"]) else TEST
