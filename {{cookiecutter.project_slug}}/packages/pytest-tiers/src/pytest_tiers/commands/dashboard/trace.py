"""The timeline as a trace, for Perfetto (ui.perfetto.dev) or chrome://tracing: a process for each shard, a thread for each worker."""

from collections.abc import Iterator
from typing import Any

MICRO = 1_000_000


def write(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the events of a trace: complete ones of each test and phase, and the names of the workers."""
    return {"displayTimeUnit": "ms", "traceEvents": list(_events(figures)) if figures["run"] else []}


def _events(figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    tests, places = figures["tests"], []
    for number, worker in enumerate(figures["workers"]):
        shard, found, _ = worker["worker"].partition("/")
        place = {"pid": int(shard) if found else 0, "tid": number}
        places.append(place)
        yield {"ph": "M", "name": "thread_name", "args": {"name": worker["worker"]}} | place
        if found:
            yield {"ph": "M", "name": "process_name", "args": {"name": f"shard {shard}"}} | place
        for name, start, stop in (
            ("start", "began", "collecting"),
            ("collection", "collecting", "collected"),
        ):
            yield _span(name, "pytest", worker[start], worker[stop] - worker[start]) | place
        for start, stop in worker["idle"]:
            yield _span("idle", "idle", start, stop - start) | place
    for number, nodeid in enumerate(tests["nodeid"]):
        place, start = places[tests["worker"][number]], tests["start"][number]
        arguments = {
            name: tests[name][number] for name in ("outcome", "processor", "statements", "tries", "tier")
        }
        yield _span(nodeid, "test", start, tests["stop"][number] - start) | place | {"args": arguments}
        for name in ("setup", "call"):
            yield _span(name, "phase", start, tests[name][number]) | place
            start += tests[name][number]
        ended = tests["stop"][number] - tests["teardown"][number]
        yield _span("teardown", "phase", max(start, ended), tests["teardown"][number]) | place


def _span(name: str, category: str, start: float, duration: float) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "ts": round(start * MICRO),
        "dur": round(max(duration, 0.0) * MICRO),
    }
