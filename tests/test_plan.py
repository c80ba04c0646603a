"""The shards: balanced, complete, the same each time, and refused where they don't fit."""

import json
import random
from contextlib import suppress

import pytest
from inputs import real_times
from pytest_split.algorithms import Algorithms
from tools_of_service import import_durations, records, store
from tools_of_service import plan as plans
from tools_of_service import report as reports

Measured, Run, Store = store.Measured, store.Run, store.Store


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


@pytest.mark.fast
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


@pytest.mark.fast
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


@pytest.mark.fast
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
    return tmp_path


def stored(checkout, **seconds):
    """Return a store that knows tests by the names of their files."""
    times = Store(checkout / ".cache" / "tests" / "durations.json")
    for name, second in seconds.items():
        times.tests[f"tests/unit/test_{name}.py::test"] = Measured(
            ((0.0, second, 0.0, second),), 1, "", "fast"
        )
    return times


@pytest.mark.fast
def test_what_was_never_measured_is_estimated_by_its_size(checkout):
    (plan,) = plans.make(checkout, stored(checkout, a=2.0)).shards
    assert plan.seconds == 10.0, "2 s for 100 bytes, so 6 s and 2 s for the others"
    (plan,) = plans.make(checkout, stored(checkout)).shards
    assert plan.seconds > 0
    assert plan.files == [f"tests/unit/test_{name}.py" for name in "abc"]
    (plan,) = plans.make(checkout, stored(checkout, a=2.0, gone=50.0)).shards
    assert plan.seconds == 10.0, "a file that isn't there takes no time"


@pytest.mark.fast
def test_as_few_shards_as_are_done_in_the_time(checkout):
    times = stored(checkout, a=2.0, b=3.0, c=5.0)
    for target, count in ((10.0, 1), (9.9, 2), (5.0, 2), (5.5, 2)):
        plan = plans.make(checkout, times, target=target)
        assert len(plan.shards) == count, target
        assert max(shard.seconds for shard in plan.shards) <= target
    # One test takes 5 s: then that is what can be had.
    assert max(shard.seconds for shard in plans.make(checkout, times, target=1.0).shards) == 5.0


@pytest.mark.fast
def test_a_plan_is_read_as_it_was_written_and_fits_one_checkout(checkout):
    plan = plans.make(checkout, stored(checkout, a=2.0, b=3.0), shards=2)
    plan.write(checkout / "plan.json")
    assert plans.Plan.read(checkout / "plan.json") == plan
    assert plan.digest == plans.digest_of(checkout)
    (checkout / "tests" / "conftest.py").write_text("#")
    assert plan.digest != plans.digest_of(checkout)


@pytest.mark.fast
def test_a_plan_damaged_at_random_is_refused_or_read_and_nothing_else(checkout):
    path = checkout / "plan.json"
    plans.make(checkout, stored(checkout, a=2.0, b=3.0), shards=2).write(path)
    whole = path.read_bytes()
    generator = random.Random(4)
    read = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        with suppress(plans.PlanError):
            assert plans.Plan.read(path).shard_of("tests/unit/test_a.py::test") in (0, 1)
            read += 1
    assert 0 < read < 200


@pytest.mark.fast
@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"format": 2}', '{"format": 1, "digest": "", "shards": []}']
)
def test_what_is_no_plan_is_said_to_be_none(checkout, content):
    (checkout / "plan.json").write_text(content)
    with pytest.raises(plans.PlanError, match=r"is no plan .* Make one: nox -s plan"):
        plans.Plan.read(checkout / "plan.json")


@pytest.mark.fast
def test_set_up_that_was_charged_to_first_tests_is_recognised_in_real_times():
    charged = import_durations.charged_with_setup(TESTS)
    assert len(charged) == 12
    assert min(TESTS[nodeid] for nodeid in charged) > 28
    assert max(TESTS[nodeid] for nodeid in TESTS.keys() - set(charged)) < 1.1


@pytest.mark.fast
@pytest.mark.parametrize(
    "seconds",
    [
        [],
        [5.0],
        [0.0] * 100,
        [0.1] * 100,
        [0.01 * number for number in range(500)],
        [60.0, *[0.01] * 100],  # one long test may well be one
        [60.0, 8.0, *[0.01] * 100],  # two that have nothing in common
        [*[60.0] * 50, *[0.01] * 50],  # half of all tests is no exception
        [*[0.5] * 3, *[0.001] * 100],  # half a second is no set-up
    ],
    ids=str,
)
def test_times_of_tests_themselves_are_not_taken_for_set_up(seconds):
    assert (
        import_durations.charged_with_setup(
            {f"tests/test_a.py::test_{n}": second for n, second in enumerate(seconds)}
        )
        == []
    )


@pytest.mark.fast
def test_times_of_pytest_split_are_taken_over_where_nothing_was_measured(checkout):
    file = "tests/unit/test_a.py"
    times = {f"{file}::test_{number}": 0.01 * (number + 1) for number in range(99)}
    times |= {f"{file}::test_0": 30.0, "tests/unit/test_b.py::test_only": 40.0, "tests/gone.py::test_x": 1.0}
    (checkout / ".test_durations").write_text(json.dumps(times))
    known = stored(checkout)
    known.add(Run(1.0, tests={f"{file}::test_5": (0.0, 7.0, 0.0, 7.0)}))
    said = import_durations.import_durations(checkout / ".test_durations", known)
    assert said.startswith(f"101 tests in {checkout / '.test_durations'}, 99 of them taken over.\n")
    assert "\n1 are in files that don't exist here.\n" in said
    assert "2 tests of 30.0 to 40.0 s hold 58% of the time. That looks like the set-up of a run" in said
    kept = Store(known.path).tests
    assert kept[f"{file}::test_5"].seconds == 7.0, "what was measured here stays"
    assert kept[f"{file}::test_7"].seconds == 0.08
    assert kept[f"{file}::test_0"].seconds == pytest.approx(0.505), "the middle of its file"
    assert kept["tests/unit/test_b.py::test_only"].seconds == pytest.approx(0.51), "the middle of all"
    assert "tests/gone.py::test_x" not in kept


@pytest.mark.fast
@pytest.mark.parametrize(
    "content", ["", "[]", "7", '{"a": "b"}', '{"a": null}', '{"a": -1}', '{"a": NaN}', '{"a": 1e999}']
)
def test_what_has_no_durations_is_refused_and_changes_nothing(checkout, content):
    (checkout / ".test_durations").write_text(content)
    known = stored(checkout)
    with pytest.raises(ValueError, match=r"\.test_durations has"):
        import_durations.import_durations(checkout / ".test_durations", known)
    assert not known.path.exists()


IDS = ["a b", "é🎧", "x::y", "[]", "1/2", "'\\\"", "a\\\\nb"]
DIVIDED = f"""
import pytest


@pytest.mark.parametrize("value", {IDS!r} + list(range(20)))
def test_many(value):
    pass


class TestGroup:
    def test_in_a_class(self):
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["measured", "never measured"])
def test_shards_run_every_test_once_and_import_only_their_own_files(machinery, known):
    folder = machinery.service.folder
    (folder / "tests/integration/test_probe.py").unlink()
    (folder / "tests/unit/test_divided.py").write_text(DIVIDED)
    for name in "abc":
        (folder / f"tests/unit/test_{name}.py").write_text(
            f"print('imported', {name!r})\n\n\ndef test_{name}():\n    assert {name!r}\n"
        )
    tests = "tests/unit"
    if known:
        machinery.pytest("-q", tests)
        durations = folder / ".cache/tests/durations.json"
        content = json.loads(durations.read_text())
        for nodeid, entry in content[
            "tests"
        ].items():  # one file is far too big for a shard; some of it isn't known
            if "test_divided" in nodeid:
                entry["last"] = [[0, 10, 0, 10]]
        content["tests"] = {
            nodeid: entry for nodeid, entry in content["tests"].items() if "[7]" not in nodeid
        }
        durations.write_text(json.dumps(content))
    said = machinery.service.run(
        machinery.python, "-m", "tools.plan", "--shards", "3", **machinery.environment()
    )
    assert f"{1 if known else 0} files are divided" in said.stdout
    listed = machinery.pytest("-q", "--collect-only", tests).stdout
    expected = {line for line in listed.splitlines() if "::" in line}
    imported, left, ran = [], [], {}
    for number, workers in ((1, "0"), (2, "2"), (3, "0")):
        done = machinery.pytest(
            "-q", "-s", "-n", workers, "--plan", "plan.json", "--shard", f"{number}/3", tests
        )
        imported += [line.split()[1] for line in done.stdout.splitlines() if line.startswith("imported")]
        left.append(records.read(records.newest(folder / ".cache/tests/runs")))
        for nodeid in left[-1].results:
            assert ran.setdefault(nodeid, number) == number
    assert ran.keys() == expected
    assert len(imported) == len(set(imported)), (
        "a worker's output isn't seen; of the others each file is imported once"
    )
    assert len(set(ran.values())) > 1
    plan = plans.Plan.read(folder / "plan.json")
    assert reports.verify(plan, left) == []

    # What is missing, or was done twice, is found.
    assert reports.verify(plan, left[1:]) == ["shard 1 left no record of a whole run"] + [
        f"{nodeid} didn't run"
        for nodeid, number in sorted(ran.items())
        if number == 1 and nodeid in left[1].facts["shard"]["left"]
    ]
    gone, twice = left[1].results.popitem()[0], next(nodeid for nodeid, number in ran.items() if number == 1)
    left[1].results[twice] = left[0].results[twice]
    assert reports.verify(plan, left) == [f"{twice} ran in shards [1, 2]", f"{gone} didn't run"]
    left[2].facts["shard"]["digest"] = "another"
    assert "shard 3 is of another plan" in reports.verify(plan, left)


@pytest.mark.slow
def test_a_shard_without_tests_is_no_failure(machinery):
    (machinery.service.folder / "tests/unit/test_a.py").write_text("def test_a():\n    pass\n")
    machinery.service.run(machinery.python, "-m", "tools.plan", "--shards", "5", **machinery.environment())
    done = machinery.pytest("--plan", "plan.json", "--shard", "5/5")
    assert "no tests ran" in done.stdout


@pytest.mark.slow
def test_a_shard_that_fits_no_plan_is_refused(machinery):
    (machinery.service.folder / "tests/unit/test_a.py").write_text("def test_a():\n    pass\n")
    machinery.service.run(machinery.python, "-m", "tools.plan", "--shards", "2", **machinery.environment())
    for arguments, words in (
        (["--plan", "plan.json"], "--plan and --shard go together"),
        (["--shard", "1/2"], "--plan and --shard go together"),
        (["--plan", "plan.json", "--shard", "3/2"], "plan.json has the shards 1/2 to 2/2"),
        (["--plan", "plan.json", "--shard", "1/3"], "plan.json has the shards 1/2 to 2/2"),
        (["--plan", "plan.json", "--shard", "one"], "plan.json has the shards 1/2 to 2/2"),
        (["--plan", "gone.json", "--shard", "1/2"], "gone.json is no plan"),
    ):
        assert words in machinery.pytest("tests/unit", *arguments, status=4).stderr
    (machinery.service.folder / "tests/unit/test_a.py").write_text("def test_b():\n    pass\n")
    done = machinery.pytest("tests/unit", "--plan", "plan.json", "--shard", "1/2", status=4)
    assert "plan.json was made for other tests than those of this checkout" in done.stderr
    assert "nox -s plan -- --shards 2" in done.stderr
