"""The dashboard of a generated suite: `nox -s bench -- dashboard [--picture | --size | --overhead] [--quick]`.

`--picture` runs 2,000 tests with faults that the page is for, builds it, and writes the README's picture, docs/dashboard.png (Debian's
Chromium takes it). `--size` says how large 30 records of 10,000 tests and their page are, and how long it takes to build and load.
`--overhead` says what recording costs: processor time of a run of 1,882 light tests with and without it, in turns, seven times; and
likewise with the neighbours that are installed.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "tiers"))

PICTURE = ROOT / "docs" / "dashboard.png"
LARGEST = 300_000
"""Bytes that the picture may have."""
CHROMIUM = "/usr/bin/chromium"
PYPROJECT = """\
[project]
name = "{name}"
version = "1"

[tool.pytest.ini_options]
addopts = "--disable-plugin-autoload -p xdist.plugin -p tiers --dist=worksteal"

[tool.tiers]
budgets = {{unit = 0.3, integration = 1, fast = 60}}
"""
SLOW = """\
import time

import pytest
from sqlalchemy import create_engine, text


@pytest.fixture(scope="session")
def engine():
    return create_engine("sqlite://")


@pytest.fixture
def login():
    sum(i * i for i in range(40_000))  # a password's hash


@pytest.mark.parametrize("number", range({count}))
def test_ticket(number, engine, login):
    with engine.connect() as connection:
        for _ in range({repeated} if number == 3 else 2):
            connection.execute(text("SELECT 1, :number"), {{"number": number}}).all()
    if number == 7:
        time.sleep({sleep})
    sum(i * i for i in range(300 * number % 9_000))
"""
PURE = """\
import pytest


@pytest.mark.parametrize("number", range({count}))
def test_price(number):
    sum(i * i for i in range(700 * number % 11_000))
"""
LIGHT = "import pytest\n\n\n@pytest.mark.parametrize('number', range({count}))\ndef test_light(number):\n    assert number + 1\n"


def write_suite(folder: Path, tests: int) -> None:
    """Write a suite of so many tests in the unit tier, half of them on SQLite."""
    (folder / "tests" / "unit").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT.format(name="webshop"))
    each = 50
    for number in range(tests // each):
        slow = SLOW.format(
            count=each, repeated=120 if number == 8 else 2, sleep=0.4 if number % 7 == 0 else 0
        )
        module = slow if number % 2 == 0 else PURE.format(count=each)
        (
            folder / "tests" / "unit" / f"test_{'tickets' if number % 2 == 0 else 'prices'}_{number:02}.py"
        ).write_text(module)


def pytest_seconds(folder: Path, *options: str) -> float:
    """Run pytest and return the processor time, in seconds, of all its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def build(folder: Path) -> tuple[Path, float]:
    """Build the page of a suite, and return it and the seconds that this took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pytest_tiers", "dashboard", "--no-open"], cwd=folder, check=True)
    return folder / ".cache" / "tests" / "dashboard.html", time.perf_counter() - started


def photograph(page: Path, picture: Path | None) -> float:
    """Open a page in Chromium, take a picture of its head if one is wanted, and return the seconds until it was there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 1600})
        started = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#tiers")
        tab.evaluate("new Promise(requestAnimationFrame)")
        seconds = time.perf_counter() - started
        if picture:
            tab.wait_for_timeout(500)
            tab.screenshot(path=picture)
        browser.close()
    return seconds


def take_picture(*, quick: bool) -> None:
    """Run a suite four times, and take a picture of its page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder, 200 if quick else 2_000)
        for _ in range(4):  # so that there is something to compare with
            pytest_seconds(folder, "-n2")
        page, _ = build(folder)
        PICTURE.parent.mkdir(exist_ok=True)
        photograph(page, PICTURE)
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(ROOT)}: {size / 1000:.0f} kB")
    if size > LARGEST:
        raise SystemExit("The picture is too large for a README.")


def measure_size(*, quick: bool) -> None:
    """Say how large records and page are, and how long it takes to build and load it."""
    from synthetic_records import thirty

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder, 50)
        tests = 1_000 if quick else 10_000
        thirty(folder / ".cache" / "tests" / "runs", tests)
        size = sum(path.stat().st_size for path in (folder / ".cache").rglob("*.jsonl*"))
        page, built = build(folder)
        loaded = photograph(page, None)
        print(f"30 runs of {tests:,} tests: records {size / 1e6:.1f} MB, page {page.stat().st_size / 1e6:.1f} MB, "
              f"built in {built:.1f} s, loaded in {loaded:.1f} s")  # fmt: skip


def measure_overhead(*, quick: bool) -> None:
    """Say what recording costs, in turns with runs that don't."""
    off = ("-p", "no:tiers-recorder", "-p", "no:tiers-details")
    plain = ("-o", "addopts=--disable-plugin-autoload -p xdist.plugin")
    kinds: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {"recording": ((), off)}
    for name, module, option in (
        ("pytest-timing", "pytest_timing", ("-p", "pytest_timing.plugin", "--timing-html")),
        ("pytest-perf-report", "pytest_perf_report", ("-p", "pytest_perf_report.plugin", "--perf-report")),
    ):
        if find_spec(module):
            kinds[name] = ((*plain, *option), plain)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tests" / "unit").mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PYPROJECT.format(name="light"))
        for number in range(2):
            (folder / "tests" / "unit" / f"test_{number}.py").write_text(LIGHT.format(count=941))
        for kind, (with_it, without) in kinds.items():
            pytest_seconds(folder, *with_it)
            pairs = [
                (pytest_seconds(folder, *with_it), pytest_seconds(folder, *without))
                for _ in range(2 if quick else 7)
            ]
            ratios = [one / other - 1 for one, other in pairs]
            least = [min(taken) for taken in zip(*pairs, strict=True)]  # noise only ever adds
            print(
                f"{kind}: {statistics.median(ratios):+.1%} of the processor time ({min(ratios):+.1%} to {max(ratios):+.1%}); "
                f"{least[0]:.2f} s and {least[1]:.2f} s at least, {least[0] / least[1] - 1:+.1%}"
            )


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", action="store_true")
    parser.add_argument("--size", action="store_true")
    parser.add_argument("--overhead", action="store_true")
    parser.add_argument("--quick", action="store_true", help="for a trial")
    options = parser.parse_args()
    if options.picture or not (options.size or options.overhead):
        take_picture(quick=options.quick)
    if options.size:
        measure_size(quick=options.quick)
    if options.overhead:
        measure_overhead(quick=options.quick)


if __name__ == "__main__":
    main()
