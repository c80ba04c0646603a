"""The workflow of a service, its steps run here as a chain: plan, two shards, report, with their artifacts and caches."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from chain import Chain
from service import Service
from simulation import wall

pytestmark = pytest.mark.slow

TWO = {"--target-seconds 120": "--shards 2"}
JOBS = ("plan", "shards", "report")
STATIC = ("static", "fast", "redis")


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
    assert "were never measured" in chain.done["plan"].stdout

    # Disjoint and complete, by what each shard's report says itself.
    ran = []
    for index in (0, 1):
        suites = ET.parse(tmp_path / f"run-1/artifacts/shard-{index}/.cache/tests/junit.xml")
        ran.append({(case.get("classname"), case.get("name")) for case in suites.iter("testcase")})
    assert ran[0].isdisjoint(ran[1])
    whole = clone_service()
    whole.nox("-s", "ci")
    suites = ET.parse(whole.folder / ".cache/tests/junit.xml")
    assert ran[0] | ran[1] == {(case.get("classname"), case.get("name")) for case in suites.iter("testcase")}

    # What both covered is what one run covers.
    merged = covered(tmp_path / "run-1/artifacts/report/.cache/tests/coverage.xml")
    assert merged == covered(whole.folder / ".cache/tests/coverage.xml")
    halves = [covered(tmp_path / f"run-1/shards-{index}/.cache/tests/coverage.xml") for index in (0, 1)]
    assert merged not in halves

    assert f"{len(ran[0] | ran[1])} passed; coverage 99" in chain.summary
    assert "The slowest shard has 1." in chain.summary
    times = json.loads((tmp_path / "run-1/artifacts/report/.cache/tests/durations.json").read_text())["tests"]
    assert len(times) == len(ran[0] | ran[1])

    # With these times, long tests first, eight workers would be done in little more than the ideal.
    seconds = [sum(test["last"][-1][:3]) for test in times.values()]
    ideal = max(sum(seconds) / 8, max(seconds))
    assert wall([[number] for number in range(len(seconds))], seconds, 8) / ideal <= 1.05

    # The next run finds the times, and the bytecode, in a new checkout.
    chain = Chain(committed, tmp_path / "run-2", ref="refs/pull/1/merge", replaced=TWO)
    chain.run("plan")
    assert "were never measured" not in chain.done["plan"].stdout
    cached = {
        path.relative_to(tmp_path / "run-2/plan-0")
        for path in (tmp_path / "run-2/plan-0").glob("tests/unit/__pycache__/test_*")
    }
    assert len(cached) == len(list((committed.folder / "tests/unit").glob("test_*.py")))
    assert len(list((tmp_path / "caches").iterdir())) == 1

    # A shard that never ran is found, by the report and by the last job.
    chain.needs = dict.fromkeys(STATIC, "success") | chain.needs
    chain.run("shards", "report", leave_out=("shards-1",))
    assert chain.needs["shards"] == "failure"
    assert "shard 2 left no record of a whole run" in chain.summary
    assert not chain.green()
    assert len(list((tmp_path / "caches").iterdir())) == 1, "a pull request keeps nothing"
    chain.needs |= dict.fromkeys(JOBS, "success")
    assert chain.green()


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
    assert chain.needs == {"plan": "success", "shards": "failure", "report": "failure"}
    summary = chain.summary
    assert "## Tests: 2 failed, 2 passed, 1 skipped; coverage " in summary
    flaky, broken = (
        next(line for line in summary.splitlines() if f"::test_{name}`:" in line)
        for name in ("flaky", "broken")
    )
    assert flaky.endswith("ValueError: lost the race **Flaky: it passed when it ran again on its own.**")
    assert broken.endswith("ValueError: always")
    assert "::test_in_quarantine`: until 2999-12-31, ada@example.com: a race" in summary
    assert "coverage is below `fail_under`" in summary


def test_a_pull_request_of_a_fork_needs_no_more_than_to_read(committed):
    for job in Chain(committed, committed.folder).jobs.values():
        assert job["permissions"] in ({}, {"contents": "read"})
        assert "secrets." not in json.dumps(job)
