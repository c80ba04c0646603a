"""The measured times: what they decide, and that no file, no machine and no other run can spoil them."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from inputs import damaged
from pytest_tiers.config import Settings
from pytest_tiers.timing import measures, store
from pytest_tiers.timing.store import Moved, Run, Store

TEST = "tests/unit/test_a.py::test_a"


@pytest.fixture
def path(tmp_path):
    """The store's file in a checkout that has one test file."""
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "tests/unit/test_a.py").touch()
    (tmp_path / ".cache/tests").mkdir(parents=True)
    return tmp_path / ".cache/tests/durations.json"


def opened(path: Path) -> Store:
    """Read the store of a checkout."""
    return Store(path, path.parents[2])


def add_run(path: Path, work: float = 1.0, **measured: Any) -> list[Moved]:
    """Add what a run measured; return what moved."""
    return opened(path).add(Run(work, **measured))


def add(path: Path, *seconds: float, work: float = 1.0, nodeid: str = TEST) -> list[Moved]:
    """Add runs of a test, one after the other; return what moved in the last one."""
    moved: list[Moved] = []
    for second in seconds:
        moved = add_run(path, work, tests={nodeid: (0.0, second, 0.0, second)})
    return moved


def known(path, nodeid=TEST):
    """Return what is known of a test."""
    return opened(path).tests[nodeid]


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
    assert opened(path).ratio(3.0) == 3.0
    assert opened(path).ratio(1.2) == 1.0, "the measure itself varies"


def test_the_machines_measure_is_positive_and_takes_milliseconds():
    assert 0 < measures.work_seconds() < 1


def test_tests_that_are_gone_are_forgotten(path):
    others = {f"tests/unit/test_{name}::test": (0.0, 1.0, 0.0, 1.0) for name in ("gone.py", "a.py")}
    add_run(path, tests=others)
    assert list(opened(path).tests) == ["tests/unit/test_a.py::test"], "the other file doesn't exist"
    add_run(path, tests={TEST: (0.0, 1.0, 0.0, 1.0)}, gone={"tests/unit/test_a.py::test"})
    assert list(opened(path).tests) == [TEST]


def test_fixtures_and_files_are_kept_until_they_are_gone(path, monkeypatch):
    for seconds in (0.1, 0.2, 5.0):
        add_run(
            path,
            fixtures={"app (session) tests": seconds},
            files={"tests/unit/test_a.py": seconds, "tests/gone.py": 1.0},
        )
    kept = opened(path)
    assert kept.fixtures["app (session) tests"].seconds == 0.2
    assert kept.fixtures["app (session) tests"].runs == 3
    assert {file: series.last for file, series in kept.files.items()} == {
        "tests/unit/test_a.py": (0.1, 0.2, 5.0)
    }
    monkeypatch.setattr(store, "FORGOTTEN", -store.FORGOTTEN)  # as if that long had passed
    add_run(path, fixtures={})
    assert opened(path).fixtures == {}


def test_what_is_known_of_the_machine_is_converted_and_its_gain_holds_for_its_processors_only(path):
    add_run(path, work=1.0, machine={"cores": 4, "gain": 3.0, "begin": 0.5})
    add_run(path, work=3.0, machine={"cores": 4, "gain": 2.0, "begin": 3.0})
    machine = opened(path).machine
    assert (machine.gain, machine.begin) == ([3.0, 2.0], [0.5, 1.0])
    add_run(path, work=1.0, machine={"cores": 2, "begin": 0.5})
    machine = opened(path).machine
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
        "import sys; from pathlib import Path; from pytest_tiers.timing.store import Run, Store\n"
        "for n in range(30):\n"
        "    tests = {f'tests/unit/test_a.py::test_{sys.argv[1]}_{n}': (0., 1., 0., 1.)}\n"
        f"    Store(Path({str(path)!r}), Path({str(path.parents[2])!r})).add(Run(1., tests=tests))\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(opened(path).tests) == 90


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
    broken = opened(path)
    assert broken.tests == {}
    assert not broken.note or str(path) in broken.note
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
    *(
        {"runs": 1, "seen": "x", "speed": "fast", "last": [[bad if n == place else 0 for n in range(4)]]}
        for place in range(4)
        for bad in (-1e-9, 1e6)
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
    assert list(opened(path).tests) == [TEST]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_refused(path, value):
    add(path, 0.2)
    path.write_text(path.read_text().replace("0.2", value))
    assert opened(path).tests == {}


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
        read = opened(path)
        for measured in read.tests.values():
            assert 0 <= measured.seconds < 1e6 * 3
            assert measured.speed in measures.SPEEDS
        for series in (*read.fixtures.values(), *read.files.values()):
            assert 0 <= series.seconds < 1e6
        assert all(0 <= gain < 1e6 for gain in read.machine.gain)
    add(path, 0.2)
    assert TEST in opened(path).tests


def test_a_file_of_a_later_format_is_left_alone(path):
    later = '{"format": 4, "something": "else"}'
    path.write_text(later)
    add(path, 0.2)
    assert path.read_text() == later
    assert (
        opened(path).note == f"{path} is of a later version of pytest-tiers: it isn't used, and left as it is"
    )
    with pytest.raises(ValueError, match="of a later version"):
        opened(path).take_over({TEST: 1.0})
    assert path.read_text() == later


def test_what_cant_be_written_is_an_error_that_leaves_the_file_as_it_was(path, monkeypatch):
    add(path, 0.2)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        add(path, 0.3)
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == [
        ".gitignore",
        "durations.json",
        "durations.lock",
    ]


def test_whoever_writes_first_keeps_git_out_of_the_cache(tmp_path):
    settings = Settings(tmp_path)
    assert store.store_path(settings) == tmp_path / ".cache/tests/durations.json"
    assert store.open_store(settings).add(Run(1.0, fixtures={"app": 0.1})) == []
    assert (tmp_path / ".cache/tests/.gitignore").read_text().splitlines()[-1] == "*"
    assert store.open_store(settings).fixtures["app"].last == (0.1,)


def test_what_was_known_before_a_run_stays_as_it_was(path):
    add(path, 0.2)
    kept = opened(path)
    before = kept.tests
    kept.add(Run(1.0, tests={TEST: (0.0, 0.4, 0.0, 0.4)}))
    assert before[TEST].seconds == 0.2
    assert kept.tests[TEST].runs == 2


def test_what_couldnt_be_written_is_merged_no_second_time(path, monkeypatch):
    add(path, 0.2)
    kept = opened(path)
    run = Run(1.0, tests={TEST: (0.0, 0.4, 0.0, 0.4)})
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            kept.add(run)
    kept.add(run)
    assert known(path).runs == 2


def test_of_a_file_that_keeps_more_runs_the_last_ones_count(path):
    add(path, 0.2)
    content = json.loads(path.read_text())
    content["tests"][TEST]["last"] = [[0, second, 0, 0] for second in range(7)]
    content["files"] = {"tests/unit/test_a.py": {"runs": 7, "seen": "2026-11-23", "last": [*range(7)]}}
    path.write_text(json.dumps(content))
    assert [phases[1] for phases in known(path).last] == [2, 3, 4, 5, 6]
    assert opened(path).files["tests/unit/test_a.py"].last == (2, 3, 4, 5, 6)


def test_times_of_another_tool_never_replace_what_was_measured(path):
    add(path, 0.2)
    opened(path).take_over({TEST: 5.0, f"{TEST}_too": 0.5, "tests/gone.py::test": 1.0})
    assert known(path).seconds == 0.2
    taken = known(path, f"{TEST}_too")
    assert (taken.last, taken.runs, taken.speed) == (((0.0, 0.5, 0.0, 0.5),), 0, "medium")
    assert len(opened(path).tests) == 2


@pytest.mark.parametrize(
    ("seconds", "speed"),
    [(0.0, "fast"), (0.0999, "fast"), (0.1, "medium"), (0.999, "medium"), (1.0, "slow"), (1e5, "slow")],
)
def test_speeds_have_bounds(seconds, speed):
    assert measures.speed_of(seconds) == speed


@pytest.mark.parametrize(("work", "ratio"), [(2.0, 2.0), (1.99, 1.0), (0.51, 1.0), (0.5, 0.5), (0.1, 0.1)])
def test_machines_that_differ_by_less_than_twice_count_as_the_same(path, work, ratio):
    assert opened(path).ratio(work) == 1.0, "nothing is known"
    add(path, 0.2, work=1.0)
    assert opened(path).ratio(work) == ratio
