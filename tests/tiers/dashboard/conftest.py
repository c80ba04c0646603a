"""What the tests of the dashboard share: pages of records that were made for them, and a browser to look at these."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_tiers.commands.dashboard import figures, page, reading
from pytest_tiers.commands.dashboard.context import Context
from pytest_tiers.config import Budgets, Settings, read

NARROW, WIDE = 390, 1280


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A suite with the folders of all tiers, and budgets."""
    root = tmp_path_factory.mktemp("suite")
    for tier in ("unit", "integration", "committed"):
        (root / "tests" / tier).mkdir(parents=True)
    budgets = "budgets = {unit = 0.5, integration = 1, fast = 60}"
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "shop"\nversion = "1"\n[tool.tiers]\n{budgets}\n'
    )
    found = read(root)
    assert found.budgets == Budgets(unit=0.5, integration=1, fast=60)
    return found


@pytest.fixture
def context(settings: Settings, tmp_path: Path) -> Callable[[], Context]:
    """Gives what the parts of the page reckon from, of the records in `tmp_path`."""

    def read_all() -> Context:
        history = reading.read_history(tmp_path)
        assert history.shown
        return Context(history, history.shown, settings)

    return read_all


@dataclass
class Opened:
    """A page in a browser, and what it complained of."""

    page: Any
    figures: dict[str, Any]
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium. No longer than a module: meanwhile Playwright has an event loop running in this thread."""
    program = shutil.which("chromium")
    if program is None:
        complain = pytest.fail if os.environ.get("CI") else pytest.skip
        complain("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Builds the page of a folder of records, and opens it: `open_page(folder, width=390, scheme="dark")`."""
    pages: list[Any] = []

    def build(
        folder: Path, *, width: int = WIDE, scheme: str = "light", found: dict[str, Any] | None = None
    ) -> Opened:
        found = found or figures.collect(reading.read_history(folder), settings)
        file = tmp_path / f"page-{len(pages)}.html"
        file.write_text(page.build(found), encoding="utf-8")
        opened = Opened(
            browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
            ),
            found,
        )
        pages.append(opened.page)
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(file.as_uri())
        opened.page.wait_for_selector("h1")
        return opened

    yield build
    for opened in pages:
        opened.close()
