"""What a run leaves: its record and its times, also where it was interrupted or killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_tiers.config import read
from pytest_tiers.timing import records
from pytest_tiers.timing.records import Record
from pytest_tiers.timing.store import open_store
from suites import Suite

MANY = """
import os
import signal

import pytest


@pytest.fixture(scope="session")
def shared():
    return 1


@pytest.mark.parametrize("number", range(5))
def test_done(number, shared):
    print("never mind")


def test_last():
    {last}
"""
FILE = "tests/unit/test_many.py"


def kept(pytester: pytest.Pytester) -> list[Record]:
    """Read the records that were left, the oldest first."""
    return [records.read(path) for path in sorted((pytester.path / ".cache/tests/runs").iterdir())]


def stored(pytester: pytest.Pytester) -> set[str]:
    """Return the tests whose times were kept."""
    return set(open_store(read(pytester.path)).tests)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_run_leaves_a_record_of_what_each_worker_did(suite: Suite, workers):
    pytester = suite(
        {FILE: MANY.format(last="print('said'); raise ValueError('no')"), "tests/unit/test_b.py": ""}
    )
    pytester.runpytest_subprocess("-n", workers, "tests").assert_outcomes(passed=5, failed=1)
    (record,) = kept(pytester)
    assert len(record.results) == 6
    assert str(record.results[f"{FILE}::test_last"]) == "failed: ValueError: no"
    assert record.ended == record.results.keys()
    assert record.facts["arguments"][-3:] == ["-n", workers, "tests"]
    assert record.facts["workers"] == int(workers)
    assert record.facts["python"] == sys.version.split()[0]
    assert record.facts["shard"] is None
    assert record.facts["seconds"] > 0
    assert (
        record.run.tests.keys() == {f"{FILE}::test_done[{number}]" for number in range(5)} == stored(pytester)
    )
    assert set(record.run.files) == {FILE, "tests/unit/test_b.py"}
    assert f"shared (session) {FILE}" in record.run.fixtures
    assert record.run.machine.keys() >= {"cores", "begin", "start", "collect"}
    assert record.run.machine.keys() & {"around", "relayed", "control"} == (
        {"around"} if workers == "0" else {"relayed", "control"}
    )
    (path,) = (pytester.path / ".cache/tests/runs").iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [lines[n]["$report_type"] for n in (0, -2, -1)] == ["SessionStart", "Run", "SessionFinish"]
    assert lines[-1]["exitstatus"] == 1
    said = {line["nodeid"] for line in lines if line.get("sections")}
    assert said == {f"{FILE}::test_last"}, "what others print isn't kept"
    for line in lines:
        assert not line.keys() & {"keywords", "location", "node"}


def test_what_a_report_says_that_json_cant_is_written_as_text(suite: Suite):
    plugin = "def pytest_runtest_logreport(report):\n    report.thing = {1, 2}\n"
    plugin = f"import pytest\n\n\n@pytest.hookimpl(tryfirst=True)\n{plugin}"
    test = "def test_a():\n    pass\n\n\ndef test_b():\n    assert False\n"
    pytester = suite({"tests/unit/test_a.py": test, "conftest.py": plugin})
    pytester.runpytest().assert_outcomes(passed=1, failed=1)
    (record,) = kept(pytester)
    assert [result.outcome for result in record.results.values()] == ["passed", "failed"]


@pytest.mark.parametrize("arguments", [["--collect-only"], ["--help"], ["--version"]], ids=str)
def test_what_runs_no_test_leaves_no_record(suite: Suite, arguments):
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"})
    assert pytester.runpytest(*arguments).ret == 0
    assert not (pytester.path / ".cache/tests/runs").exists()


def test_a_record_goes_where_it_is_told_to(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"})
    assert pytester.runpytest("--record", "here/mine.jsonl").ret == 0
    assert records.read(pytester.path / "here/mine.jsonl").results.keys() == {"tests/unit/test_a.py::test_a"}
    assert not (pytester.path / ".cache/tests").exists()


def test_the_cache_keeps_itself_out_of_git(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    assert False\n"})
    pytester.runpytest()
    assert not (pytester.path / ".cache/tests/durations.json").exists(), "nothing passed"
    assert (pytester.path / ".cache/tests/.gitignore").read_text().splitlines()[-1] == "*"


def fifo(folder: Path) -> Path:
    """Return a pipe in `folder`: reading it waits until the other side has opened and closed it."""
    path = folder / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_an_interrupted_run_measured_is_kept(suite: Suite, workers):
    pytester = suite({})
    pipe = fifo(pytester.path)
    wait = f"open({str(pipe)!r}, 'w').close(); signal.pause()"
    (pytester.path / "tests/unit").mkdir(parents=True)
    (pytester.path / FILE).write_text(MANY.format(last=wait))
    command = [sys.executable, "-m", "pytest", "-n", workers, "tests"]
    process = pytester.popen(command, stdin=subprocess.DEVNULL)
    pipe.read_text()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    (record,) = kept(pytester)
    done = {nodeid for nodeid in record.ended if record.results[nodeid].outcome == "passed"}
    assert stored(pytester) == done
    # With workers, those of the other one may still be on their way.
    assert len(done) == 5 if workers == "0" else done
    assert record.facts["seconds"] > 0


def test_a_killed_run_leaves_what_it_did_and_the_next_run_is_right(suite: Suite):
    pytester = suite({FILE: MANY.format(last="os.kill(os.getpid(), signal.SIGKILL)")})
    assert pytester.runpytest_subprocess("tests").ret == -signal.SIGKILL
    (record,) = kept(pytester)
    assert len(record.results) == 5, "the last one was only set up"
    assert record.facts == {}
    with pytest.raises(ValueError, match="no record of a whole run"):
        _ = record.run
    assert stored(pytester) == set()
    pytester.runpytest_subprocess("-n", "1", "tests").assert_outcomes(passed=5, failed=1)
    _, record = kept(pytester)
    assert record.results[f"{FILE}::test_last"].outcome == "failed"
    assert record.facts["workers"] >= 0
    assert len(stored(pytester)) == 5
