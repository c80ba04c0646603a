"""The page in a real browser: it shows what the records say, and can be used by whoever looks at it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from synthetic_records import Made, compress, thirty

Open = Callable[..., Any]
ORDER = [
    "advice",
    "headline",
    "timeline",
    "changes",
    "tests",
    "fixtures",
    "statements",
    "collection",
    "flaky",
    "trends",
]
REST = ["budgets", "tiers"]
HOSTILE = [
    "tests/unit/test_a.py::test_markup[<img src=x onerror='window.ran=1'>]",
    "tests/unit/test_a.py::test_end[</script><script>window.ran=1</script>]",
    "tests/unit/test_a.py::test_quotes[\"'`${window.ran=1}]",
    "tests/unit/test_a.py::test_signs[\u202e\u0000\u0007\u2028 \U0001f600 ünï]",
    "tests/unit/test_a.py::test_half[\ud800]",
    "tests/unit/test_a.py::test_place[%scripts% %figures%]",
]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty runs of 200 tests."""
    folder = tmp_path_factory.mktemp("records")
    thirty(folder)
    return folder


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def rows(page: Any, name: str) -> list[list[str]]:
    table = page.get_by_role("region", name=f"Table: {name}", exact=True)
    cells = table.evaluate(
        "table => [...table.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    )
    return [[plain(cell) for cell in row] for row in cells]


def said(page: Any) -> str:
    return plain(page.locator(".said").inner_text())


def test_it_says_what_the_records_say(open_page: Open, records: Path) -> None:
    opened = open_page(records)
    lead = plain(opened.page.locator(".lead").inner_text())
    last = json.loads((records / "000030-20261120T090029.jsonl").read_text().splitlines()[-2])
    assert re.search(rf"failed:? 200 tests in {last['seconds']:.2f} s", lead, re.IGNORECASE)
    facts = plain(opened.page.locator("#headline").inner_text())
    assert all(words in facts for words in ("198 passed", "2 failed", "4 workers on 4 processors"))
    assert [row[0].split("\n")[0] for row in rows(opened.page, "slower tests")] == [
        "test_does_what_it_should_00007"
    ]
    assert rows(opened.page, "slower tests")[0][1:3] == ["0.11 s", "0.42 s"]
    assert rows(opened.page, "faster tests")[0][1:3] == ["0.21 s", "53 ms"]
    assert rows(opened.page, "flaky tests")[0][1:3] == ["8 of 30", "8 of 30"]
    assert rows(opened.page, "tests")[0][0].split("\n") == [
        "test_does_what_it_should_00020",
        "tests/unit/test_module_000.py:150",
    ]
    assert rows(opened.page, "statements")[0][-1] == "137"
    assert len(rows(opened.page, "workers")) == 4
    assert {row[0] for row in rows(opened.page, "tiers")} == {"unit", "integration", "committed"}
    assert rows(opened.page, "budgets")[0][-1] == "104 %"
    assert "000030-20261120T090029.jsonl" in opened.page.locator("footer").inner_text()


def test_what_to_do_comes_first_and_leads_to_its_evidence(open_page: Open, records: Path) -> None:
    page = open_page(records).page
    assert [part.get_attribute("id") for part in page.locator("main > section").all()] == ORDER + REST
    items = page.locator(".advice li").all()
    assert 3 <= len(items) <= 7
    for item in items:
        link = item.get_by_role("link")
        place = page.locator(link.get_attribute("href"))
        link.click()
        box = place.bounding_box()
        assert -box["height"] < box["y"] < 900
    item = page.locator(".advice li", has_text="Don't sleep")
    item.get_by_role("link").click()
    assert [row[0].split("\n")[0] for row in rows(page, "tests")] == ["test_does_what_it_should_00020"]


def test_tables_are_searched_and_sorted(open_page: Open, records: Path) -> None:
    page = open_page(records).page
    tests = page.locator("#tests")
    tests.get_by_role("searchbox").fill("committed 0012")
    assert len(rows(page, "tests")) == 5
    tests.get_by_role("searchbox").fill("nothing of the kind")
    assert tests.get_by_text("Nothing matches.").is_visible()
    tests.get_by_role("searchbox").fill("")
    head = tests.get_by_role("columnheader", name="Statements")
    tests.get_by_role("button", name="Statements").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert rows(page, "tests")[0][-2] == "137"
    tests.get_by_role("button", name="Statements").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert rows(page, "tests")[0][-2] == "0"
    assert len(rows(page, "tests")) == 15
    tests.get_by_role("button", name="Show more").click()
    assert len(rows(page, "tests")) == 100


def test_the_timeline_tells_the_test_under_the_pointer(open_page: Open, records: Path) -> None:
    opened = open_page(records)
    over = opened.page.locator(".timeline .u-over")
    box, tests, workers = over.bounding_box(), opened.figures["tests"], opened.figures["workers"]
    end = max(worker["ended"] for worker in workers)
    number = max(range(len(tests["nodeid"])), key=lambda number: tests["seconds"][number])
    over.hover(
        position={
            "x": box["width"] * (tests["start"][number] + tests["seconds"][number] / 2) / end,
            "y": box["height"] * (tests["worker"][number] + 0.5) / len(workers),
        }
    )
    assert tests["nodeid"][number] in said(opened.page)
    assert "call 0.52 s" in said(opened.page)


def test_the_timeline_is_zoomed(open_page: Open, records: Path) -> None:
    page = open_page(records).page
    every = page.get_by_role("button", name="Show the whole run")
    over = page.locator(".timeline .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()

    def drawn() -> str:
        return page.evaluate("document.querySelector('.timeline canvas').toDataURL()")

    assert every.is_disabled()
    whole = drawn()
    page.mouse.move(box["x"] + 300, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(every).to_be_enabled()
    part = drawn()
    assert part != whole
    page.get_by_role("button", name="Zoom in").click()
    assert drawn() != part
    every.click()
    expect(every).to_be_disabled()
    over.hover(position={"x": 200, "y": 20})
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(every).to_be_enabled()


def test_the_timeline_is_used_with_the_keyboard(open_page: Open, records: Path) -> None:
    opened = open_page(records)
    page, names = opened.page, opened.figures["tests"]["nodeid"]
    page.get_by_role("group", name="Timeline of the workers").focus()
    page.keyboard.press("ArrowRight")
    assert names[0] in said(page)
    page.keyboard.press("ArrowRight")
    assert names[1] in said(page)
    page.keyboard.press("ArrowLeft")
    assert names[0] in said(page)
    page.keyboard.press("ArrowDown")
    assert "on gw1" in said(page)
    page.keyboard.press("+")
    assert page.get_by_role("button", name="Show the whole run").is_enabled()
    page.keyboard.press("0")
    assert page.get_by_role("button", name="Show the whole run").is_disabled()


def test_the_timeline_is_searched(open_page: Open, records: Path) -> None:
    page = open_page(records).page
    search = page.get_by_role("searchbox", name="Search in the timeline")
    search.fill("should_0001")
    assert page.locator("#timeline .tools").get_by_text("10 tests").is_visible()
    search.press("Enter")
    assert "should_00010" in said(page)
    assert page.get_by_role("button", name="Show the whole run").is_enabled()
    search.fill("should_00123")
    assert "should_00123" in said(page)


def test_each_part_is_reached_with_the_keyboard(open_page: Open, records: Path) -> None:
    page = open_page(records).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    for link in page.locator("nav a").all():
        assert page.locator(link.get_attribute("href")).count() == 1


@pytest.mark.parametrize("preferred", ["light", "dark"])
def test_the_scheme_follows_the_system_and_the_button(open_page: Open, records: Path, preferred: str) -> None:
    page = open_page(records, scheme=preferred).page

    def paper() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    colors = {"light": "rgb(251, 251, 249)", "dark": "rgb(20, 24, 29)"}
    assert paper() == colors.pop(preferred)
    drawn = page.evaluate("document.querySelector('.timeline canvas').toDataURL()")
    page.get_by_role("button", name="Dark").click()
    assert [paper()] == list(colors.values())
    assert page.evaluate("document.querySelector('.timeline canvas').toDataURL()") != drawn


def test_it_fits_a_phone(open_page: Open, records: Path) -> None:
    page = open_page(records, width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".timeline canvas").bounding_box()["width"] <= 390


def test_it_is_printed_without_what_paper_cannot_do(open_page: Open, records: Path) -> None:
    page = open_page(records, scheme="dark").page
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.get_by_role("searchbox").first.is_visible()
    assert page.locator(".advice h3").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Open, records: Path, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(records, width=width, scheme=scheme).page
    page.wait_for_timeout(100)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_nothing_is_fetched_and_nothing_complained_of(open_page: Open, records: Path) -> None:
    opened = open_page(records)
    opened.page.get_by_role("button", name="Dark").click()
    assert opened.complaints == []
    assert [url.partition(":")[0] for url in opened.requests] == ["file"]


def test_what_ids_hold_is_shown_and_never_run(open_page: Open, tmp_path: Path) -> None:
    def change(number: int, line: dict[str, Any]) -> None:
        if number < len(HOSTILE):
            line |= {
                "nodeid": HOSTILE[number],
                "own": [0.1, 5.0 - number / 10, 0.1],
                "outcome": "failed",
                "error": HOSTILE[number],
            }

    Made(tests=20, change=change).write(tmp_path / "runs")
    opened = open_page(tmp_path / "runs")
    shown = opened.page.evaluate("[...document.querySelectorAll('#tests .test')].map(test => test.title)")
    assert shown[:4] == HOSTILE[:4]
    assert shown[5] == HOSTILE[5]
    opened.page.get_by_role("group", name="Timeline of the workers").focus()
    for _ in HOSTILE:
        opened.page.keyboard.press("ArrowRight")
    assert opened.page.evaluate("window.ran") is None
    assert opened.complaints == []


def test_the_policy_lets_nothing_else_run(open_page: Open, records: Path) -> None:
    opened = open_page(records)
    opened.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = 1";
            document.body.append(script);
            const image = document.createElement("div");
            image.innerHTML = "<img src=x onerror='window.ran = 2'>";
            document.body.append(image);
        }"""
    )
    opened.page.wait_for_timeout(100)
    assert opened.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)


def test_without_a_run_it_says_what_to_do(open_page: Open, tmp_path: Path) -> None:
    opened = open_page(tmp_path / "nothing")
    assert "Run the tests" in opened.page.locator(".lead").inner_text()
    assert opened.complaints == []


def test_of_one_run_it_claims_no_trend(open_page: Open, tmp_path: Path) -> None:
    Made().write(tmp_path / "runs")
    opened = open_page(tmp_path / "runs")
    assert "no earlier run" in opened.page.locator("#changes").inner_text()
    assert opened.page.locator("#trends canvas").count() == 0
    assert "too few runs" in opened.page.locator("#headline").inner_text()
    assert opened.complaints == []


def test_an_interrupted_run_is_not_compared(open_page: Open, tmp_path: Path) -> None:
    for number in range(4):
        compress(Made(number=number).write(tmp_path / "runs"))
    Made(number=4, status=2, stop_after=0.3).write(tmp_path / "runs")
    lead = plain(open_page(tmp_path / "runs").page.locator(".lead").inner_text())
    assert re.match(r"interrupted:? 60 tests in .* It didn.t reach its end", lead, re.IGNORECASE)
    assert not re.search("usual|faster", lead)


def test_shards_stand_side_by_side(open_page: Open, tmp_path: Path) -> None:
    for shard in (1, 2, 3):
        Made(shard=(shard, 3), predicted=3.0, workers=2).write(tmp_path / "runs" / f"shard-{shard}")
    opened = open_page(tmp_path / "runs")
    assert [row[:3] for row in rows(opened.page, "shards")] == [
        [str(n), t, "3.00 s"] for n, t in ((1, "67"), (2, "67"), (3, "66"))
    ]
    assert [row[0] for row in rows(opened.page, "workers")] == [
        f"{shard}/gw{n}" for shard in (1, 2, 3) for n in (0, 1)
    ]
    assert "200 tests" in plain(opened.page.locator(".lead").inner_text())


def test_ten_thousand_tests_are_shown(open_page: Open, tmp_path: Path) -> None:
    Made(tests=10_000, workers=8).write(tmp_path / "runs")
    opened = open_page(tmp_path / "runs")
    assert (tmp_path / "page-0.html").stat().st_size < 5_000_000
    assert "15 of 10,000" in opened.page.locator("#tests").inner_text()
    search = opened.page.get_by_role("searchbox", name="Search in the timeline")
    search.fill("should_09999")
    search.press("Enter")
    assert "should_09999" in said(opened.page)
    assert opened.complaints == []
