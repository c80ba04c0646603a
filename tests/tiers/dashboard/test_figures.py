"""What is reckoned from records: serial time, idling, noise, flaky tests, and what to do about them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_tiers.commands.dashboard import changes, figures, markdown, page, reading, terminal, trace
from pytest_tiers.commands.dashboard.advice import Advice, advise, seconds
from pytest_tiers.commands.dashboard.context import Context
from pytest_tiers.config import Settings
from synthetic_records import SELECT, Made, compress, shape, thirty

Read = Callable[[], Context]
Change = Callable[[int, dict[str, Any]], None]


def said(context: Context, words: str) -> Advice:
    found = [advice for advice in advise(context) if words in advice.title]
    assert len(found) == 1, advise(context)
    return found[0]


def only(number: int, **values: Any) -> Change:
    """Return a change to one test."""
    return lambda test, line: line.update(values) if test == number else None


def quiet(**facts: Any) -> dict[str, Any]:
    """Return the facts of a run in which nothing is to be done."""
    return {"fixtures": {}, "imports": {}} | facts


def test_a_run_in_order_gets_no_advice(context: Read, tmp_path: Path) -> None:
    Made(facts=quiet()).write(tmp_path)
    assert advise(context()) == []


def test_a_narrow_fixture_is_named(context: Read, tmp_path: Path) -> None:
    narrow = {"count": 100, "seconds": 4.0, "longest": 0.1, "places": 10}
    Made(facts=quiet(fixtures={"login (function) tests": narrow, "wide (module) tests": narrow})).write(
        tmp_path
    )
    read = context()
    advice = said(read, "wider scope")
    assert advice.title == "Give the fixture login a wider scope"
    assert advice.seconds == pytest.approx(4.0 * 90 / 100 / read.timeline.at_once)
    assert "100 times at 40 ms" in advice.evidence
    assert (advice.section, advice.find) == ("fixtures", "login")


def test_fixtures_of_one_name_are_one_advice(context: Read, tmp_path: Path) -> None:
    each = {"count": 50, "seconds": 1.0, "longest": 0.1, "places": 1}
    fixtures = {f"login (function) tests/unit/test_{n}.py": each for n in range(4)}
    Made(facts=quiet(fixtures=fixtures)).write(tmp_path)
    read = context()
    advice = said(read, "wider scope")
    assert (
        "In tests/unit/test_0.py and 3 more files it was set up 200 times at 20 ms, 4.00 s in all."
        in advice.evidence
    )
    assert advice.evidence.endswith("it would be set up 4 times.")
    assert advice.seconds == pytest.approx(4.0 * 196 / 200 / read.timeline.at_once)


def test_on_a_busy_machine_all_wait_and_none_is_named(context: Read, tmp_path: Path) -> None:
    def change(number: int, line: dict[str, Any]) -> None:
        line["own"] = [0.0, 0.2, 0.0]
        line["processor"] = 0.05

    Made(tests=40, change=change, facts=quiet()).write(tmp_path)
    assert not [advice for advice in advise(context()) if "wait" in advice.title]


def test_a_test_without_a_statement_is_in_the_wrong_tier(context: Read, tmp_path: Path) -> None:
    def change(number: int, line: dict[str, Any]) -> None:
        if number == 80:  # of the integration tier
            del line["statements"]
            line["own"] = [0.9, 0.1, 0.2]
            line["processor"] = 1.2

    Made(change=change, facts=quiet()).write(tmp_path)
    read = context()
    advice = said(read, "from the integration tier")
    assert advice.title == "Move 1 test from the integration tier to the unit tier"
    assert advice.seconds == pytest.approx(1.1 / read.timeline.at_once)
    assert [test.nodeid[-5:] for test, _ in read.misplaced] == ["00080"]


def test_where_statements_are_not_counted_none_says_nothing(context: Read, tmp_path: Path) -> None:
    def change(number: int, line: dict[str, Any]) -> None:
        line.pop("statements", None)
        if number == 80:
            line |= {"own": [0.9, 0.1, 0.2], "processor": 1.2}

    Made(change=change, facts=quiet(shapes={})).write(tmp_path)
    read = context()
    assert read.misplaced == []
    assert not [advice for advice in advise(read) if "tier" in advice.title]


@pytest.mark.parametrize(("call", "misplaced"), [(0.41, True), (0.38, False)])
def test_a_unit_test_near_its_budget_is_misplaced(
    context: Read, tmp_path: Path, call: float, misplaced: bool
) -> None:
    Made(change=only(3, own=[0.0, call, 0.0], processor=call), facts=quiet()).write(tmp_path)
    assert bool(context().misplaced) == misplaced


@pytest.mark.parametrize(("count", "named"), [(25, True), (24, False)])
def test_repeated_statements_are_named(context: Read, tmp_path: Path, count: int, named: bool) -> None:
    Made(
        change=only(80, own=[0, 2.5, 0], processor=0.5, statements={shape(SELECT): [count, 2.0]}),
        facts=quiet(),
    ).write(tmp_path)
    read = context()
    if not named:
        assert not [advice for advice in advise(read) if "database" in advice.title]
        return
    advice = said(read, "Ask the database once, not 25 times")
    assert SELECT in advice.evidence
    assert advice.seconds == pytest.approx(2.0 * 24 / 25 / read.timeline.at_once)
    assert advice.section == "statements"


def test_imports_of_the_collection_are_named(context: Read, tmp_path: Path) -> None:
    Made(facts=quiet(imports={"tests/unit/test_heavy.py": 1.2, "tests/unit/test_a.py": 0.2})).write(tmp_path)
    advice = said(context(), "Import less")
    assert "tests/unit/test_heavy.py" in advice.evidence
    assert advice.seconds == pytest.approx(0.7)


def test_a_worker_that_idles_is_named(context: Read, tmp_path: Path) -> None:
    Made(change=only(199, own=[0, 3.0, 0], processor=3.0), facts=quiet()).write(tmp_path)
    read = context()
    advice = said(read, "begin earlier")
    assert "test_does_what_it_should_00199" in advice.title
    assert advice.seconds == read.timeline.idle_at_end > 1
    assert read.timeline.critical
    assert read.timeline.critical.tests[-1].nodeid.endswith("00199")
    idle = [gap for gap in read.timeline.gaps if gap.last]
    assert {gap.worker for gap in idle} == {f"gw{n}" for n in range(4)} - {
        read.timeline.critical.process.worker
    }


def test_a_shard_that_waits_for_one_test_is_named(context: Read, tmp_path: Path) -> None:
    for shard in (1, 2):
        Made(shard=(shard, 2), change=only(6, own=[0, 5.0, 0], processor=5.0), facts=quiet()).write(
            tmp_path / str(shard)
        )
    read = context()
    advice = said(read, "a shard waits for it")
    assert "00006" in advice.title
    assert "Shard 1 took" in advice.evidence
    walls = [session.seconds for session in read.shown.sessions]
    assert advice.seconds == pytest.approx((max(walls) - min(walls)) / 2)


def test_sleeps_and_other_waits_are_told_apart(context: Read, tmp_path: Path) -> None:
    def change(number: int, line: dict[str, Any]) -> None:
        if number == 3:
            line |= {"own": [0, 1.0, 0], "processor": 0.01, "slept": 0.98}
        if number == 4:
            line |= {"own": [0, 0.8, 0], "processor": 0.01}

    Made(change=change, facts=quiet()).write(tmp_path)
    read = context()
    sleeps, waits = said(read, "Don't sleep in 1 test"), said(read, "Find out what 1 test waits for")
    assert sleeps.seconds == pytest.approx(0.98 / read.timeline.at_once)
    assert waits.seconds == pytest.approx((0.8 - 0.01 / 0.8) / read.timeline.at_once, rel=0.01)
    assert sleeps.find.endswith("00003")
    assert waits.find.endswith("00004")


def test_another_number_of_workers_is_named(context: Read, tmp_path: Path) -> None:
    Made(tests=400, workers=1, facts=quiet()).write(tmp_path)
    read = context()
    advice = said(read, "Run the tests with")
    assert "This run had 1 worker on 4 processors" in advice.evidence
    assert 0 < advice.seconds < read.shown.wall


def test_of_a_prediction_that_is_wrong_nothing_is_said(context: Read, tmp_path: Path) -> None:
    Made(tests=400, workers=1, facts=quiet(seconds=100.0)).write(tmp_path)
    assert not [advice for advice in advise(context()) if "Run the tests" in advice.title]


def test_at_most_seven_things_are_said_the_best_first(context: Read, tmp_path: Path) -> None:
    fixtures = {
        f"f{n} (function) tests": {"count": 100, "seconds": n, "longest": 1, "places": 1}
        for n in range(1, 12)
    }
    Made(facts=quiet(fixtures=fixtures)).write(tmp_path)
    found = advise(context())
    assert [advice.find for advice in found] == [f"f{n}" for n in range(11, 4, -1)]


def test_serial_time_is_reckoned_from_each_test_alone(context: Read, tmp_path: Path) -> None:
    shared = {"count": 4, "seconds": 0.8, "longest": 0.3, "places": 0}
    facts = quiet(
        fixtures={"a (session) tests": shared, "b (module) tests": shared, "c (function) tests": shared}
    )
    Made(facts=facts, workers=2).write(tmp_path)
    read = context()
    starts = sorted(process.collected - process.began for process in read.shown.processes)
    tests = sum(test.seconds for test in read.shown.tests) + 0.0009 * 200
    assert read.timeline.serial == pytest.approx(sum(starts) / 2 + tests + 0.8 / 4 + 0.8)
    assert not read.timeline.measured


def test_serial_time_is_measured_where_there_was_such_a_run(context: Read, tmp_path: Path) -> None:
    compress(Made(workers=0, facts=quiet(seconds=33.0)).write(tmp_path))
    Made(number=1).write(tmp_path)
    timeline = context().timeline
    assert (timeline.serial, timeline.measured) == (33.0, True)


def test_the_band_is_the_noise_of_the_middle() -> None:
    assert changes.band([1.0, 1.0, 1.0]) == pytest.approx((0.9, 1.0, 1.1, 3))
    low, middle, high, runs = changes.band([1.0, 2.0, 3.0, 4.0, 100.0])
    assert (middle, runs) == (3.0, 5)
    assert high == pytest.approx(3 + 3 * 1.4826)
    assert low == 0.0


@pytest.mark.parametrize(
    ("branches", "name"), [(["main"] * 3 + ["x"], "main"), (["main", "main", "x", "x"], "earlier runs")]
)
def test_main_is_compared_with_where_it_is_known(
    context: Read, tmp_path: Path, branches: list[str], name: str
) -> None:
    for number, branch in enumerate([*branches, "feature"]):
        Made(tests=10, number=number, branch=branch).write(tmp_path)
    read = context()
    assert read.baseline_name == name
    assert len(read.baseline) == (3 if name == "main" else 4)


def test_what_slows_all_tests_is_no_change_of_one(context: Read, tmp_path: Path) -> None:
    for number in range(4):

        def change(test: int, line: dict[str, Any], factor: float = 2.0 if number == 3 else 1.0) -> None:
            line["own"] = [
                value * factor * (3 if factor == 2.0 and test == 5 else 1) for value in [0.0, 0.05, 0.0]
            ]

        Made(tests=40, number=number, change=change).write(tmp_path)
    (change_of,) = context().changes
    assert change_of.nodeid.endswith("00005")
    assert change_of.band.middle == pytest.approx(0.1)
    assert change_of.now == pytest.approx(0.3)


def outcomes(tmp_path: Path, words: list[str], *, tries: int = 0) -> None:
    for number, word in enumerate(words):
        change = only(1, outcome=word, tries=tries or 1)
        Made(tests=3, number=number, branch="main" if number % 2 else "x", change=change).write(tmp_path)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["passed", "failed", "passed"], True),
        (["passed", "passed", "failed"], False),  # broken by the last change
        (["failed", "failed", "passed"], False),  # mended
        (["failed", "passed", "failed", "failed"], True),
    ],
)
def test_flaky_is_what_turns_and_turns_back(
    context: Read, tmp_path: Path, words: list[str], found: bool
) -> None:
    outcomes(tmp_path, words)
    tests = context().flaky
    assert [test.nodeid[-5:] for test in tests] == (["00001"] if found else [])
    if found:
        assert tests[0].outcomes == words
        assert tests[0].here == words[-1]
        assert (tests[0].failures, tests[0].runs) == (words.count("failed"), len(words))
        assert (tests[0].failures_on_main, tests[0].runs_on_main) == (
            words[1::2].count("failed"),
            len(words[1::2]),
        )


def test_a_test_that_passed_at_a_further_try_is_flaky(context: Read, tmp_path: Path) -> None:
    outcomes(tmp_path, ["passed"], tries=3)
    assert [test.outcomes for test in context().flaky] == [["flaky"]]


def test_a_test_that_passed_again_on_its_own_is_flaky(context: Read, tmp_path: Path) -> None:
    path = Made(tests=3, change=only(1, outcome="failed")).write(tmp_path)
    nodeid = Made(tests=3).names()[1]
    with path.open("a") as record:
        record.write(json.dumps({"$report_type": "Again", "outcomes": {nodeid: "passed"}}) + "\n")
    assert [test.nodeid for test in context().flaky] == [nodeid]


@pytest.fixture
def made(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    """The figures of thirty runs."""
    thirty(tmp_path, tests=100)
    return figures.collect(reading.read_history(tmp_path), settings)


def test_figures_are_those_of_the_record(made: dict[str, Any], tmp_path: Path) -> None:
    lines = [
        json.loads(line) for line in (tmp_path / "000030-20261120T090029.jsonl").read_text().splitlines()
    ]
    tests = [line for line in lines if line["$report_type"] == "Test"]
    facts = lines[-2]
    of_test = {nodeid: number for number, nodeid in enumerate(made["tests"]["nodeid"])}
    for line in tests:
        number = of_test[line["nodeid"]]
        assert made["tests"]["seconds"][number] == pytest.approx(sum(line["own"]), abs=1e-5)
        assert made["tests"]["processor"][number] == pytest.approx(line["processor"], abs=1e-5)
        assert made["tests"]["line"][number] == line["line"]
        assert made["workers"][made["tests"]["worker"][number]]["worker"] == line["worker"]
    assert made["run"]["wall"] == facts["seconds"]
    assert made["run"]["tests"] == len(tests) == sum(tier["tests"] for tier in made["tiers"])
    assert made["run"]["outcomes"] == {"passed": 98, "failed": 2}
    assert sum(worker["busy"] for worker in made["workers"]) == pytest.approx(
        sum(sum(line["own"]) + sum(line["apart"]) for line in tests), abs=0.01
    )
    assert sum(made["path"].values()) == pytest.approx(
        max(worker["ended"] for worker in made["workers"]) - 0.05 - 0.1, abs=0.02
    )
    assert len(made["trends"]) == 30
    assert [trend["failed"] for trend in made["trends"]][-1] == 2
    assert json.loads(json.dumps(made)) == made


def test_markdown_has_the_figures_and_no_markup_of_an_id(made: dict[str, Any]) -> None:
    made["tests"]["nodeid"][0] = evil = "tests/a.py::test[| <b> `x` \n# [y](z) &lt; *]"
    made["tests"]["seconds"][0] = 9.5
    text = markdown.write(made)
    assert f"100 tests in {seconds(made['run']['wall'])}" in text
    assert {"### What to do", "### Flaky", "### Slower than before"} <= set(text.splitlines())
    row = next(line for line in text.splitlines() if "test\\[" in line)
    assert row.startswith(
        "| tests/a.py::test\\[\\| \\<b\\> \\`x\\` \N{REPLACEMENT CHARACTER}\\# \\[y\\]\\(z\\) &amp;lt; \\*\\] | 9.50 s |"
    )
    assert evil not in text


def test_markdown_without_a_run(settings: Settings, tmp_path: Path) -> None:
    assert "no record of a run yet" in markdown.write(
        figures.collect(reading.read_history(tmp_path), settings)
    )


def test_the_trace_has_each_test_and_its_phases(made: dict[str, Any]) -> None:
    events = trace.write(made)["traceEvents"]
    of_tests = [event for event in events if event.get("cat") == "test"]
    assert [event["name"] for event in of_tests] == made["tests"]["nodeid"]
    assert sum(event["dur"] for event in of_tests) == pytest.approx(
        sum(worker["busy"] for worker in made["workers"]) * 1e6, rel=1e-3
    )
    assert {event["args"]["name"] for event in events if event["ph"] == "M"} == {"gw0", "gw1", "gw2", "gw3"}
    assert len([event for event in events if event.get("cat") == "phase"]) == 300
    assert all(event["ts"] >= 0 and event["dur"] >= 0 for event in events if event["ph"] == "X")


def test_the_terminal_gets_the_timeline_and_the_first_thing_to_do(made: dict[str, Any]) -> None:
    made["advice"][0]["title"] += "\x1b[31m"
    lines = list(terminal.draw(made, width=72))
    assert lines[0].startswith(f"100 tests in {seconds(made['run']['wall'])}, one after another about ")
    bars = [line.split()[1] for line in lines if line.startswith("gw")]
    assert len(bars) == 4
    assert all(bar.startswith("·") and ":" in bar and "█" in bar for bar in bars)
    assert lines[-2].startswith(f"First: {made['advice'][0]['title'][:10]}")
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines[1:-2])) <= 72


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0004, "0.4 ms"),
        (0.0123, "12 ms"),
        (0.0994, "99 ms"),
        (0.5, "0.50 s"),
        (9.94, "9.94 s"),
        (9.96, "10.0 s"),
        (99.6, "1 min 40 s"),
    ],
)
def test_seconds_in_words(value: float, words: str) -> None:
    assert seconds(value) == words


def test_a_page_holds_all_that_it_needs(made: dict[str, Any]) -> None:
    made["notices"] = ["%scripts% </script> <!-- \u2028 \ud800"]
    text = page.build(made)
    assert text.count("<script") == text.count("</script>") == len(page.SCRIPTS) + 1
    assert "src=" not in text.partition("</head>")[0]
    data = text.partition('id="figures">')[2].partition("</script>")[0]
    assert json.loads(data)["notices"] == made["notices"]
    assert text.isascii() or text.encode()  # no half of a character, which couldn't be written
