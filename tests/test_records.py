"""The record of a run: what is in it, that nothing spoils it, and what is left of a run that didn't reach its end."""

import json
import os
import random
import signal

import pytest
from inputs import damaged
from machinery import fifo
from tools_of_service import records, store


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


@pytest.mark.fast
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


@pytest.mark.fast
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
        store.Store(tmp_path / "checkout/.cache/tests/durations.json").add(run)
        added += 1
    assert added > 50


@pytest.mark.fast
@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"[]\n7\nnull\n", b"\xff\xfe", b"[" * 100_000, b'{"$report_type": "Run"}']
)
def test_what_is_no_record_is_empty(record, content):
    record.write_bytes(content)
    read = records.read(record)
    assert (read.results, read.facts) == ({}, {})
    with pytest.raises(ValueError, match="no record of a whole run"):
        _ = read.run


@pytest.mark.fast
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


MANY = """
import os
import signal

import pytest


@pytest.mark.parametrize("number", range(5))
def test_done(number):
    pass


def test_last():
    {last}
"""


def runs(machinery):
    """Return the records that were left, the oldest first."""
    return [records.read(path) for path in sorted((machinery.service.folder / records.FOLDER).iterdir())]


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_run_leaves_a_record_of_what_each_worker_did(machinery, workers):
    (machinery.service.folder / "tests/unit/test_many.py").write_text(
        MANY.format(last="print('said'); raise ValueError('no')")
    )
    machinery.pytest("-n", workers, "tests", status=1)
    (record,) = runs(machinery)
    assert len(record.results) == 8
    assert str(record.results["tests/unit/test_many.py::test_last"]) == "failed: ValueError: no"
    assert record.facts["arguments"] == ["-n", workers, "tests"]
    assert record.facts["workers"] == int(workers)
    assert set(record.run.files) == {"tests/unit/test_many.py", "tests/integration/test_probe.py"}
    assert "databases (session)" in record.run.fixtures
    assert record.run.machine.keys() >= {"cores", "begin", "start", "collect"}
    assert record.run.machine.keys() & {"around", "relayed", "control"} == (
        {"around"} if workers == "0" else {"relayed", "control"}
    )
    path = records.newest(machinery.service.folder / records.FOLDER)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["$report_type"] for line in (lines[0], lines[-2], lines[-1])] == [
        "SessionStart",
        "Run",
        "SessionFinish",
    ]
    reports = [line for line in lines if line["$report_type"] == "TestReport"]
    assert all(report["stop"] >= report["start"] for report in reports)
    assert {report.get("worker_id") for report in reports} == ({"gw0", "gw1"} if workers == "2" else {None})
    said = [report["nodeid"] for report in reports if report["sections"]]
    assert said == ["tests/unit/test_many.py::test_last"], "what others print isn't kept"


CHARGED = """
import threading
import time

import pytest

from tests.plugins import guards


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "imported.py").write_text("import time; time.sleep(0.5)")
    (tmp_path / "imported_in_a_thread.py").write_text("import time; time.sleep(0.5)")
    (tmp_path / "prepared.py").write_text("import time; time.sleep(0.5)")


@pytest.fixture(scope="module")
def shared():
    time.sleep(0.5)


@pytest.fixture
def own():
    time.sleep(0.2)
    yield
    time.sleep(0.2)


def test_shared(shared):
    pass


def test_own(shared, own):
    time.sleep(0.2)


def test_imports():
    import imported


def test_imports_in_a_thread():
    def work():
        import imported_in_a_thread

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_beside_the_machinery():
    def work():
        guards.unwatch()
        import prepared

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_is_charged_for_what_it_does_and_not_for_what_came_with_it(machinery, workers):
    (machinery.service.folder / "tests/unit/test_charged.py").write_text(CHARGED)
    machinery.pytest("-n", workers, "tests/unit")
    (record,) = runs(machinery)
    took = {nodeid.partition("::")[2]: times for nodeid, times in record.times.items()}
    assert sum(took["test_shared"][:3]) < 0.5
    assert record.run.fixtures["shared (module) tests/unit/test_charged.py"] >= 0.5
    assert all(phase >= 0.2 for phase in took["test_own"][:3])
    assert sum(took["test_imports"][:3]) < 0.5
    assert sum(took["test_imports_in_a_thread"][:3]) < 0.5
    assert took["test_beside_the_machinery"][1] >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_an_interrupted_run_measured_is_kept(machinery, workers):
    pipe = fifo(machinery.cache)
    wait = f"open({str(pipe)!r}, 'w').close(); signal.pause()"
    (machinery.service.folder / "tests/integration/test_probe.py").unlink()
    (machinery.service.folder / "tests/unit/test_many.py").write_text(MANY.format(last=wait))
    with machinery.started("-m", "pytest", "-n", workers, "tests") as process:
        pipe.read_text()
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 2
    kept = store.Store(machinery.service.folder / store.PATH).tests
    (record,) = runs(machinery)
    done = {nodeid for nodeid in record.ended if record.results[nodeid].outcome == "passed"}
    assert kept.keys() == done
    # With workers, those of the other one may still be on their way.
    assert len(done) == 5 if workers == "0" else done
    assert record.facts["seconds"] > 0


@pytest.mark.slow
def test_a_killed_run_leaves_what_it_did_and_the_next_run_is_right(machinery):
    (machinery.service.folder / "tests/integration/test_probe.py").unlink()
    (machinery.service.folder / "tests/unit/test_many.py").write_text(
        MANY.format(last="os.kill(os.getpid(), signal.SIGKILL)")
    )
    machinery.pytest("tests", status=-signal.SIGKILL)
    (record,) = runs(machinery)
    assert len(record.results) == 5, "the last one was only set up"
    assert record.facts == {}
    machinery.pytest("-n", "1", "tests", status=1)
    _, record = runs(machinery)
    assert record.results["tests/unit/test_many.py::test_last"].outcome == "failed"
    assert record.facts["workers"] >= 0
    assert len(store.Store(machinery.service.folder / store.PATH).tests) == 5


@pytest.mark.slow
def test_a_test_that_hangs_is_named_and_the_others_run(machinery):
    (machinery.service.folder / "tests/integration/test_probe.py").unlink()
    (machinery.service.folder / "tests/unit/test_hangs.py").write_text(
        "import signal\n\n\ndef test_hangs():\n    signal.pause()\n\n\ndef test_fine():\n    pass\n"
    )
    for workers in ("0", "2"):
        done = machinery.pytest("-n", workers, "-o", "timeout=1", "tests", status=1)
        assert done.counts == [{"failed": 1, "passed": 1}]
        assert "FAILED tests/unit/test_hangs.py::test_hangs - Failed: Timeout" in done.stdout

    # One that no exception gets through to, ends with its process, as the sessions have it.
    (machinery.service.folder / "tests/unit/test_hangs.py").write_text(
        "import time\n\n\ndef test_hangs():\n    while True:\n        try:\n            time.sleep(9)\n"
        "        except BaseException:\n            pass\n\n\ndef test_fine():\n    pass\n"
    )
    last = ("-o", "faulthandler_timeout=2", "-o", "faulthandler_exit_on_timeout=true")
    done = machinery.pytest("-n", "2", "-o", "timeout=1", *last, "tests", status=1)
    assert done.counts == [{"failed": 1, "passed": 1}]
    assert "crashed while running 'tests/unit/test_hangs.py::test_hangs'" in done.stdout
    noxfile = (machinery.service.folder / "noxfile.py").read_text()
    assert '"faulthandler_exit_on_timeout=true"' in noxfile
