"""The shards: balanced, complete, the same each time, and refused where they don't fit."""

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from inputs import damaged, real_times
from pytest_split.algorithms import Algorithms
from pytest_tiers.config import Settings, read
from pytest_tiers.timing import plan as plans
from pytest_tiers.timing.store import Measured, Store

REAL = real_times()
TESTS = {nodeid: seconds for of_file in REAL.values() for nodeid, seconds in of_file.items()}


def loads(shards, times=None):
    """Return the seconds of each shard, added up from the tests that it runs."""
    plan = plans.Plan("", shards)
    sums = [0.0] * len(shards)
    for of_file in (times or REAL).values():
        for nodeid, seconds in of_file.items():
            sums[plan.shard_of(nodeid)] += seconds
    return sums


@pytest.mark.parametrize("count", range(2, 21))
def test_real_times_are_balanced_as_far_as_the_longest_tests_allow_and_never_worse_than_pytest_split(count):
    shards = plans.divide(REAL, count)
    sums = loads(shards)
    assert sums == pytest.approx([shard.seconds for shard in shards], abs=0.001)
    # No plan is better than the mean, the longest test, or the two that must share a shard.
    longest = sorted(TESTS.values(), reverse=True)
    bound = max(sum(longest) / count, longest[0], longest[count - 1] + longest[count])
    assert max(sums) / bound <= 1.05

    class Item:
        def __init__(self, nodeid):
            self.nodeid = nodeid

    for algorithm in Algorithms:
        groups = algorithm.value(count, [Item(nodeid) for nodeid in TESTS], dict(TESTS))
        assert max(sums) <= max(group.duration for group in groups) * plans.TOLERANCE


@pytest.mark.parametrize("seed", range(30))
def test_each_test_is_in_one_shard_and_each_shard_collects_what_it_runs(seed):
    generator = random.Random(seed)
    times = {
        f"tests/test_{file}.py": {
            f"tests/test_{file}.py::test_{number}[{generator.choice(['a', 'é::b', '1-[]', '/'])}{number}]": (
                generator.choice([0.0, 0.001, 1.0, 30.0]) * generator.random()
            )
            for number in range(generator.randrange(1, 40))
        }
        for file in range(generator.randrange(1, 30))
    }
    count = generator.randrange(1, 12)
    shards = plans.divide(times, count)
    assert shards == plans.divide(dict(reversed(times.items())), count), "the same, in whichever order"
    plan = plans.Plan("", shards)
    for file, of_file in times.items():
        named = [n for n, shard in enumerate(shards) if file in shard.files + shard.rest]
        assert len(named) == 1
        for nodeid in (*of_file, f"{file}::test_new[x::y]"):
            assert plan.collects(plan.shard_of(nodeid), file)
            assert sum(nodeid in shard.tests for shard in shards) <= 1
    for n, shard in enumerate(shards):
        assert sum(plan.collects(n, file) for file in times) == len(
            {*shard.files, *shard.rest, *(test.partition("::")[0] for test in shard.tests)}
        )
    assert plan.shard_of("tests/test_unheard_of.py::test_x") == 0
    assert sum(loads(shards, times)) == pytest.approx(sum(sum(of.values()) for of in times.values()))


def test_a_file_of_which_nothing_is_known_is_never_divided():
    times = {
        "tests/a.py": {"tests/a.py": 4.0},
        "tests/b.py": {"tests/b.py": 7.0},
        "tests/c.py": {"tests/c.py::test_1": 6.0, "tests/c.py::test_2": 2.0},
    }
    assert plans.divide(times, 2) == [
        plans.Shard(9.0, ["tests/b.py"], ["tests/c.py::test_2"], ["tests/c.py"]),
        plans.Shard(10.0, ["tests/a.py"], ["tests/c.py::test_1"]),
    ]


def test_the_file_that_is_divided_is_one_of_the_slowest_shard():
    times = {
        **{
            f"tests/{name}.py": {f"tests/{name}.py::test_1": 7.0, f"tests/{name}.py::test_2": 6.0}
            for name in "ab"
        },
        "tests/c.py": {"tests/c.py": 7.0},
    }
    assert plans.Plan("", plans.divide(times, 2)).divided == {"tests/a.py"}


def test_few_files_are_divided():
    for count in range(2, 9):
        assert len(plans.Plan("", plans.divide(REAL, count)).divided) <= 5, count


@pytest.fixture
def checkout(tmp_path):
    """A folder with two test files, of which one was measured."""
    for name, size in (("a", 100), ("b", 300), ("c", 100)):
        (tmp_path / "tests" / "unit").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / "unit" / f"test_{name}.py").write_text("#" * size)
    (tmp_path / "tests" / "conftest.py").touch()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\ntestpaths = ['tests']\n")
    return tmp_path


def suite(checkout: Path) -> Settings:
    """Return the settings of a checkout, as a command reads them."""
    return read(checkout)


def stored(checkout: Path, **seconds: float) -> Store:
    """Return a store that knows tests by the names of their files."""
    times = Store(checkout / ".cache" / "tests" / "durations.json", checkout)
    for name, second in seconds.items():
        times.tests[f"tests/unit/test_{name}.py::test"] = Measured(
            ((0.0, second, 0.0, second),), 1, "", "fast"
        )
    return times


def test_what_was_never_measured_is_estimated_by_its_size(checkout):
    (plan,) = plans.make(suite(checkout), stored(checkout, a=2.0)).shards
    assert plan.seconds == 10.0, "2 s for 100 bytes, so 6 s and 2 s for the others"
    (plan,) = plans.make(suite(checkout), stored(checkout)).shards
    assert plan.seconds > 0
    assert plan.files == [f"tests/unit/test_{name}.py" for name in "abc"]
    (plan,) = plans.make(suite(checkout), stored(checkout, a=2.0, gone=50.0)).shards
    assert plan.seconds == 10.0, "a file that isn't there takes no time"


def test_as_few_shards_as_are_done_in_the_time(checkout):
    times = stored(checkout, a=2.0, b=3.0, c=5.0)
    for target, count in ((10.0, 1), (9.9, 2), (5.0, 2), (5.5, 2)):
        plan = plans.make(suite(checkout), times, target=target)
        assert len(plan.shards) == count, target
        assert max(shard.seconds for shard in plan.shards) <= target
    # One test takes 5 s: then that is what can be had.
    assert max(shard.seconds for shard in plans.make(suite(checkout), times, target=1.0).shards) == 5.0


def test_a_plan_is_read_as_it_was_written_and_fits_one_checkout(checkout):
    plan = plans.make(suite(checkout), stored(checkout, a=2.0, b=3.0), shards=2)
    plan.write(checkout / "plan.json")
    assert plans.Plan.read(checkout / "plan.json") == plan
    assert plan.digest == plans.digest_of(suite(checkout))
    (checkout / "tests" / "conftest.py").write_text("#")
    assert plan.digest != plans.digest_of(suite(checkout))


def test_a_plan_damaged_at_random_is_refused_or_read_and_nothing_else(checkout):
    path = checkout / "plan.json"
    plans.make(suite(checkout), stored(checkout, a=2.0, b=3.0), shards=2).write(path)
    whole = path.read_bytes()
    generator = random.Random(4)
    read = 0
    for _ in range(300):
        path.write_bytes(damaged(whole, generator))
        with suppress(plans.PlanError):
            assert plans.Plan.read(path).shard_of("tests/unit/test_a.py::test") in (0, 1)
            read += 1
    assert 0 < read < 200


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"format": 2}', '{"format": 1, "digest": "", "shards": []}']
)
def test_what_is_no_plan_is_said_to_be_none(checkout, content):
    (checkout / "plan.json").write_text(content)
    with pytest.raises(plans.PlanError, match=r"is no plan .* Make one: tiers plan --shards N"):
        plans.Plan.read(checkout / "plan.json")


def test_the_digest_stands_for_all_python_files_where_tests_are_and_for_nothing_else(checkout):
    digest = plans.digest_of(suite(checkout))
    for name in (
        "shop.py",
        "tests/data.json",
        "tests/.venv/lib.py",
        "tests/__pycache__/x.py",
        "tests/build/y.py",
    ):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text("changed")
        assert plans.digest_of(suite(checkout)) == digest, name
    (checkout / "tests/unit/factories.py").write_text("new")
    changed = plans.digest_of(suite(checkout))
    assert changed != digest
    (checkout / "tests/unit/factories.py").rename(checkout / "tests/factories.py")
    assert plans.digest_of(suite(checkout)) not in (digest, changed), "the name counts"


def test_a_testpath_may_be_a_file(checkout):
    settings = replace(suite(checkout), tests=(checkout / "tests/unit/test_a.py",))
    (plan,) = plans.make(settings, stored(checkout)).shards
    assert plan.files == ["tests/unit/test_a.py"]
    assert plans.digest_of(settings) != plans.digest_of(replace(settings, tests=()))


def test_where_no_tests_are_none_can_be_planned(checkout):
    (checkout / "tests/none").mkdir()
    with pytest.raises(plans.PlanError, match=rf"there are no test files in {checkout}/tests/none"):
        plans.make(replace(suite(checkout), tests=(checkout / "tests/none",)), stored(checkout))


def test_more_than_a_matrix_takes_is_refused(checkout, monkeypatch):
    monkeypatch.setattr(plans, "MOST", 2)
    times = stored(checkout, a=5.0, b=5.0, c=5.0)
    with pytest.raises(plans.PlanError, match=r"15 s of tests don't fit into 2 shards of 5 s"):
        plans.make(suite(checkout), times, target=5.0)
    monkeypatch.setattr(plans, "MOST", 3)
    assert len(plans.make(suite(checkout), times, target=5.0).shards) == 3


def test_what_pytest_takes_around_a_test_counts(checkout):
    times = stored(checkout, a=2.0, b=6.0, c=2.0)
    times.machine.relayed = [7.0]
    (plan,) = plans.make(suite(checkout), times).shards
    assert plan.seconds == 31.0
    times.machine.around = [0.5, 0.5, 9.0]
    (plan,) = plans.make(suite(checkout), times).shards
    assert plan.seconds == 11.5


def test_a_plan_is_described_in_lines(checkout):
    shards = [
        plans.Shard(3.0, ["tests/a.py", "tests/b.py"]),
        plans.Shard(1.0, [], ["tests/c.py::test_1", "tests/c.py::test_2"], ["tests/c.py"]),
    ]
    assert plans.describe(
        plans.Plan("", shards), ["tests/a.py::test", "tests/c.py::test_1"]
    ).splitlines() == [
        "3 files in 2 shards: the slowest takes 1.50 times the mean; 1 files are divided.",
        "1 files were never measured: their times are estimated by size.",
        "    1       3.0 s  2 files",
        "    2       1.0 s  0 files, 2 tests of divided ones",
    ]
    nothing = plans.describe(plans.Plan("", [plans.Shard(0.0, ["tests/a.py"])]), ["tests/a.py::test"])
    assert nothing.startswith(
        "1 files in 1 shards: the slowest takes 1.00 times the mean; 0 files are divided.\n    1"
    )
