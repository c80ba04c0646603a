"""`-n auto`: what it takes for selected, and what it says of its choice."""

import json
import re

import pytest
from pytest_tiers.timing import auto_workers, stopwatch, workers
from pytest_tiers.timing.measures import Machine
from pytest_tiers.timing.stopwatch import machine_of, stopwatch_of
from suites import Suite

LONG, SHORT = 2.0, 0.001
TESTS = {
    **{f"tests/unit/test_a.py::test_many[{number}]": SHORT for number in range(20)},
    "tests/unit/test_a.py::test_other": SHORT,
    **{f"tests/unit/test_b.py::test_many[{number}]": LONG for number in range(20)},
    "tests/unit/test_b.py::test_other": SHORT,
    "tests/committed/test_c.py::TestGroup::test_waits": LONG,
}
FILES = {"tests/unit/test_a.py": "", "tests/unit/test_b.py": "", "tests/committed/test_c.py": ""}
CORES = workers.cores()


def known(pytester: pytest.Pytester, machine: Machine | None = None, processor: float | None = None) -> None:
    """Write what was measured."""
    tests = {
        nodeid: {
            "runs": 3,
            "seen": "2026-11-23",
            "speed": "slow" if seconds == LONG else "fast",
            "last": [[0, seconds, 0, seconds if processor is None else processor]],
        }
        for nodeid, seconds in TESTS.items()
    }
    machine = machine or Machine(work=None, cores=CORES, gain=[2.0, 2.0, 2.0])
    content = {
        "format": 3,
        "machine": vars(machine) | {"work": machine.work or 0},
        "fixtures": {},
        "files": {},
        "tests": tests,
    }
    path = pytester.path / ".cache/tests/durations.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def work(pytester: pytest.Pytester, *arguments: str) -> tuple[int, float, int]:
    """Return how many tests are selected, their seconds, and how many are collected."""
    found = auto_workers.work_of(pytester.parseconfig(*arguments))
    return found.tests, round(found.seconds, 1), found.collected


@pytest.fixture
def measured(suite: Suite) -> pytest.Pytester:
    """A suite of which all was measured."""
    pytester = suite(FILES, pyproject="[tool.coverage]")
    known(pytester)
    return pytester


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (43, 42.0, 43)),
        (["tests"], (43, 42.0, 43)),
        (["."], (43, 42.0, 43)),
        (["tests/unit/test_a.py"], (21, 0.0, 21)),
        (["tests/unit/../unit/test_b.py"], (21, 40.0, 21)),
        (["tests/uni"], (0, 0.0, 0)),
        (["tests/unit", "tests/committed"], (43, 42.0, 43)),
        (["tests/unit/test_b.py::test_other"], (1, 0.0, 1)),
        (["tests/unit/test_b.py::test_many"], (20, 40.0, 20)),
        (["tests/unit/test_b.py::test_many[1]"], (1, 2.0, 1)),
        (["tests/committed/test_c.py::TestGroup"], (1, 2.0, 1)),
        (["-k", "other"], (2, 0.0, 43)),
        (["-k", "OTHER"], (2, 0.0, 43)),
        (["-k", "many and not test_a"], (20, 40.0, 43)),
        (["-m", "fast"], (22, 0.0, 43)),
        (["-m", "slow and unit"], (20, 40.0, 43)),
        (["-m", "medium"], (0, 0.0, 43)),
        (["-m", "integration"], (0, 0.0, 43)),
        (["-m", "committed"], (1, 2.0, 43)),
        (["-m", "a_marker_of_the_team or not another_one"], (43, 42.0, 43)),
        (["-m", "fast", "-k", "test_b"], (1, 0.0, 43)),
        (["-k", "not ("], (43, 42.0, 43)),  # pytest refuses it later
    ],
    ids=str,
)
def test_what_is_selected_is_looked_up(measured, arguments, expected):
    assert work(measured, *arguments) == expected


def test_from_another_folder_paths_are_those_of_that_folder(measured, monkeypatch):
    monkeypatch.chdir(measured.path / "tests/unit")
    assert work(measured, f"--rootdir={measured.path}", "test_a.py") == (21, 0.0, 21)
    assert work(measured, f"--rootdir={measured.path}") == (42, 40.0, 42)


def test_the_last_failures_are_looked_up(measured):
    assert work(measured, "--lf") == (43, 42.0, 43)
    cache = measured.path / ".pytest_cache/v/cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text('{"tests/unit/test_b.py::test_many[3]": true}')
    assert work(measured, "--lf") == (1, 2.0, 43)
    assert work(measured) == (43, 42.0, 43)
    (cache / "lastfailed").write_text("{}")
    assert work(measured, "--lf") == (43, 42.0, 43)
    (cache / "lastfailed").write_text("{")
    assert work(measured, "--lf") == (43, 42.0, 43)


def test_a_shard_is_looked_up(measured):
    files = [[f"tests/unit/test_{name}.py"] for name in "ab"]
    shards = [{"seconds": 1, "files": names, "tests": [], "rest": []} for names in files]
    (measured.path / "plan.json").write_text(json.dumps({"format": 1, "digest": "", "shards": shards}))
    plan = ("--tiers-plan", "plan.json", "--tiers-shard")
    assert work(measured, *plan, "1/2") == (22, 2.0, 43), "also what the plan doesn't know"
    assert work(measured, *plan, "2/2") == (20 + 1, 40.0, 43)
    # What is wrong with it is said later.
    assert work(measured, *plan, "one") == (43, 42.0, 43)
    assert work(measured, "--tiers-plan", "gone.json", "--tiers-shard", "1/2") == (43, 42.0, 43)


def test_what_was_never_measured_counts_by_its_size(measured):
    content = "#" * 150 * 200
    (measured.path / "tests/unit/test_new.py").write_text(content)
    assert work(measured, "tests/unit/test_new.py") == (200, 1.5, 200)
    assert work(measured) == (243, 43.5, 243)
    assert work(measured, "tests/committed") == (1, 2.0, 1)


def test_markers_and_tiers_that_are_the_suites_own_arent_known(suite: Suite):
    markers = "addopts = \"--disable-plugin-autoload -p xdist.plugin -p tiers\"\nmarkers = ['slow: ours', 'unit(x): ours']"
    pytester = suite(FILES, loaded=f"[tool.pytest.ini_options]\n{markers}")
    known(pytester)
    assert work(pytester, "-m", "slow") == (43, 42.0, 43)
    assert work(pytester, "-m", "unit") == (43, 42.0, 43)
    assert work(pytester, "-m", "fast") == (22, 0.0, 43)
    assert work(pytester, "-m", "committed") == (1, 2.0, 43)


def test_where_no_tiers_are_their_names_are_markers_like_any_other(suite: Suite):
    pytester = suite(FILES, tiers=None)
    known(pytester)
    assert work(pytester, "-m", "committed") == (43, 42.0, 43)


@pytest.mark.parametrize(
    ("tiers", "files", "processor"),
    [
        ("", {}, 2.0),  # the committed test alone
        ("folders = {}", {}, 0.0),
        ("folders = {}", {"alembic.ini": "[alembic]\nscript_location = ."}, 42.0),  # any of them may use it
    ],
)
def test_what_waits_for_postgresql_keeps_a_processor_busy(suite: Suite, tiers, files, processor):
    pytester = suite(FILES | files, tiers=tiers)
    known(pytester, processor=0.0)
    found = auto_workers.work_of(pytester.parseconfig())
    assert (round(found.seconds, 1), round(found.processor, 1)) == (42.0, processor)
    assert found.longest == 2.0


def test_the_processor_is_never_busy_for_longer_than_a_test_takes(suite: Suite):
    pytester = suite(FILES)
    known(pytester, processor=50.0)
    found = auto_workers.work_of(pytester.parseconfig())
    assert found.processor == pytest.approx(found.seconds)


def said(pytester: pytest.Pytester, *arguments: str) -> str:
    """Return the line of a run with `-n auto`."""
    kept = pytester.path / ".cache/tests/durations.json"
    before = kept.read_bytes()
    lines = pytester.runpytest("-n", "auto", "--collect-only", *arguments).outlines
    kept.write_bytes(before)
    (line,) = (line for line in lines if line.startswith("-n auto:"))
    return line


def test_a_run_says_why_it_has_so_many_workers(measured, monkeypatch):
    monkeypatch.setattr(auto_workers, "work_seconds", lambda: 1.0)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    known(measured, Machine(work=1.0, cores=2, gain=[1.9, 1.9, 1.9], begin=[0.5], start=[0.5]))
    assert (
        said(measured, "tests/unit/test_a.py")
        == "-n auto: no workers: 21 tests of 0.0 s, for which none pays"
    )
    assert re.fullmatch(
        r"-n auto: 2 workers: 21 tests of 40\.0 s, done in about 2\d\.\d s, and in 41\.\d s with none;"
        r" 2 processors do 1\.9 times the work of one",
        said(measured, "tests/unit/test_b.py"),
    )
    # Where starting takes so long, none pays.
    known(measured, Machine(work=1.0, cores=2, gain=[1.9, 1.9, 1.9], begin=[20.0], start=[0.5]))
    assert re.fullmatch(
        r"-n auto: no workers: 21 tests of 40\.0 s, done in about 60\.\d s, and in 8\d\.\d s with one; .*",
        said(measured, "tests/unit/test_b.py"),
    )


def test_a_slower_machine_takes_longer_for_what_works(measured, monkeypatch):
    monkeypatch.setattr(auto_workers, "work_seconds", lambda: 3.0)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    known(
        measured,
        Machine(
            work=1.0, cores=2, gain=[1.9, 1.9, 1.9], begin=[0.0], start=[0.0], collect=[0.0], around=[0.0]
        ),
    )
    assert "in 120.0 s with none" in said(measured, "tests/unit/test_b.py")
    known(
        measured,
        Machine(
            work=1.0, cores=2, gain=[1.9, 1.9, 1.9], begin=[0.0], start=[0.0], collect=[0.0], around=[0.0]
        ),
        processor=0.0,
    )
    assert "in 40.0 s with none" in said(measured, "tests/unit/test_b.py")


def test_fewer_than_three_seconds_are_trivial(measured, monkeypatch):
    monkeypatch.setattr(workers, "measure_gain", lambda count: pytest.fail("measured for nothing"))
    known(measured, Machine(work=1.0))
    assert "for which none pays" in said(measured, "tests/committed")


def test_the_gain_is_measured_until_it_is_known_well(measured, monkeypatch):
    monkeypatch.setattr(workers, "measure_gain", lambda count: count / 2)
    monkeypatch.setattr(workers, "cores", lambda: 6)
    for cores, gain, expected in (
        (6, [5.0, 5.0, 5.0], [5.0, 5.0, 5.0]),
        (6, [5.0, 5.0], [5.0, 5.0, 3.0]),
        (4, [5.0, 5.0, 5.0], [3.0]),  # of another machine
    ):
        known(measured, Machine(work=1.0, cores=cores, gain=gain))
        config = measured.parseconfig()
        machine = machine_of(config)
        assert (machine.cores, machine.gain) == (6, expected)
        assert stopwatch_of(config).gain == (None if len(gain) == len(expected) else 3.0)
    assert stopwatch.KNOWN == 3


def test_a_broken_store_is_no_reason_for_minus_n_auto_to_fail(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"})
    path = pytester.path / ".cache/tests/durations.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    done = pytester.runpytest_subprocess("-n", "auto")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*durations.json can't be read*", "-n auto: no workers: *"], consecutive=False)
