"""freezegun replaces clocks in all modules: nobody is blamed for it, and what it leaves is."""

import json
from pathlib import Path

from watched import run

TESTS = """
import datetime
import time

import pytest
import shop.clock
from freezegun import freeze_time


@freeze_time("2026-01-01")
def test_frozen():
    assert datetime.date.today() == datetime.date(2026, 1, 1)
    assert shop.clock.now().year == 2026


def test_after():
    assert datetime.date.today() > datetime.date(2026, 1, 1)
    assert type(shop.clock.now()) is datetime.datetime


@freeze_time("2026-01-01")
class TestFrozen:
    def test_in_a_class(self):
        assert shop.clock.now().year == 2026


def test_with_a_context():
    with freeze_time("2026-01-01", tick=True) as frozen:
        frozen.tick(3600)
        assert shop.clock.now().hour == 1


@freeze_time("2026-01-01")
def test_imports_while_time_is_frozen():
    import shop.late

    assert shop.late.STARTED.year == 2026


def test_uses_it_when_it_is_not():
    import shop.late

    assert type(shop.late.now()) is datetime.datetime


def test_leaves_it_frozen():
    freeze_time("2026-01-01").start()
"""


def test_nobody_is_blamed_for_frozen_time(tmp_path: Path) -> None:
    clock = "from datetime import datetime\n\n\ndef now():\n    return datetime.now()\n"
    files = {
        "src/shop/__init__.py": "",
        "src/shop/clock.py": clock,
        "src/shop/late.py": f"{clock}\n\nSTARTED = datetime.now()\n",
        "tests/unit/test_frozen.py": TESTS,
    }
    done = run(tmp_path, files, "--report-log=log.jsonl", loads=["pytest_reportlog.plugin"])
    assert done.failed == {"test_leaves_it_frozen"}
    said = done.of("test_leaves_it_frozen")
    assert {"shop.clock.datetime", "shop.late.datetime"} <= set(said.partition("changed: ")[2].split(", "))
    reports = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    calls = {report["nodeid"]: report["duration"] for report in reports if report.get("when") == "call"}
    assert len(calls) == 7
    # But for the one that leaves it frozen, whose end is measured by the clock that it has left.
    assert {nodeid: took for nodeid, took in calls.items() if not 0 <= took < 60} == {
        nodeid: took for nodeid, took in calls.items() if nodeid.endswith("test_leaves_it_frozen")
    }
