"""The record of a run: what is in it, that nothing spoils it, and what is left of a run that didn't reach its end."""

import json
import os
import random

import pytest
from inputs import damaged
from pytest_tiers.config import Settings
from pytest_tiers.timing import records
from pytest_tiers.timing.store import Store


@pytest.fixture
def record(tmp_path):
    """The record of a run of two tests, one of which failed and passed when it ran again."""
    lines = [{"$report_type": "SessionStart", "pytest_version": "9"}]
    for nodeid, outcome in (("tests/a.py::test_a[é|::]", "passed"), ("tests/a.py::test_b", "failed")):
        for when in ("setup", "call", "teardown"):
            failed = outcome == "failed" and when == "call"
            report = {
                "nodeid": nodeid,
                "when": when,
                "outcome": "failed" if failed else "passed",
                "longrepr": None,
            }
            if failed:
                report["longrepr"] = {"reprcrash": {"message": "ValueError: always\nand more"}}
            lines.append({"$report_type": "TestReport", "own_seconds": 0.1, "own_processor": 0.05} | report)
    machine = {"cores": 2, "begin": 0.7, "gain": 1.5}
    run = {
        "work": 1.0,
        "workers": 2,
        "control": 0.5,
        "machine": machine,
        "fixtures": {"app": [0.1, 0.3]},
        "files": {"tests/a.py": 0.1},
    }
    lines.append(
        {"$report_type": "Run", "format": 1, "seconds": 3.0, "gone": ["tests/a.py::test_c"], "shard": None}
        | run
    )
    lines.append({"$report_type": "SessionFinish", "exitstatus": 1})
    lines.append({"$report_type": "Again", "outcomes": {"tests/a.py::test_b": "passed"}})
    path = tmp_path / "000001-x.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_results_times_and_what_is_known_of_the_run_are_read(record):
    read = records.read(record)
    assert {nodeid: str(result) for nodeid, result in read.results.items()} == {
        "tests/a.py::test_a[é|::]": "passed",
        "tests/a.py::test_b": "failed: ValueError: always",
    }
    assert read.again == {"tests/a.py::test_b": "passed"}
    run = read.run
    # Two workers and half a process that controls them took turns on two processors.
    assert run.tests == {"tests/a.py::test_a[é|::]": pytest.approx((0.0875, 0.0875, 0.0875, 0.15))}
    assert (run.fixtures, run.files) == ({"app": pytest.approx(0.2)}, {"tests/a.py": 0.1})
    assert run.machine == {"cores": 2, "begin": 0.7, "gain": 1.5}
    assert run.gone == {"tests/a.py::test_c"}


def test_a_record_damaged_at_random_is_read_as_far_as_it_goes(record, tmp_path):
    whole = record.read_bytes()
    generator = random.Random(4)
    added = 0
    for _ in range(400):
        record.write_bytes(damaged(whole, generator))
        try:
            run = records.read(record).run
        except ValueError:
            continue
        Store(tmp_path / "checkout/.cache/tests/durations.json", tmp_path / "checkout").add(run)
        added += 1
    assert added > 50


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"[]\n7\nnull\n", b"\xff\xfe", b"[" * 100_000, b'{"$report_type": "Run"}']
)
def test_what_is_no_record_is_empty(record, content):
    record.write_bytes(content)
    read = records.read(record)
    assert (read.results, read.facts) == ({}, {})
    with pytest.raises(ValueError, match="no record of a whole run"):
        _ = read.run


def test_the_newest_record_is_known_by_its_number_and_old_ones_go(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", 3)
    for _ in range(5):
        records.new(tmp_path).write_text("x" * 100)
    assert [path.name.partition("-")[0] for path in sorted(tmp_path.iterdir())] == [
        "000003",
        "000004",
        "000005",
    ]
    assert records.newest(tmp_path).name.startswith("000005-")
    # The clock went back: it is still the newest.
    records.newest(tmp_path).rename(tmp_path / "000005-19700101T000000.jsonl")
    os.utime(tmp_path / "000005-19700101T000000.jsonl", (0, 0))
    assert records.new(tmp_path).name.startswith("000006-")
    monkeypatch.setattr(records, "ROOM", 150)
    for path in tmp_path.iterdir():
        path.write_text("x" * 100)
    records.new(tmp_path)
    assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir()) == ["000006", "000007"]
    with pytest.raises(FileNotFoundError, match="no record of a run"):
        records.newest(tmp_path / "nowhere")


def test_the_records_of_a_suite_lie_in_its_cache(tmp_path):
    assert records.runs_folder(Settings(tmp_path)) == tmp_path / ".cache/tests/runs"


def reports(*phases: tuple[str, str], **more: object) -> str:
    """Return the lines of a test whose phases ended so."""
    lines = [
        {
            "$report_type": "TestReport",
            "nodeid": "a",
            "when": when,
            "outcome": outcome,
            "longrepr": f"no: {when}\nmore",
        }
        for when, outcome in phases
    ]
    return "".join(f"{json.dumps(line | more)}\n" for line in lines)


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], "passed"),
        ([("setup", "failed"), ("teardown", "passed")], "failed: no: setup"),
        ([("setup", "passed"), ("call", "passed"), ("teardown", "failed")], "failed: no: teardown"),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "failed")], "failed: no: call"),
        ([("setup", "skipped"), ("teardown", "passed")], "skipped: no: setup"),
        ([("setup", "passed")], None),
    ],
    ids=str,
)
def test_the_worst_phase_counts(tmp_path, phases, said):
    path = tmp_path / "record.jsonl"
    path.write_text(reports(*phases))
    results = records.read(path).results
    assert (str(results["a"]) if said else results) == (said or {})


def test_a_failure_in_quarantine_is_told_from_any_other_that_is_expected(tmp_path):
    path = tmp_path / "record.jsonl"
    path.write_text(reports(("call", "skipped"), wasxfail="quarantine until 2999-12-31, ada: a race"))
    assert records.read(path).quarantined == {"a": "until 2999-12-31, ada: a race"}
    path.write_text(reports(("call", "skipped"), wasxfail="we know"))
    assert records.read(path).quarantined == {}


def test_what_differs_on_postgresql_is_kept(tmp_path):
    path = tmp_path / "record.jsonl"
    path.write_text(reports(("setup", "passed"), ("call", "failed"), differs="rounds otherwise"))
    assert records.read(path).results["a"].differs == "rounds otherwise"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ({"reprcrash": {"message": "E: a\nb"}}, "E: a"),
        ({"message": "E: a"}, "E: a"),
        ({"reprcrash": None}, ""),
        (["file.py", 3, "Skipped: why\n"], "Skipped: why"),
        ("\n  text\nmore", "text"),
        ("", ""),
    ],
    ids=str,
)
def test_the_first_line_of_an_error_is_enough(tmp_path, error, line):
    path = tmp_path / "record.jsonl"
    path.write_text(reports(("call", "failed"), longrepr=error))
    assert records.read(path).results["a"].error == line
