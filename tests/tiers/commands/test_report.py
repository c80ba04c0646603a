"""`tiers report`: what shards left is checked, merged and summed up; the newest attempt of a shard counts."""

import gzip
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_tiers.commands import report, shards
from pytest_tiers.config import Budgets, Settings, read
from pytest_tiers.timing import records
from pytest_tiers.timing.plan import Plan, Shard
from pytest_tiers.timing.store import open_store

A, B, C = (f"tests/unit/test_{name}.py::test" for name in "abc")


@dataclass
class Run:
    """What one attempt of a shard did: each test's outcome, and its seconds."""

    number: int
    outcomes: dict[str, str]
    seconds: float = 0.1
    started: str = "2026-11-23T09:00:00+00:00"
    facts: dict[str, Any] = field(default_factory=dict)
    """What is other than usual about it."""

    def write(self, folder, name=None):
        """Leave it in a folder as CI collects it, and return that."""
        left = folder / (name or f"shard-{self.number}")
        path = left / ".cache/tests/runs/000001-x.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{json.dumps(line)}\n" for line in self.lines()))
        return left

    def lines(self):
        for nodeid, outcome in self.outcomes.items():
            if outcome == "failed":
                error = {"reprcrash": {"message": "ValueError: no"}}
                failed = {"nodeid": nodeid, "when": "call", "outcome": outcome, "longrepr": error}
                yield {"$report_type": "TestReport"} | failed
            took = {"own": [0.0, self.seconds, 0.0], "processor": self.seconds}
            yield {"$report_type": "Test", "nodeid": nodeid, "outcome": outcome} | took
        others = [nodeid for nodeid in (A, B, C) if nodeid not in self.outcomes]
        yield {
            "$report_type": "Run",
            "format": 2,
            "started": self.started,
            "seconds": 3.0,
            "workers": 0,
            "control": 0.0,
            "work": 0.002,
            "machine": {"cores": 2},
            "fixtures": {},
            "files": {},
            "gone": [],
            "shard": {
                "digest": "same",
                "shard": self.number,
                "of": 2,
                "selected": [*self.outcomes],
                "left": others,
            },
        } | self.facts


@pytest.fixture
def path(suite):
    """A suite with three tests in two shards: b and c are in the second."""
    path = suite({f"tests/unit/test_{name}.py": "def test(): pass\n" for name in "abc"}).path
    Plan(
        "same",
        [
            Shard(0.5, ["tests/unit/test_a.py"], [], []),
            Shard(0.25, ["tests/unit/test_b.py", "tests/unit/test_c.py"], [], []),
        ],
    ).write(path / "plan.json")
    return path


@pytest.fixture
def folder(path):
    """Where CI collects what the shards left."""
    folder = path / ".cache/tests/shards"
    folder.mkdir(parents=True)
    return folder


FIRST = Run(1, {A: "passed"})
SECOND = Run(2, {B: "passed", C: "skipped"})


def test_a_run_that_is_right_is_summed_up(path, folder, tiers, monkeypatch):
    FIRST.write(folder)
    SECOND.write(folder)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path / "page.md"))
    (path / "page.md").write_text("before\n")
    done = tiers("report")
    assert done.err == ""
    assert (path / "page.md").read_text() == f"before\n{done.out}"
    lines = done.out.splitlines()
    assert lines[0] == "## Tests: 2 passed, 1 skipped; coverage not measured"
    assert "| 1 | 1 | 0.5 s | 0.1 s | 3.0 s | 0 |" in lines
    assert "| 2 | 2 | 0.2 s | 0.2 s | 3.0 s | 0 |" in lines
    assert "The slowest shard has 1.33 times the mean of the tests' time." in lines
    assert "Wrong with the run" not in done.out
    assert f"| 0.10 | `{A}` |" in lines
    # All of it is then that of the last run, and the times are known.
    joined = records.read(records.newest(path / ".cache/tests/runs"))
    assert {
        nodeid: result.outcome for nodeid, result in joined.results.items()
    } == FIRST.outcomes | SECOND.outcomes
    assert open_store(read(path)).tests.keys() == {A, B}


def test_another_folder_and_another_plan(path, tmp_path, tiers):
    FIRST.write(tmp_path / "left")
    SECOND.write(tmp_path / "left")
    (path / "plan.json").rename(path / "other.json")
    assert "2 passed" in tiers("report", tmp_path / "left", "--plan", "other.json").out
    assert "plan.json is no plan" in tiers("report", status=2).err


def test_failures_make_it_red_and_flaky_ones_are_named(path, folder, tiers):
    left = Run(1, {A: "failed"}).write(folder)
    with (left / ".cache/tests/runs/000001-x.jsonl").open("a") as record:
        record.write(json.dumps({"$report_type": "Again", "outcomes": {A: "passed"}}) + "\n")
    Run(2, {B: "failed", C: "passed"}).write(folder)
    done = tiers("report", status=1)
    assert done.err == "Tests failed.\n"
    assert f"- `{A}`: ValueError: no **Flaky: it passed when it ran again on its own.**\n" in done.out
    assert f"- `{B}`: ValueError: no\n" in done.out


def test_of_a_shard_that_ran_again_the_newest_attempt_counts(path, folder, tiers):
    later = "2026-11-23T10:00:00+00:00"
    # By when it began: names of artefacts and their order say nothing.
    Run(1, {A: "passed"}, started=later).write(folder, "a-shard-1")
    Run(1, {A: "failed"}).write(folder, "b-shard-1")
    SECOND.write(folder)
    done = tiers("report")
    assert "## Tests: 2 passed, 1 skipped" in done.out
    joined = records.read(records.newest(path / ".cache/tests/runs"))
    assert joined.results[A].outcome == "passed"
    assert "no" not in {result.error for result in joined.results.values()}
    # The other way round it is red, and green attempts of before don't hide it.
    shutil.rmtree(folder / "a-shard-1")
    Run(1, {A: "passed"}, started="2026-11-23T08:00:00.5+00:00").write(folder, "c-shard-1")
    assert f"`{A}`" in tiers("report", status=1).out


@pytest.mark.parametrize("started", [None, 7, "yesterday"])
def test_an_attempt_that_doesnt_say_when_it_began_is_an_older_one(folder, path, started):
    Run(1, {A: "failed"}, started=started).write(folder, "a")
    newer = Run(1, {A: "passed"}).write(folder, "b")
    Run(1, {A: "failed"}, started=started).write(folder, "c")
    (shard,) = shards.read_shards(folder)
    assert (shard.folder, shard.number) == (newer, 1)


def test_of_several_records_in_a_folder_the_last_counts(folder):
    left = FIRST.write(folder)
    first = left / ".cache/tests/runs/000001-x.jsonl"
    first.with_name("000002-y.jsonl").write_bytes(first.read_bytes())
    first.write_text("")
    (shard,) = shards.read_shards(folder)
    assert shard.path.name == "000002-y.jsonl"


def test_compressed_records_are_joined_as_well(path, folder):
    for run in (FIRST, SECOND):
        record = run.write(folder) / ".cache/tests/runs/000001-x.jsonl"
        record.with_name(f"{record.name}.gz").write_bytes(gzip.compress(record.read_bytes()))
        record.unlink()
    shards.join(shards.read_shards(folder), path / "runs")
    joined = records.read(records.newest(path / "runs"))
    assert {
        nodeid: result.outcome for nodeid, result in joined.results.items()
    } == FIRST.outcomes | SECOND.outcomes


@pytest.mark.parametrize(
    ("runs", "wrong"),
    [
        ([SECOND], ["shard 1 left no record of a whole run", f"{A} didn't run"]),
        ([Run(1, {}), SECOND], [f"{A} didn't run"]),
        ([Run(1, {A: "passed", B: "passed"}), SECOND], [f"{B} ran in shards [1, 2]"]),
        (
            [Run(1, {A: "passed"}, facts={"shard": {"digest": "x", "shard": 1, "of": 2, "selected": [], "left": []}}), SECOND],
            ["shard 1 is of another plan", "shard 1 left no record of a whole run", f"{A} didn't run"],
        ),
        (
            [Run(1, {A: "passed"}, facts={"shard": {"digest": "same", "shard": 1, "of": 3, "selected": [], "left": []}}), SECOND],
            ["shard 1 is of another plan", "shard 1 left no record of a whole run", f"{A} didn't run"],
        ),
        ([FIRST, Run(2, {B: "passed", C: "passed"}, facts={"work": None})], ["shard 2 left no record of a whole run"]),
        ([FIRST, Run(2, {B: "passed", C: "passed"}, facts={"shard": {"shard": 2}})], ["shard 2 left no record of a whole run", f"{B} didn't run", f"{C} didn't run"]),
        ([FIRST, Run(2, {B: "passed", C: "passed"}, facts={"seconds": "long"})], ["shard 2 left no record of a whole run", f"{B} didn't run", f"{C} didn't run"]),
        ([FIRST, Run(2, {B: "passed", C: "passed"}, facts={"format": 99})], ["shard 2 left no record of a whole run", f"{B} didn't run", f"{C} didn't run"]),
    ],
)  # fmt: skip
def test_what_is_missing_or_was_done_twice_makes_it_wrong(folder, tiers, runs, wrong):
    for run in runs:
        run.write(folder)
    done = tiers("report", status=1)
    listed = done.out.partition("### Wrong with the run\n\n")[2].partition("\n\n")[0].splitlines()
    assert [line.removeprefix("- ").partition(" (")[0] for line in listed] == wrong
    assert (
        done.err == f"This run isn't right: {len(wrong)} findings, listed above under “Wrong with the run”.\n"
    )


def test_without_any_shard_nothing_ran(folder, tiers):
    done = tiers("report", status=1)
    assert done.out.startswith("## Tests: no test ran; coverage not measured\n")
    assert "- shard 2 left no record of a whole run" in done.out


def test_budgets_are_those_of_all_shards_together(suite, path, folder, tiers):
    suite({}, tiers="budgets = { all = 0.15 }")
    FIRST.write(folder)
    SECOND.write(folder)
    done = tiers("report", status=1)
    assert "- All tests take 0.2 s, one after the other; the budget `all` is 0.15 s\n" in done.out


def test_tests_that_got_slower_and_those_of_another_speed_are_named(path, tmp_path):
    store = open_store(Settings(path))
    usual = Run(1, {f"tests/unit/test_a.py::test_{number}": "passed" for number in range(9)}, seconds=0.01)
    for _ in range(5):
        found = report.merge(_records(tmp_path, usual.lines()), store, Budgets(slower=2.0))
        assert found == report.Findings(results=found.results, seconds=found.seconds)
    lines = list(usual.lines())
    for line in lines:
        if line.get("nodeid", "").endswith("test_3"):
            line["own"], line["processor"] = [0.0, 9.0, 0.0], 9.0
    found = report.merge(_records(tmp_path, lines), store, Budgets(slower=2.0))
    (slower,) = found.slower
    assert found.wrong == [str(slower)]
    assert slower.nodeid == "tests/unit/test_a.py::test_3"
    # Without a budget for that nothing is wrong with it. It has another speed once most of its last runs say so.
    found = [report.merge(_records(tmp_path, lines), store, Budgets()) for _ in range(2)][-1]
    assert (found.slower, found.wrong) == ([], [])
    plan = Plan("same", [Shard(), Shard()])
    said = report.summarize(plan, _records(tmp_path, lines), found, "90 %")
    assert said.startswith("## Tests: 9 passed; coverage 90 %\n")
    assert (
        "### Have another speed now\n\n- `tests/unit/test_a.py::test_3`: fast, now slow (0.01 s, now 9.00 s)\n"
        in said
    )


def _records(tmp_path, lines):
    """Return a record that has these lines, as it is read."""
    path = tmp_path / "record.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return [records.read(path)]


def test_a_cache_that_cant_be_written_changes_nothing_about_the_verdict(path, folder, tiers, monkeypatch):
    FIRST.write(folder)
    SECOND.write(folder)

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "durations.json")

    monkeypatch.setattr("pytest_tiers.timing.store.Store.add", refuse)
    monkeypatch.setattr("pytest_tiers.commands.report.join", refuse)
    said = tiers("report").out
    assert "### Not kept\n\n- the measured times: [Errno 13]" in said
    assert "- records and bytecode: [Errno 13]" in said


def test_a_long_list_is_cut_off(folder, tiers):
    many = {f"tests/unit/test_a.py::test_{number}": "failed" for number in range(13)}
    Run(1, many).write(folder)
    SECOND.write(folder)
    failed = tiers("report", status=1).out.partition("### Failed\n\n")[2].partition("\n\n")[0].splitlines()
    assert len(failed) == 11
    assert failed[-1] == "- … and 3 more"


def test_bars_in_names_dont_break_the_table(folder, tiers):
    Run(1, {"tests/unit/test_a.py::test[a|b]": "passed", A: "passed"}).write(folder)
    SECOND.write(folder)
    assert r"`tests/unit/test_a.py::test[a\|b]`" in tiers("report").out


COVERAGE = """
[tool.coverage.run]
data_file = ".cache/tests/coverage"
source = ["shop"]
relative_files = true

[tool.coverage.report]
fail_under = {floor}

[tool.coverage.xml]
output = ".cache/tests/coverage.xml"
"""
SHOP = "def price():\n    return 1\n\n\ndef tax():\n    return 2\n"


@pytest.fixture
def covered(suite, path, folder, monkeypatch):
    """Two shards, each of which ran another function."""
    for name in (
        "COVERAGE_FILE",
        "COVERAGE_PROCESS_START",
        "COVERAGE_PROCESS_CONFIG",
    ):  # where this run is measured
        monkeypatch.delenv(name, raising=False)

    def covered(floor, name=".cache/tests/coverage"):
        suite({"shop/__init__.py": SHOP}, pyproject=COVERAGE.format(floor=floor))
        for run, function in ((FIRST, "price"), (SECOND, "tax")):
            left = run.write(folder)
            (path / "program.py").write_text(f"import shop\nshop.{function}()\n")
            command = [sys.executable, "-m", "coverage", "run", f"--data-file={left / name}", "program.py"]
            subprocess.run(command, cwd=path, check=True)
        (folder / "shard-1/.cache/tests/coverage.xml").write_text("<coverage/>")

    return covered


@pytest.mark.parametrize("name", [".cache/tests/coverage", ".coverage", ".cache/tests/coverage.host.123.456"])
def test_coverage_is_merged(covered, path, tiers, name):
    covered(100, name)
    assert tiers("report").out.startswith("## Tests: 2 passed, 1 skipped; coverage 100 %\n")
    assert (path / ".cache/tests/coverage.xml").exists()


def test_coverage_has_a_floor(covered, folder, tiers):
    covered(100)
    (folder / "shard-2/.cache/tests/coverage").unlink()
    done = tiers("report", status=1)
    assert "coverage 75 %" in done.out
    assert "- coverage is below the `fail_under` of its configuration" in done.out


def test_coverage_that_is_configured_and_missing_is_wrong(covered, folder, tiers):
    covered(100)
    for number in (1, 2):
        (folder / f"shard-{number}/.cache/tests/coverage").unlink()
    done = tiers("report", status=1)
    assert "coverage unknown" in done.out
    assert "- no shard left its coverage" in done.out


def test_coverage_that_cant_be_merged_is_wrong(covered, folder, tiers):
    covered(100)
    (folder / "shard-2/.cache/tests/coverage").write_bytes(report.SQLITE + b"x" * 100)
    done = tiers("report", status=1)
    assert "- coverage can't be merged: " in done.out


@pytest.mark.parametrize(
    ("name", "text", "measured"),
    [
        (".coveragerc", "", True),
        ("setup.cfg", "[coverage:run]\n", True),
        ("tox.ini", "[coverage:report]\n", True),
        ("setup.cfg", "[metadata]\n", False),
    ],
)
def test_where_coverage_is_configured_it_is_expected(suite, name, text, measured):
    path = suite({name: text}).path
    wrong, total = report.combine_coverage(read(path), [])
    assert (wrong, total) == (
        (["no shard left its coverage"], "unknown") if measured else ([], "not measured")
    )


def test_bytecode_of_tests_is_taken_and_nothing_else(path, folder, tiers):
    left = FIRST.write(folder)
    SECOND.write(folder)
    for name in ("tests/unit/__pycache__/test_a.pyc", "tests/unit/test_a.py", "shop/__pycache__/shop.pyc"):
        (left / name).parent.mkdir(parents=True, exist_ok=True)
        (left / name).write_text("of the shard")
    tiers("report")
    tests = path / "tests/unit"
    assert (tests / "__pycache__/test_a.pyc").read_text() == "of the shard"
    assert (tests / "test_a.py").read_text() == "def test(): pass\n"
