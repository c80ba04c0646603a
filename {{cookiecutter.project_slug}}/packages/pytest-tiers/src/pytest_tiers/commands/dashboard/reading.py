"""Records of runs, from a folder of this machine's or of artefacts of CI. `timing.records` describes their lines.

What can't be read, ends too early, is there twice, or is of a later version, is passed over and named.
"""

import gc
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any

from pytest_tiers.commands.dashboard.model import FAILED, PASSED, Brief, History, Run, Session, Test
from pytest_tiers.timing.records import FORMAT, PHASES, first_line, open_lines

KEPT = 30
"""How many runs are shown."""


def read_history(folder: Path) -> History:
    """Return the last runs that there are records of in a folder, or below it."""
    collecting = gc.isenabled()
    gc.disable()  # of millions of new objects none is garbage, and looking for it takes a third of the time
    try:
        return _read_all(folder)
    finally:
        if collecting:
            gc.enable()


def _read_all(folder: Path) -> History:
    history, seen = History(), set[str]()
    groups: dict[tuple[str, ...], dict[int, Session]] = {}
    paths = sorted(path for path in folder.rglob("*.jsonl*") if path.name.endswith((".jsonl", ".jsonl.gz")))
    for path in paths:
        try:
            sessions = list(_sessions(path))
        except (OSError, EOFError, zlib.error) as error:
            history.notices.append(f"{path.name} can't be read: {error}")
            continue
        if not sessions:
            history.notices.append(f"{path.name} has no record of a run")
        for session in sessions:
            if problem := _problem(session, seen):
                history.notices.append(f"{path.name} {problem}")
                continue
            seen.add(session.identity)
            shards = groups.setdefault(session.group, {})
            if session.shard not in shards or shards[session.shard].started < session.started:
                shards[session.shard] = session  # of a shard that ran again, the newest counts
    runs = [Run(sorted(shards.values(), key=attrgetter("shard"))) for shards in groups.values()]
    history.runs = sorted(runs, key=attrgetter("started"))[-KEPT:]
    if history.shown:
        history.shown.sessions = [_whole(session) for session in history.shown.sessions]
    return history


def _problem(session: Session, seen: set[str]) -> str:
    if not session.facts:
        return "ends too early: that run was killed"
    if not isinstance(session.facts.get("format"), int) or session.facts["format"] > FORMAT:
        return "is of a later version of pytest-tiers: update it to see that run"
    try:
        complete = (
            session.started and session.seconds > 0 and session.shard >= 0 and session.processes is not None
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        complete = False
    if not complete:
        return "is damaged: what it says of its run isn't all there"
    if session.identity in seen:
        return "is there twice: it counts once"
    return ""


def _parse(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what stands in lines of JSON, without those that are damaged."""
    found: list[Any]
    try:
        found = json.loads(b"[%b]" % b",".join(lines))  # twice as fast as one by one
    except (ValueError, RecursionError):
        found = []
        for line in lines:
            with suppress(ValueError, RecursionError):
                found.append(json.loads(line))
    yield from (content for content in found if isinstance(content, dict))


def _parts(path: Path) -> Iterator[list[bytes]]:
    """Yield the lines of each session in a file; one of all shards has several."""
    with open_lines(path) as file:
        content = file.read()
    part: list[bytes] = []
    for line in content.splitlines():
        # Within a text of JSON there would be a backslash before the quotation marks.
        if b'"SessionStart"' in line and part:
            yield part
            part = []
        if line:
            part.append(line)
    yield part


def _sessions(path: Path) -> Iterator[Session]:
    """Yield the sessions in a file, with what is kept of earlier runs."""
    for place, part in enumerate(_parts(path)):
        session = Session(path, place)
        _read(session, part, whole=False)
        if part and session.known:
            yield session


def _whole(session: Session) -> Session:
    """Return a session with all that is known of its tests."""
    read = Session(session.path, session.place)
    _read(read, list(_parts(session.path))[session.place], whole=True)
    return read


def _read(session: Session, lines: list[bytes], *, whole: bool) -> None:
    old: dict[str, dict[str, Any]] = {}
    tests: list[dict[str, Any]] = []
    for content in _parse(lines):
        match content.get("$report_type"):
            case "Test":
                tests.append(content)
            case "TestReport":
                if "own_seconds" in content:
                    _add_report(old, content)
                if content.get("outcome") == FAILED:
                    session.errors.setdefault(str(content.get("nodeid")), first_line(content.get("longrepr")))
            case "SessionStart":
                session.known = True
            case "Run":
                session.facts, session.known = content, True
            case "SessionFinish" if isinstance(content.get("exitstatus"), int):
                session.status = content["exitstatus"]
            case "Again" if isinstance(content.get("outcomes"), dict):
                session.again = {str(nodeid): str(outcome) for nodeid, outcome in content["outcomes"].items()}
    for content in [*tests, *old.values()]:
        _add_brief(session, content)
        if whole:
            _add_test(session, content)
    for nodeid in session.errors.keys() - session.briefs.keys():  # it took its worker with it
        session.briefs[nodeid] = Brief(0.0, FAILED, 1)


def _add_report(tests: dict[str, dict[str, Any]], report: dict[str, Any]) -> None:
    """Add a phase as format 1 recorded it, to what format 2 says of the whole test."""
    try:
        phase = PHASES[report["when"]]
        test = tests.setdefault(
            report["nodeid"],
            {"nodeid": report["nodeid"], "worker": report.get("worker_id", ""), "start": float(report["start"]),
             "own": [0.0] * 3, "apart": [0.0] * 3, "processor": 0.0},
        )  # fmt: skip
        own = float(report["own_seconds"])
        test["own"][phase] += own
        test["apart"][phase] += float(report["stop"]) - float(report["start"]) - own
        test["processor"] += float(report.get("own_processor", 0.0))
        if report["outcome"] != PASSED and test.get("outcome") != FAILED:
            test["outcome"] = report["outcome"]
    except (KeyError, TypeError, ValueError):
        return


def _three(values: Iterable[Any]) -> tuple[float, float, float]:
    setup, call, teardown = values
    return max(float(setup), 0.0), max(float(call), 0.0), max(float(teardown), 0.0)


def _add_brief(session: Session, line: dict[str, Any]) -> None:
    try:
        setup, call, teardown = line["own"]
        nodeid, seconds, tries = line["nodeid"], float(setup + call + teardown), int(line.get("tries", 1))
    except (KeyError, TypeError, ValueError):
        return
    if tries == 1 and nodeid in session.briefs:
        tries += session.briefs[nodeid].tries
    session.briefs[nodeid] = Brief(seconds, line.get("outcome", PASSED), tries)


def _add_test(session: Session, line: dict[str, Any]) -> None:
    """Add a test to the session that is shown, unless its line is damaged."""
    worker = str(line.get("worker") or "main")
    try:
        own, apart = _three(line["own"]), _three(line.get("apart", (0.0, 0.0, 0.0)))
        test = Test(
            str(line["nodeid"]),
            f"{session.shard}/{worker}" if session.shard else worker,
            float(line["start"]),
            (own[0] + apart[0], own[1] + apart[1], own[2] + apart[2]),
            own,
            float(line["processor"]),
            str(line.get("outcome", PASSED)),
            int(line.get("tries", 1)),
            int(line.get("line", 0)),
            float(line.get("slept", 0.0)),
            {
                str(key): (int(count), float(took))
                for key, (count, took) in line.get("statements", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    session.tests.append(test)
