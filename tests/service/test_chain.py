"""The workflow of a service as a chain, run here: plan, tests and report, with their artifacts and caches; and run again."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from chain import Chain
from service import Service

pytestmark = pytest.mark.slow

ELSEWHERE = {  # run as they stand in test_serving.py
    "uv run --locked nox -s lint types migrations parity": "true",
    "uv run --locked nox -s fast -P 3.11 3.12 3.13 3.14": "true",
    "sudo apt-get update && sudo apt-get install --yes redis-server": "true",
    "uv run --locked nox -s full": "true",
}
TWO = ELSEWHERE | {"--target-seconds 120": "--shards 2"}
JOBS = ("plan", "tests", "all-green")


def commit(service: Service) -> None:
    """Commit everything, so that a checkout has it."""
    service.run("git", "add", "--all")
    service.run("git", "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "Change")


def covered(report: Path) -> dict[str, set[str]]:
    """Return the lines of each file that a coverage report has as covered."""
    return {
        str(of_file.get("filename")): {
            str(line.get("number")) for line in of_file.iter("line") if line.get("hits") != "0"
        }
        for of_file in ET.parse(report).iter("class")
    }


@pytest.fixture
def committed(clone_service) -> Service:
    """Helpdesk, all of it committed."""
    service = clone_service()
    if service.run("git", "status", "--porcelain").stdout:  # there was no git identity when it was rendered
        commit(service)
    return service


def test_two_shards_do_together_what_one_run_does_and_the_next_run_knows_their_times(
    committed, clone_service, tmp_path
):
    chain = Chain(committed, tmp_path / "run-1", replaced=TWO)
    chain.run(*JOBS)
    assert chain.needs == dict.fromkeys(JOBS, "success"), {
        name: str(done) for name, done in chain.done.items()
    }
    assert json.loads(chain.outputs["plan"]["shards"]) == ["1/2", "2/2"]
    assert chain.ran == ["plan-0", "tests-0", "tests-1", "tests-2", "all-green-0"]

    # Disjoint and complete, by what each shard's report says itself.
    ran = []
    for index in (0, 1):
        suites = ET.parse(tmp_path / f"run-1/artifacts/plan-1-shard-{index}-1/.cache/tests/junit.xml")
        ran.append({(case.get("classname"), case.get("name")) for case in suites.iter("testcase")})
    assert ran[0].isdisjoint(ran[1])
    whole = clone_service()
    whole.nox("-s", "ci")
    suites = ET.parse(whole.folder / ".cache/tests/junit.xml")
    assert ran[0] | ran[1] == {(case.get("classname"), case.get("name")) for case in suites.iter("testcase")}

    # What both covered is what one run covers.
    merged = covered(tmp_path / "run-1/artifacts/report-1/.cache/tests/coverage.xml")
    assert merged == covered(whole.folder / ".cache/tests/coverage.xml")
    halves = [covered(tmp_path / f"run-1/tests-{index}/.cache/tests/coverage.xml") for index in (0, 1)]
    assert merged not in halves

    assert f"{len(ran[0] | ran[1])} passed; coverage 99" in chain.summary
    assert "The slowest shard has 1." in chain.summary
    times = json.loads((tmp_path / "run-1/artifacts/report-1/.cache/tests/durations.json").read_text())[
        "tests"
    ]
    assert len(times) == len(ran[0] | ran[1])

    # The next run finds the times, and the bytecode, in a new checkout.
    chain = Chain(committed, tmp_path / "run-2", ref="refs/pull/1/merge", replaced=TWO)
    chain.run("plan")
    assert "never measured" not in chain.done["plan"].stdout
    cached = {
        path.relative_to(tmp_path / "run-2/plan-0")
        for path in (tmp_path / "run-2/plan-0").glob("tests/unit/__pycache__/test_*")
    }
    assert len(cached) == len(list((committed.folder / "tests/unit").glob("test_*.py")))
    assert len(list((tmp_path / "caches").iterdir())) == 1

    # A shard that never ran is found.
    chain.run("tests", "all-green", leave_out=("tests-1",))
    assert chain.needs["tests"] == chain.needs["all-green"] == "failure"
    assert "shard 2 left no record of a whole run" in chain.summary
    assert len(list((tmp_path / "caches").iterdir())) == 1, "a pull request keeps nothing"


# Fails the first time, as a test does that lost a race; passes in every other run.
ONCE = """
from pathlib import Path

MARK = Path({mark!r})


def test_once():
    if not MARK.exists():
        MARK.touch()
        raise ValueError("lost the race")
"""


@pytest.fixture
def few(committed) -> Service:
    """Helpdesk with few tests, so that a chain takes seconds, and without a floor for what they cover."""
    for test in committed.folder.glob("tests/*/test_*.py"):
        if test.name not in ("test_pagination.py", "test_models.py"):
            test.unlink()
    project = committed.folder / "pyproject.toml"
    project.write_text(project.read_text().replace("fail_under = 95", "fail_under = 0"))
    return committed


def test_a_small_suite_costs_three_jobs_and_a_red_one_that_runs_again_turns_green(few, tmp_path):
    mark = tmp_path / "mark"
    (few.folder / "tests/unit/test_once.py").write_text(ONCE.format(mark=str(mark)))
    commit(few)
    chain = Chain(few, tmp_path / "run", replaced=ELSEWHERE)
    chain.run(*JOBS)
    assert chain.ran == ["plan-0", "tests-0", "all-green-0"]
    assert chain.needs == {"plan": "success", "tests": "failure", "all-green": "failure"}
    assert "1 failed" in chain.summary

    chain.run_failed_again()
    assert chain.ran[3:] == ["tests-0-again-2", "all-green-0-again-2"]
    assert chain.needs == dict.fromkeys(JOBS, "success"), str(chain.done["all-green"])
    assert "failed" not in chain.summary
    assert "ran in shards" not in chain.summary


def test_of_several_shards_only_the_red_one_runs_again(few, tmp_path):
    mark = tmp_path / "mark"
    (few.folder / "tests/unit/test_once.py").write_text(ONCE.format(mark=str(mark)))
    commit(few)
    chain = Chain(few, tmp_path / "run", replaced=TWO)
    chain.run(*JOBS)
    assert sorted(chain.results["tests"].values()) == ["failure", "success", "success"]
    (red,) = (index for index, result in chain.results["tests"].items() if result == "failure")

    chain.run_failed_again()
    assert chain.ran[5:] == [f"tests-{red}-again-2", "all-green-0-again-2"]
    assert chain.needs == dict.fromkeys(JOBS, "success"), str(chain.done["all-green"])

    # All of them again: whatever the attempts before left, this one counts alone.
    chain.attempt = 3
    chain.replaced = TWO | {"--target-seconds 120": "--shards 3"}
    chain.run(*JOBS)
    assert len(json.loads(chain.outputs["plan"]["shards"])) == 3
    assert chain.needs == dict.fromkeys(JOBS, "success"), str(chain.done["all-green"])


FLAKY = """
import os
from pathlib import Path

import pytest

MARK = Path(os.environ["FLAKY_MARK"])


def test_flaky():
    if not MARK.exists():
        MARK.touch()
        raise ValueError("lost the race")


def test_broken():
    raise ValueError("always")


def test_in_quarantine():
    raise ValueError("known")


@pytest.mark.parametrize("text", ["a|b", "é::x"])
def test_fine(text):
    assert text
"""


def test_what_failed_and_passed_again_is_labelled_and_stays_red(committed, tmp_path):
    for test in committed.folder.glob("tests/*/test_*.py"):
        test.unlink()
    (committed.folder / "tests/unit/test_flaky.py").write_text(
        FLAKY.replace('os.environ["FLAKY_MARK"]', repr(str(tmp_path / "mark")))
    )
    (committed.folder / "tests/quarantine.toml").write_text(
        '["tests/unit/test_flaky.py::test_in_quarantine"]\nowner = "ada@example.com"\nexpires = 2999-12-31\nreason = "a race"\n'
    )
    commit(committed)
    chain = Chain(committed, tmp_path / "run", replaced=TWO)
    chain.run(*JOBS)
    assert chain.needs == {"plan": "success", "tests": "failure", "all-green": "failure"}
    summary = chain.summary
    assert "## Tests: 2 failed, 2 passed, 1 skipped; coverage " in summary
    flaky, broken = (
        next(line for line in summary.splitlines() if f"::test_{name}`:" in line)
        for name in ("flaky", "broken")
    )
    assert flaky.endswith("ValueError: lost the race **Flaky: it passed when it ran again on its own.**")
    assert broken.endswith("ValueError: always")
    assert "::test_in_quarantine`: until 2999-12-31, ada@example.com: a race" in summary
    assert "coverage is below" in summary


def test_a_pull_request_of_a_fork_needs_no_more_than_to_read(committed):
    for job in Chain(committed, committed.folder).jobs.values():
        assert job["permissions"] in ({}, {"contents": "read"})
        assert "secrets." not in json.dumps(job)
