"""The measured times: what they decide, and that no file, no machine and no other run can spoil them."""

import json
import random
import subprocess
import sys

import pytest
from inputs import damaged
from tools_of_service import TEMPLATE, store

pytestmark = pytest.mark.fast

TEST = "tests/unit/test_a.py::test_a"


@pytest.fixture
def path(tmp_path):
    """The store's file in a checkout that has one test file."""
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "tests/unit/test_a.py").touch()
    (tmp_path / ".cache/tests").mkdir(parents=True)
    return tmp_path / ".cache/tests/durations.json"


def add_run(path, work=1.0, **measured):
    """Add what a run measured; return what moved."""
    return store.Store(path).add(store.Run(work, **measured))


def add(path, *seconds, work=1.0, nodeid=TEST):
    """Add runs of a test, one after the other; return what moved in the last one."""
    moved = []
    for second in seconds:
        moved = add_run(path, work, tests={nodeid: (0.0, second, 0.0, second)})
    return moved


def known(path, nodeid=TEST):
    """Return what is known of a test."""
    return store.Store(path).tests[nodeid]


def test_it_keeps_the_phases_of_the_last_five_runs_and_counts_all(path):
    for run in range(7):
        add_run(path, tests={TEST: (0.001 * run, 0.01, 0.002, 0.25 * run)})
    measured = known(path)
    assert measured.runs == 7
    assert measured.last == tuple((0.001 * run, 0.01, 0.002, 0.25 * run) for run in range(2, 7))
    assert measured.seconds == pytest.approx(0.016)
    assert measured.processor == 1.0
    assert measured.spread == pytest.approx(0.004)
    assert measured.seen[:2] == "20"


def test_one_run_on_a_busy_machine_moves_nothing(path):
    assert add(path, 0.02, 0.02, 0.02, 5.0) == []
    assert known(path).seconds == 0.02
    assert known(path).speed == "fast"


@pytest.mark.parametrize(
    ("runs", "speed"),
    [
        ([0.09] * 3, "fast"),
        ([0.09, *[0.11] * 9], "fast"),  # within the margin it stays what it was
        ([0.11] * 3, "medium"),
        ([0.11, *[0.09] * 9], "medium"),
        ([0.09, *[0.13] * 9], "medium"),
        ([0.11, *[0.08] * 9], "fast"),
        ([0.01, *[2.0] * 9], "slow"),
        ([2.0, *[0.01] * 9], "fast"),
        ([1.1, *[0.9] * 9], "slow"),
    ],
)
def test_a_speed_changes_only_well_beyond_its_bound(path, runs, speed):
    add(path, *runs)
    assert known(path).speed == speed


def test_what_moved_is_told_once_with_old_and_new_time(path):
    add(path, 0.05, 0.05)
    assert add(path, 0.5) == []
    (moved,) = add(path, 0.5)
    assert (moved.nodeid, moved.old.speed, moved.new.speed) == (TEST, "fast", "medium")
    assert (moved.old.seconds, moved.new.seconds) == (0.05, 0.275)
    assert add(path, 0.5) == []


def test_times_of_another_machine_are_converted(path):
    add(path, 0.05, 0.05, work=1.0)
    add(path, *[0.15] * 9, work=3.0)  # three times as slow
    assert known(path).seconds == pytest.approx(0.05)
    assert known(path).speed == "fast"
    assert store.Store(path).ratio(3.0) == 3.0
    assert store.Store(path).ratio(1.2) == 1.0, "the measure itself varies"


def test_the_machines_measure_is_positive_and_takes_milliseconds():
    assert 0 < store.work_seconds() < 1


def test_tests_that_are_gone_are_forgotten(path):
    others = {f"tests/unit/test_{name}::test": (0.0, 1.0, 0.0, 1.0) for name in ("gone.py", "a.py")}
    add_run(path, tests=others)
    assert list(store.Store(path).tests) == ["tests/unit/test_a.py::test"], "the other file doesn't exist"
    add_run(path, tests={TEST: (0.0, 1.0, 0.0, 1.0)}, gone={"tests/unit/test_a.py::test"})
    assert list(store.Store(path).tests) == [TEST]


def test_fixtures_and_files_are_kept_until_they_are_gone(path, monkeypatch):
    for seconds in (0.1, 0.2, 5.0):
        add_run(
            path,
            fixtures={"app (session) tests": seconds},
            files={"tests/unit/test_a.py": seconds, "tests/gone.py": 1.0},
        )
    kept = store.Store(path)
    assert kept.fixtures["app (session) tests"].seconds == 0.2
    assert kept.fixtures["app (session) tests"].runs == 3
    assert {file: series.last for file, series in kept.files.items()} == {
        "tests/unit/test_a.py": (0.1, 0.2, 5.0)
    }
    monkeypatch.setattr(store, "FORGOTTEN", -store.FORGOTTEN)  # as if that long had passed
    add_run(path, fixtures={})
    assert store.Store(path).fixtures == {}


def test_what_is_known_of_the_machine_is_converted_and_its_gain_holds_for_its_processors_only(path):
    add_run(path, work=1.0, machine={"cores": 4, "gain": 3.0, "begin": 0.5})
    add_run(path, work=3.0, machine={"cores": 4, "gain": 2.0, "begin": 3.0})
    machine = store.Store(path).machine
    assert (machine.gain, machine.begin) == ([3.0, 2.0], [0.5, 1.0])
    add_run(path, work=1.0, machine={"cores": 2, "begin": 0.5})
    machine = store.Store(path).machine
    assert (machine.cores, machine.gain, machine.begin) == (2, [], [0.5, 1.0, 0.5])


def test_a_clock_that_goes_backwards_changes_nothing(path, monkeypatch):
    days = iter(["2026-11-23", "2026-01-01", "1970-01-01", "2026-11-24"])
    monkeypatch.setattr(store, "_today", lambda: next(days))
    for seconds in (0.1, 0.2, 0.3, 0.4):
        add(path, seconds)
    assert known(path).runs == 4
    assert [sum(phases[:3]) for phases in known(path).last] == [0.1, 0.2, 0.3, 0.4]


def test_two_runs_at_once_lose_nothing(path):
    program = (
        f"import sys; sys.path.insert(0, {str(TEMPLATE)!r})\n"
        "from pathlib import Path; from tools.store import Run, Store\n"
        "for n in range(30):\n"
        "    tests = {f'tests/unit/test_a.py::test_{sys.argv[1]}_{n}': (0., 1., 0., 1.)}\n"
        f"    Store(Path({str(path)!r})).add(Run(1., tests=tests))\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(store.Store(path).tests) == 90


BROKEN = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b'"format"',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"format": "2"}',
    b'{"format": 3}',
    b'{"format": 3, "machine": "fast", "tests": {}, "fixtures": {}, "files": {}}',
    b'{"format": 3, "machine": {"work": 1, "cores": 1}, "tests": [], "fixtures": {}, "files": {}}',
    b'{"format": 3, "machine": {"work": 1, "cores": 1e999}, "tests": {}, "fixtures": {}, "files": {}}',
    b'{"format": 2, "machine": 1, "tests": {"tests/unit/test_a.py::test_a": {"last": [[0, 1, 0]]}}}',
    b'{"format": 1, "tests": {"tests/unit/test_a.py::test_a": 0.1}}',
    b'{"tests/unit/test_a.py::test_a": 0.1}',
    b'{"format": null, "tests": {}}',
]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_or_foreign_file_counts_as_empty_and_is_written_anew(path, content):
    path.write_bytes(content)
    opened = store.Store(path)
    assert opened.tests == {}
    assert not opened.note or str(path) in opened.note
    add(path, 0.2)
    assert known(path).seconds == 0.2


BROKEN_ENTRIES: list[object] = [
    *({}, [], None, 1, "x"),
    {"runs": 1, "seen": "2026-01-01", "speed": "fast"},
    *(
        {"runs": 1, "seen": "x", "speed": "fast", "last": last}
        for last in ([], None, [1], [[1, 2]], [[1, 2, 3]], [[1, 2, 3, 4, 5]])
    ),
    *(
        {"runs": 1, "seen": "x", "speed": "fast", "last": [[0, bad, 0, 0]]}
        for bad in (-1, "x", None, 1e300, [1])
    ),
    {"runs": "many", "seen": "x", "speed": "fast", "last": [[0, 0.1, 0, 0]]},
    {"runs": 1e400, "seen": "x", "speed": "fast", "last": [[0, 0.1, 0, 0]]},
]


@pytest.mark.parametrize("entry", BROKEN_ENTRIES, ids=range(len(BROKEN_ENTRIES)))
def test_a_broken_entry_costs_only_itself(path, entry):
    add(path, 0.2)
    content = json.loads(path.read_text())
    content["tests"]["tests/unit/test_a.py::test_b"] = entry
    path.write_text(json.dumps(content))
    assert list(store.Store(path).tests) == [TEST]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_refused(path, value):
    add(path, 0.2)
    path.write_text(path.read_text().replace("0.2", value))
    assert store.Store(path).tests == {}


def test_a_file_damaged_at_random_never_fails_a_run(path):
    add(path, *[0.1] * 6)
    add_run(
        path,
        fixtures={"app (session)": 0.1},
        files={"tests/unit/test_a.py": 0.1},
        machine={"cores": 2, "gain": 1.5},
    )
    for number in range(5):
        add(path, 0.3, nodeid=f'tests/unit/test_a.py::test_{number}[é\\u2028"]')
    whole = path.read_bytes()
    generator = random.Random(4)
    for _ in range(400):
        path.write_bytes(damaged(whole, generator))
        read = store.Store(path)
        for measured in read.tests.values():
            assert 0 <= measured.seconds < 1e6 * 3
            assert measured.speed in store.SPEEDS
        for series in (*read.fixtures.values(), *read.files.values()):
            assert 0 <= series.seconds < 1e6
        assert all(0 <= gain < 1e6 for gain in read.machine.gain)
    add(path, 0.2)
    assert TEST in store.Store(path).tests


def test_a_file_of_a_later_format_is_left_alone(path):
    later = '{"format": 4, "something": "else"}'
    path.write_text(later)
    add(path, 0.2)
    assert path.read_text() == later
    assert "later version" in store.Store(path).note


def test_what_cant_be_written_is_an_error_that_leaves_the_file_as_it_was(path, monkeypatch):
    add(path, 0.2)
    before = path.read_bytes()
    monkeypatch.setattr(store.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        add(path, 0.3)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["durations.json", "durations.lock"]
