"""`frozen_time` and `seeded_random`: what they cover, and that all goes on afterwards."""

import json

TIME = """
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest


def test_time_is_frozen(frozen_time):
    begun = time.monotonic(), time.perf_counter()
    before = datetime.now(UTC)
    assert before == datetime.now(UTC) == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert datetime.now() == before.replace(tzinfo=None)
    frozen_time.shift(1.5)
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(time.time).result() == before.timestamp() + 1.5
    frozen_time.shift(timedelta(seconds=-2))
    assert time.time() == before.timestamp() - 0.5
    frozen_time.move_to(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    assert (before - datetime.now(UTC)).days == 1
    assert 0 < time.monotonic() - begun[0] < 60
    assert 0 < time.perf_counter() - begun[1] < 60


def test_moved_by_years(frozen_time):
    frozen_time.move_to(datetime(2040, 1, 1, tzinfo=UTC))


def test_time_goes_on_afterwards():
    assert datetime.now(UTC) != datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert abs(time.time() - {now}) < 600


def test_undoing_patches_of_ones_own_thaws_nothing(frozen_time, monkeypatch):
    monkeypatch.undo()
    assert datetime.now(UTC) == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def followed(pytestconfig):
    from pytest_tiers.fakes.determinism import followers_of

    steps = []
    followers_of(pytestconfig).append(steps.append)
    yield steps
    followers_of(pytestconfig).remove(steps.append)


def test_what_has_a_clock_of_its_own_follows(followed, frozen_time):
    frozen_time.shift(60)
    frozen_time.move_to(datetime(2026, 3, 2, 9, 30, tzinfo=UTC))
    assert followed == [timedelta(seconds=60), timedelta(seconds=-60)]
"""


def test_time_stands_still_and_the_record_keeps_the_real_one(suite):
    import time

    now = time.time()
    pytester = suite({"tests/unit/test_time.py": TIME.replace("{now}", repr(now))})
    record, reports = pytester.path / "record.jsonl", []

    class Reports:
        """Hears what pytest itself reports."""

        def pytest_runtest_logreport(self, report):
            reports.append(report)

    options = ("-n0", f"--tiers-record={record}")
    pytester.runpytest_inprocess(*options, plugins=[Reports()]).assert_outcomes(passed=5)
    assert len(reports) == 15
    assert all(now <= report.start <= report.stop < now + 600 for report in reports)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    tests = [line for line in lines if line["$report_type"] == "Test"]
    assert len(tests) == 5
    for test in tests:
        assert now <= test["start"] < now + 600
        assert 0 <= sum(test["own"]) < 60


RANDOM = """
import os
import random
import secrets
import uuid
from pathlib import Path

import pytest


def draw():
    return [
        random.random(), str(uuid.uuid4()), secrets.token_hex(), secrets.randbelow(10**9), os.urandom(8).hex(),
        random.SystemRandom().random(),
    ]


@pytest.mark.parametrize("which", "ab")
def test_randomness_is_seeded(which, seeded_random):
    Path(os.environ["DRAWN"], which).write_text(repr([*draw(), seeded_random.random()]))


def test_randomness_goes_on_afterwards():
    assert random._urandom is os.urandom
    Path(os.environ["DRAWN"], "unseeded").write_text(repr(draw()))


def test_the_state_of_before_comes_back(request):
    random.seed(7)
    expected = random.random()
    random.seed(7)
    request.getfixturevalue("seeded_random")


def test_and_goes_on_from_there():
    random.seed(7)
    assert random.random() == 0.32383276483316237
"""


def test_randomness_repeats_in_each_run_and_worker_and_differs_from_test_to_test(
    suite, monkeypatch, tmp_path
):
    pytester = suite({"tests/unit/test_random.py": RANDOM})
    drawn = [tmp_path / "serial", tmp_path / "workers"]
    for folder, workers in zip(drawn, "02", strict=True):
        folder.mkdir()
        monkeypatch.setenv("DRAWN", str(folder))
        pytester.runpytest_inprocess("-n", workers).assert_outcomes(passed=5)
    seeded = [[(folder / name).read_text() for name in "ab"] for folder in drawn]
    assert seeded[0] == seeded[1], "another run or worker draws something else"
    for one, other in zip(*map(eval, seeded[0]), strict=True):
        assert one != other, "two tests draw the same"
    unseeded = [eval((folder / "unseeded").read_text()) for folder in drawn]
    assert all(one != other for one, other in zip(*unseeded, strict=True))
