"""Records are read wherever they lie; what can't be read is named and passed over."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_tiers.commands.dashboard.reading import KEPT, read_history
from synthetic_records import Made, compress, thirty


def altered(path: Path, **facts: Any) -> None:
    """Change the line of the type Run."""
    lines = path.read_text().splitlines()
    lines[-2] = json.dumps(json.loads(lines[-2]) | facts)
    path.write_text("\n".join(lines) + "\n")


def test_runs_are_in_the_order_of_their_start(tmp_path: Path) -> None:
    compress(Made(number=1).write(tmp_path / "b" / ".cache" / "tests" / "runs"))
    Made(number=0).write(tmp_path / "c")
    Made(number=2).write(tmp_path / "a")
    history = read_history(tmp_path)
    assert [run.facts["id"] for run in history.runs] == ["run 0 None", "run 1 None", "run 2 None"]
    assert history.notices == []
    assert [len(run.briefs) for run in history.runs] == [200] * 3
    assert [len(run.tests) for run in history.runs] == [0, 0, 200]  # only of the run that is shown


def test_the_last_thirty_runs_count(tmp_path: Path) -> None:
    thirty(tmp_path, tests=3, runs=KEPT + 3)
    history = read_history(tmp_path)
    assert len(history.runs) == KEPT
    assert history.runs[-1].facts["id"] == f"run {KEPT + 2} None"


@pytest.mark.parametrize(
    ("content", "notice"),
    [
        (b"", "has no record of a run"),
        (b"\xff\xfe\n7\n[]\n" + b"[" * 100_000, "has no record of a run"),
        (b'{"$report_type": "SessionStart"}\n{"$report_type": "Te', "ends too early: that run was killed"),
        (
            b'{"$report_type": "SessionStart"}\n{"$report_type": "Run", "format": "x"}\n',
            "is of a later version",
        ),
        (b'{"$report_type": "SessionStart"}\n{"$report_type": "Run", "format": 2}\n', "is damaged"),
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, content: bytes, notice: str) -> None:
    Made().write(tmp_path)
    (tmp_path / "000009-x.jsonl").write_bytes(content)
    history = read_history(tmp_path)
    assert len(history.runs) == 1
    assert len(history.notices) == 1
    assert history.notices[0].startswith(f"000009-x.jsonl {notice}")


def test_half_an_archive_is_named(tmp_path: Path) -> None:
    Made().write(tmp_path)
    path = compress(Made(number=3).write(tmp_path))
    path.write_bytes(path.read_bytes()[:-300])
    (tmp_path / "000007-x.jsonl.gz").write_bytes(b"not compressed at all")
    history = read_history(tmp_path)
    assert len(history.runs) == 1
    assert [notice.split(" can't be read")[0] for notice in history.notices] == [
        path.name,
        "000007-x.jsonl.gz",
    ]


def test_a_later_format_is_passed_over(tmp_path: Path) -> None:
    altered(Made(number=1).write(tmp_path), format=3)
    Made().write(tmp_path)
    history = read_history(tmp_path)
    assert [run.facts["id"] for run in history.runs] == ["run 0 None"]
    assert "later version" in history.notices[0]


def test_a_copy_counts_once(tmp_path: Path) -> None:
    path = Made().write(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "000005-copy.jsonl").write_bytes(path.read_bytes())
    history = read_history(tmp_path)
    assert len(history.runs) == 1
    assert history.notices == ["000005-copy.jsonl is there twice: it counts once"]


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    path = Made(tests=5).write(tmp_path)
    lines = path.read_text().splitlines()
    lines[1] = lines[1][:-5]
    lines[2] = json.dumps(json.loads(lines[2]) | {"own": [1, 2]})
    lines[3] = json.dumps(json.loads(lines[3]) | {"start": None})
    path.write_text("\n".join(lines))
    run = read_history(tmp_path).runs[0]
    assert [test.nodeid[-5:] for test in run.tests] == ["00003", "00004"]


def test_shards_are_one_run(tmp_path: Path) -> None:
    for shard in (2, 1):
        Made(shard=(shard, 2), workers=2).write(tmp_path / str(shard))
    history = read_history(tmp_path)
    assert len(history.runs) == 1
    run = history.runs[0]
    assert [session.shard for session in run.sessions] == [1, 2]
    assert len(run.tests) == len(run.briefs) == 200
    assert run.workers == 4
    assert run.wall == max(session.seconds for session in run.sessions)
    assert {test.worker for test in run.tests} == {"1/gw0", "1/gw1", "2/gw0", "2/gw1"}


def test_shards_joined_into_one_file_are_one_run(tmp_path: Path) -> None:
    parts = [Made(shard=(shard, 3)).write(tmp_path / str(shard)) for shard in (1, 2, 3)]
    joined = tmp_path / "joined" / "000001-x.jsonl"
    joined.parent.mkdir()
    joined.write_bytes(b"".join(path.read_bytes() for path in parts))
    run = read_history(joined.parent).runs[0]
    assert [session.shard for session in run.sessions] == [1, 2, 3]
    assert len(run.tests) == 200
    assert all(
        test.worker.startswith(f"{number}/")
        for number in (1, 2, 3)
        for test in run.sessions[number - 1].tests
    )


def test_of_a_shard_that_ran_again_the_newest_counts(tmp_path: Path) -> None:
    Made(shard=(1, 2)).write(tmp_path / "a")
    Made(shard=(2, 2), status=1).write(tmp_path / "b")
    path = Made(shard=(2, 2)).write(tmp_path / "c")
    altered(path, id="again", started="2026-11-20T09:30:00+00:00")
    run = read_history(tmp_path).runs[0]
    assert [session.facts["id"] for session in run.sessions] == ["run 0 (1, 2)", "again"]
    assert run.status == 0


def test_a_worker_that_crashed_leaves_a_failure(tmp_path: Path) -> None:
    path = Made(tests=3).write(tmp_path)
    crash = {"$report_type": "TestReport", "nodeid": "tests/unit/test_x.py::test_crash", "when": "???",
             "outcome": "failed", "longrepr": "worker 'gw0' crashed"}  # fmt: skip
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-2], json.dumps(crash), *lines[-2:]]))
    run = read_history(tmp_path).runs[0]
    assert run.briefs["tests/unit/test_x.py::test_crash"].outcome == "failed"
    assert run.errors == {"tests/unit/test_x.py::test_crash": "worker 'gw0' crashed"}


def test_records_of_format_1_still_load(tmp_path: Path) -> None:
    reports = [
        {"nodeid": "tests/unit/test_a.py::test_b", "when": when, "outcome": outcome, "start": start, "stop": start + 1.0,
         "own_seconds": own, "own_processor": 0.05, "worker_id": "gw1", "$report_type": "TestReport", "longrepr": error}
        for when, outcome, start, own, error in (
            ("setup", "passed", 1e9, 0.25, None), ("call", "failed", 1e9 + 1, 1.0, {"reprcrash": {"message": "no\nway"}}),
            ("teardown", "passed", 1e9 + 2, 0.5, None),
        )
    ]  # fmt: skip
    facts = {
        "$report_type": "Run", "format": 1, "arguments": [], "started": "2001-09-09T01:46:30+00:00", "seconds": 14.0,
        "python": "3.11.7", "workers": 2, "control": 0.1, "work": 0.002, "machine": {"cores": 2}, "gone": [], "shard": None,
        "fixtures": {"app (session) tests": [0.5, 1.5]}, "files": {"tests/unit/test_a.py": 0.1},
    }  # fmt: skip
    lines = [
        {"$report_type": "SessionStart"},
        *reports,
        facts,
        {"$report_type": "SessionFinish", "exitstatus": 1},
    ]
    (tmp_path / "000001-x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    history = read_history(tmp_path)
    assert history.notices == []
    run = history.runs[0]
    (test,) = run.tests
    assert (test.worker, test.outcome, test.own, test.took) == (
        "gw1",
        "failed",
        (0.25, 1.0, 0.5),
        (1.0, 1.0, 1.0),
    )
    assert test.seconds == 1.75
    assert test.processor == pytest.approx(0.15)
    assert run.errors == {test.nodeid: "no"}
    (fixture,) = run.fixtures
    assert (fixture.name, fixture.scope, fixture.place) == ("app", "session", "tests")
    assert (fixture.setups, fixture.seconds, fixture.longest) == (2, 2.0, 1.5)
    (process,) = run.processes
    assert (process.worker, process.began, process.collected, process.ended) == (
        "gw1",
        999999990.0,
        1e9,
        1e9 + 3,
    )
