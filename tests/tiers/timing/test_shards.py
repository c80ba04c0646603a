"""One shard of the tests: each test runs in one of them, files of others aren't imported, and what doesn't fit is refused."""

import pytest
from pytest_tiers.config import read
from pytest_tiers.timing import plan as plans
from pytest_tiers.timing import records
from pytest_tiers.timing.records import Record
from pytest_tiers.timing.store import Run, open_store, work_seconds
from suites import Suite

IDS = ["a b", "é🎧", "x::y", "[]", "1/2", "'\\\"", "a\\\\nb"]
DIVIDED = f"""
import pytest

print("imported", "divided")


@pytest.mark.parametrize("value", {IDS!r} + list(range(20)))
def test_many(value):
    pass


class TestGroup:
    def test_in_a_class(self):
        pass
"""
ONE = "print('imported', {name!r})\n\n\ndef test_{name}():\n    assert {name!r}\n"
FILES = {f"tests/unit/test_{name}.py": ONE.format(name=name) for name in "abc"} | {
    "tests/unit/test_divided.py": DIVIDED
}


def make(pytester: pytest.Pytester, shards: int) -> plans.Plan:
    """Write a plan."""
    settings = read(pytester.path)
    plan = plans.make(settings, open_store(settings), shards=shards)
    plan.write(pytester.path / "plan.json")
    return plan


def shard(pytester: pytest.Pytester, part: str, *arguments: str) -> pytest.RunResult:
    """Run a shard."""
    return pytester.runpytest("-q", "--plan", "plan.json", "--shard", part, *arguments)


def last_record(pytester: pytest.Pytester) -> Record:
    """Read the record of the last run."""
    return records.read(records.newest(pytester.path / ".cache/tests/runs"))


@pytest.fixture(params=[True, False], ids=["measured", "never measured"])
def sharded(request: pytest.FixtureRequest, suite: Suite) -> pytest.Pytester:
    """A suite, of which one file is far too big for a shard; some of it isn't known."""
    pytester = suite(FILES, tiers=None if request.param else "")
    if request.param:
        (pytester.path / "tests/unit/test_c.py").write_text(FILES["tests/unit/test_c.py"] + "#" * 3000)
        pytester.runpytest("-q", "--deselect", "tests/unit/test_divided.py::test_many[7]")
        store = open_store(read(pytester.path))
        big = {nodeid: (0.0, 10.0, 0.0, 10.0) for nodeid in store.tests if "test_divided" in nodeid}
        for _ in range(2):
            store.add(Run(work_seconds(), tests=big))
    return pytester


def test_shards_run_every_test_once_and_import_only_their_own_files(sharded):
    known = bool(open_store(read(sharded.path)).tests)
    plan = make(sharded, 3)
    assert plan.divided == ({"tests/unit/test_divided.py"} if known else set())
    listed = sharded.runpytest("-q", "--collect-only").outlines
    expected = {line for line in listed if "::" in line}
    assert len(expected) == 31
    imported, ran, left = [], {}, {}
    for number in (1, 2, 3):
        done = shard(sharded, f"{number}/3", "-s", "-v")
        imported.append({line.split()[1] for line in done.outlines if line.startswith("imported")})
        (header,) = (line for line in done.outlines if line.startswith("shard "))
        assert header == f"shard {number} of 3, {plan.shards[number - 1].seconds:.1f} s of tests"
        record = last_record(sharded)
        for nodeid in record.results:
            assert ran.setdefault(nodeid, number) == number
        facts = record.facts["shard"]
        assert (facts["digest"], facts["shard"], facts["of"]) == (plan.digest, number, 3)
        assert set(facts["selected"]) == record.results.keys()
        left[number] = set(facts["left"])
    assert ran.keys() == expected
    for name in "abc":
        assert [name in names for names in imported].count(True) == 1, "no other shard imports it"
    assert sum("divided" in names for names in imported) == (3 if known else 1)
    if known:
        divided = {nodeid for nodeid in ran if "test_divided" in nodeid}
        assert {n: {nodeid for nodeid in divided if ran[nodeid] != n} for n in (1, 2, 3)} == left
    else:
        assert left == {1: set(), 2: set(), 3: set()}


def test_workers_run_a_shard_and_say_what_it_was_to_run(suite: Suite):
    pytester = suite(FILES)
    make(pytester, 2)
    arguments = ("-n2", "--plan", "plan.json", "--shard", "2/2")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=3)
    record = last_record(pytester)
    assert sorted(record.facts["shard"]["selected"]) == sorted(record.results)
    assert record.facts["shard"]["shard"] == 2


def test_tests_of_other_shards_arent_forgotten(suite: Suite):
    pytester = suite({"tests/unit/test_divided.py": DIVIDED})
    pytester.runpytest("-q").assert_outcomes(passed=28)
    make(pytester, 2)
    outcomes = shard(pytester, "1/2").parseoutcomes()
    assert outcomes["passed"] + outcomes["deselected"] == 28
    assert len(open_store(read(pytester.path)).tests) == 28


def test_a_shard_without_tests_is_no_failure(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": FILES["tests/unit/test_a.py"]})
    make(pytester, 3)
    done = shard(pytester, "3/3")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*no tests ran*"])
    # One whose tests were left out by somebody else is.
    assert shard(pytester, "1/3", "-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plan", "plan.json"], "--plan and --shard go together"),
        (["--shard", "1/2"], "--plan and --shard go together"),
        *(
            (["--plan", "plan.json", "--shard", part], f"--shard {part}: plan.json has the shards 1/2 to 2/2")
            for part in ("3/2", "0/2", "1/3", "one", "1/2/2")
        ),
        (["--plan", "gone.json", "--shard", "1/2"], "gone.json is no plan"),
    ],
    ids=str,
)
def test_a_shard_that_fits_no_plan_is_refused(suite: Suite, arguments, words):
    pytester = suite({"tests/unit/test_a.py": FILES["tests/unit/test_a.py"]})
    make(pytester, 2)
    done = pytester.runpytest(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: *{words}*"])


def test_a_plan_for_other_tests_is_refused(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": FILES["tests/unit/test_a.py"]})
    make(pytester, 2)
    (pytester.path / "tests/unit/test_a.py").write_text("def test_b():\n    pass\n")
    done = shard(pytester, "1/2")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        [
            "ERROR: plan.json was made for other tests than those of this checkout: *",
            "Make it anew, and use it for all shards: tiers plan --shards 2",
        ]
    )


def test_the_first_shard_runs_what_the_plan_doesnt_know(suite: Suite):
    pytester = suite({"tests/unit/test_a.py": FILES["tests/unit/test_a.py"]})
    make(pytester, 2)
    elsewhere = pytester.path.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "test_x.py").write_text("def test_x():\n    pass\n")
    arguments = ("tests", str(elsewhere))
    assert shard(pytester, "1/2", *arguments).parseoutcomes()["passed"] >= 1
    ran = {nodeid for nodeid in last_record(pytester).results if "test_x" in nodeid}
    shard(pytester, "2/2", *arguments)
    again = {nodeid for nodeid in last_record(pytester).results if "test_x" in nodeid}
    assert (len(ran), len(again)) == (1, 0)
