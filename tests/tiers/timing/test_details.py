"""What a record says of a run besides times: where and when its tests ran, what they executed, and how long they slept."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_tiers.timing.details import Sleep, _checked_out
from suites import Suite

TESTS = """
import time
from datetime import UTC, datetime

import pytest


@pytest.fixture
def outer(request):
    time.sleep(0.01)
    return request.getfixturevalue("inner")

@pytest.fixture
def inner():
    time.sleep(0.05)

@pytest.fixture(scope="module")
def wide():
    time.sleep(0.06)

def test_sleeps(outer, wide):
    time.sleep(0.02)

class Waits:
    sleep = time.sleep

def test_sleeps_by_an_attribute():
    Waits().sleep(0.03)

def test_fails(inner):
    assert 1 == 2

def test_executes():
    from sqlalchemy import create_engine, text
    with create_engine("sqlite://").connect() as connection:
        for number in range(4):
            connection.execute(text(f"SELECT {number}"))

def test_executes_later():
    test_executes()
"""


def record(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    (path,) = (pytester.path / ".cache" / "tests" / "runs").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_record_has_the_details(suite: Suite, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_HEAD_REF", "GITHUB_SHA", "CI_COMMIT_SHA", "CI_PIPELINE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_REF_NAME", "feature")
    monkeypatch.setenv("GITHUB_RUN_ID", "4711")
    pytester = suite(
        {"tests/unit/test_a.py": TESTS, "tests/unit/test_b.py": "import this\ndef test_b():\n    pass\n"}
    )
    before = time.time()
    pytester.runpytest_subprocess(f"-n{workers}").assert_outcomes(passed=5, failed=1)
    lines = record(pytester)
    tests = {line["nodeid"].partition("::")[2]: line for line in lines if line["$report_type"] == "Test"}
    run = next(line for line in lines if line["$report_type"] == "Run")
    names = {"gw0", "gw1"} if workers else {"main"}
    assert len(tests) == 6
    assert {test["worker"] for test in tests.values()} <= names
    assert {process["worker"] for process in run["processes"]} == names
    for process in run["processes"]:
        assert (
            before
            < process["began"]
            <= process["collecting"]
            <= process["collected"]
            <= process["ended"]
            < time.time()
        )
    assert all(before < test["start"] < time.time() for test in tests.values())
    sleeps = tests["test_sleeps"]
    assert sleeps["line"] == TESTS.splitlines().index("def test_sleeps(outer, wide):") + 1
    assert sleeps["slept"] >= 0.14
    assert sleeps["own"][0] >= 0.06
    assert sleeps["apart"][0] >= 0.06
    assert tests["test_sleeps_by_an_attribute"]["slept"] >= 0.03
    assert "slept" not in tests["test_executes"]
    assert tests["test_fails"]["outcome"] == "failed"
    assert [line["when"] for line in lines if line["$report_type"] == "TestReport"] == ["call"]
    ((key, (count, seconds)),) = tests["test_executes_later"]["statements"].items()
    assert (run["shapes"][key], count) == ("SELECT ?", 4)
    assert seconds > 0
    assert (run["branch"], run["ci"]) == ("feature", "4711")
    fixtures = {name.partition(" ")[0]: found for name, found in run["fixtures"].items()}
    assert fixtures["inner"]["count"] == 2
    assert fixtures["inner"]["seconds"] >= 0.1
    # Without what it asks for, which slept for 0.05 s.
    assert 0.01 <= fixtures["outer"]["seconds"] <= sleeps["own"][0] - 0.05 + 0.0001
    assert fixtures["inner"]["places"] in (1, workers)
    assert fixtures["wide"]["places"] == 0
    assert run["imports"].keys() == {"tests/unit/test_a.py", "tests/unit/test_b.py"}


def test_a_further_try_counts(suite: Suite) -> None:
    again = """
import pytest

class Rerun:
    pass

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    from _pytest.runner import runtestprotocol
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in (1, 2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            if report.failed and attempt == 1:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
        if not any(report.outcome == "rerun" for report in reports):
            break
        item._initrequest()
    return True
"""
    pytester = suite(
        {
            "conftest.py": again,
            "tests/unit/test_a.py": "TRIES = []\ndef test_a():\n    TRIES.append(1)\n    assert len(TRIES) == 2\n",
        }
    )
    pytester.runpytest_subprocess()
    (test,) = [line for line in record(pytester) if line["$report_type"] == "Test"]
    assert test["tries"] == 2
    assert "outcome" not in test


def test_sleep_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.sleep
    sleep = Sleep()
    sleep.start()
    time.sleep(0)
    assert time.sleep is sleep
    sleep.stop()
    assert time.sleep is real
    seconds = sleep.seconds
    sleep(0)  # by who took it meanwhile
    assert sleep.seconds == seconds > 0
    sleep.start()
    monkeypatch.setattr(time, "sleep", real)
    sleep.stop()
    assert time.sleep is real


def git(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_commit_is_read_where_git_keeps_it(tmp_path: Path) -> None:
    assert _checked_out(git(tmp_path / "none" / "x", file="")) in [("", ""), _checked_out(tmp_path)]
    loose = git(tmp_path / "loose" / ".git", HEAD="ref: refs/heads/a/b\n", refs__heads__a__b="abc\n").parent
    assert _checked_out(loose) == _checked_out(git(loose / "sub", file="")) == ("a/b", "abc")
    packed = git(tmp_path / "packed" / ".git", HEAD="ref: refs/heads/main\n")
    (packed / "packed-refs").write_text("# x\nfff refs/heads/other\nabd refs/heads/main\n")
    assert _checked_out(packed.parent) == ("main", "abd")
    assert _checked_out(git(tmp_path / "detached" / ".git", HEAD="abe\n").parent) == ("", "abe")
    tree = git(packed / "worktrees" / "w", HEAD="ref: refs/heads/other\n", commondir="../..\n")
    work = git(tmp_path / "work", file="")
    (work / ".git").write_text(f"gitdir: {tree}\n")
    assert _checked_out(work) == ("other", "fff")
    assert _checked_out(git(tmp_path / "new" / ".git", HEAD="ref: refs/heads/main\n").parent) == ("main", "")
