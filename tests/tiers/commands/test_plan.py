"""`tiers plan`: the command line around the plan; what it writes, and where."""

import json

import pytest
from pytest_tiers.config import read
from pytest_tiers.timing.measures import Measured
from pytest_tiers.timing.plan import Plan
from pytest_tiers.timing.store import open_store


@pytest.fixture
def path(suite):
    """A suite with three files, of which two were measured: of 2 s and of 3 s."""
    path = suite({f"tests/unit/test_{name}.py": "#" * 100 for name in "abc"}, pyproject="").path
    durations = {f"tests/unit/test_{name}.py::test": seconds for name, seconds in (("a", 2.0), ("b", 3.0))}
    store = open_store(read(path))
    store.take_over(durations)
    return path


def test_shards_are_written_described_and_passed_on_to_the_workflow(path, tiers, monkeypatch):
    monkeypatch.setenv("GITHUB_OUTPUT", str(path / "outputs"))
    (path / "outputs").write_text("before=1\n")
    done = tiers("plan", "--shards", 2)
    plan = Plan.read(path / "plan.json")
    assert sorted(file for shard in plan.shards for file in shard.files) == [
        f"tests/unit/test_{name}.py" for name in "abc"
    ]
    assert (path / "outputs").read_text() == 'before=1\nshards=["1/2", "2/2"]\n'
    assert done.out.startswith("3 files in 2 shards: ")
    assert "1 files were never measured" in done.out
    assert done.out.endswith("plan.json is written. Run a part: pytest --ci --plan plan.json --shard 1/2\n")
    assert done.err == ""


def test_as_few_shards_as_are_done_in_the_time(path, tiers):
    said = tiers("plan", "--target-seconds", "5", "--plan", "other.json").out
    assert len(Plan.read(path / "other.json").shards) == 2
    assert "--plan other.json --shard 1/2" in said
    assert "no number of shards" not in said
    assert not (path / "plan.json").exists()
    said = tiers("plan", "--target-seconds", "1").out
    assert "One test takes 3.0 s, so no number of shards is done in 1 s." in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shards", "0"], "--shards: 1 to 256"),
        (["--shards", "257"], "--shards: 1 to 256"),
        (["--shards", "two"], "invalid int value: 'two'"),
        (["--target-seconds", "0"], "--target-seconds: more than 0"),
        (["--target-seconds", "nan"], "--target-seconds: more than 0"),
        (["--shards", "1", "--target-seconds", "1"], "not allowed with"),
        ([], "is required"),
    ],
)
def test_wrong_options_are_refused(path, tiers, arguments, words):
    done = tiers("plan", *arguments, status=2)
    assert words in done.err
    assert not (path / "plan.json").exists()


def test_the_bounds_of_the_options_are_in_it(path, tiers):
    tiers("plan", "--shards", "1")
    assert len(Plan.read(path / "plan.json").shards) == 1
    tiers("plan", "--shards", "256")
    assert len(Plan.read(path / "plan.json").shards) == 256


def test_without_tests_there_is_no_plan(suite, tiers):
    suite({})
    done = tiers("plan", "--shards", "2", status=2)
    assert "there are no test files in " in done.err
    assert done.err.endswith(".\n")


def test_a_plan_that_cant_be_written_is_said(path, tiers):
    done = tiers("plan", "--shards", "2", "--plan", path / "nowhere" / "plan.json", status=2)
    assert "nowhere/plan.json" in done.err
    assert "Traceback" not in done.err


def test_a_broken_store_is_said_and_the_plan_made_all_the_same(path, tiers):
    (path / ".cache/tests/durations.json").write_text("{")
    done = tiers("plan", "--shards", "2")
    assert "can't be read" in done.err
    assert "3 files were never measured" in done.out


def test_times_of_pytest_split_are_taken_over(path, tiers):
    (path / ".test_durations").write_text(json.dumps({"tests/unit/test_c.py::test": 1.0}))
    said = tiers("plan", "--import-durations", ".test_durations").out
    assert said.startswith("1 tests in .test_durations, 1 of them taken over.")
    known = open_store(read(path)).tests
    assert known["tests/unit/test_c.py::test"].seconds == 1.0
    assert isinstance(known["tests/unit/test_a.py::test"], Measured)
    assert not (path / "plan.json").exists()
    (path / ".test_durations").write_text("[]")
    assert ".test_durations has" in tiers("plan", "--import-durations", ".test_durations", status=2).err


def test_the_shards_of_a_plan_run_every_test_once_and_are_reported(suite, tiers):
    files = {f"tests/unit/test_{name}.py": f"def test_{name}():\n    pass\n" for name in "ab"}
    pytester = suite(files)
    tiers("plan", "--shards", "2")
    for number in (1, 2):
        record = f".cache/tests/shards/{number}/.cache/tests/runs/000001-x.jsonl"
        (pytester.path / record).parent.mkdir(parents=True)
        options = ("--plan", "plan.json", "--shard", f"{number}/2", f"--tiers-record={record}", "-n0")
        pytester.runpytest_inprocess(*options).assert_outcomes(passed=1)
    said = tiers("report").out
    assert said.startswith("## Tests: 2 passed; coverage not measured\n")
    assert "Wrong with the run" not in said
