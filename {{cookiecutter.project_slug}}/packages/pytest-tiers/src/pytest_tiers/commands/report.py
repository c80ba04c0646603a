"""What the shards of a run did, together: for the last job of CI.

Takes the plan, and from each folder in .cache/tests/shards what one shard left: .cache/tests/runs, .cache/tests/coverage and
the bytecode of its tests. Checks that each test ran in exactly one shard, merges times, coverage and records, and compares all
with the budgets. Of a shard that ran again the newest attempt counts. The summary goes to standard output, and to the page of
GitHub's run (GITHUB_STEP_SUMMARY).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_tiers.commands.running import CommandError, parser_of, suite
from pytest_tiers.commands.shards import Shard, join, read_shards, verify
from pytest_tiers.commands.summary import Findings, summarize
from pytest_tiers.config import CACHE, Budgets, Settings
from pytest_tiers.timing import budgets, records
from pytest_tiers.timing.plan import Plan, PlanError
from pytest_tiers.timing.records import Record
from pytest_tiers.timing.store import Store, open_store

SQLITE = b"SQLite format 3\0"
"""How each file of coverage's data begins."""
NOT_MEASURED = "not measured"


def merge(shards: Iterable[Record], store: Store, limits: Budgets) -> Findings:
    """Add the times of all shards to the store, and return what they did."""
    found, before = Findings(), store.tests
    for record in shards:
        found.results |= record.results
        found.again |= record.again
        found.seconds |= {nodeid: sum(times[:3]) for nodeid, times in record.times.items()}
        found.quarantined |= record.quarantined
        try:
            run = record.run
        except ValueError as error:
            found.wrong.append(f"shard {record.facts['shard']['shard']} left {error}")
            continue
        found.slower += budgets.slower(run, before, limits.slower)
        try:
            found.moved += store.add(run)
        except OSError as error:
            found.notes.append(f"the measured times: {error}")
    found.wrong += [str(slower) for slower in found.slower]
    found.wrong += budgets.exceeded(limits, store.tests)
    return found


def coverage_files(shards: Iterable[Shard]) -> list[str]:
    """Return the files with coverage's data that the shards left: one, or one for each process."""
    files = (
        path for shard in shards for name in ("coverage", ".coverage") for path in _named(shard.folder, name)
    )
    return [str(path) for path in files if path.is_file() and _begins(path, SQLITE)]


def _named(folder: Path, name: str) -> Iterator[Path]:
    # .coverage is coverage's own default, and lies in the root.
    return (folder if name.startswith(".") else folder / CACHE).glob(f"{name}*")


def _begins(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning


def combine_coverage(settings: Settings, parts: list[str]) -> tuple[list[str], str]:
    """Merge what the shards covered, and return what is wrong with it, and the total in words."""
    if not parts:
        return (
            (["no shard left its coverage"], "unknown")
            if _measures_coverage(settings)
            else ([], NOT_MEASURED)
        )

    def coverage(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "coverage", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603

    combined = coverage("combine", "--keep", *parts)
    # It passes over a damaged file, with a warning.
    if combined.returncode or "Couldn't use data file" in combined.stderr:
        return [
            f"coverage can't be merged: {' '.join((combined.stderr or combined.stdout).split())}"
        ], "unknown"
    coverage("xml")
    report = coverage("report", "--format=total")
    total = f"{report.stdout.split()[0]} %" if report.stdout.split() else report.stderr.strip()
    return (["coverage is below the `fail_under` of its configuration"] if report.returncode else []), total


def _measures_coverage(settings: Settings) -> bool:
    """Tell whether coverage is configured here, so that shards should have left some."""
    if (settings.root / ".coveragerc").is_file():
        return True
    places = {"pyproject.toml": "[tool.coverage", "setup.cfg": "[coverage:", "tox.ini": "[coverage:"}
    files = ((settings.root / name, text) for name, text in places.items())
    return any(path.is_file() and text in path.read_text(errors="replace") for path, text in files)


def take_bytecode(settings: Settings, shards: Iterable[Shard]) -> None:
    """Copy the bytecode of tests that the shards compiled: the next runs then needn't. Raises OSError."""
    for shard in shards:
        for place in filter(Path.is_dir, settings.tests):
            for compiled in (shard.folder / settings.relative(place)).rglob("*.pyc"):
                target = settings.root / compiled.relative_to(shard.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(compiled, target)


def main(arguments: list[str]) -> int:
    """Merge, check and report; return the exit code."""
    parser = parser_of("report", __doc__)
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        help="where each folder is what one shard left (default: .cache/tests/shards)",
    )
    parser.add_argument("--plan", type=Path, default=Path("plan.json"), help="(default: plan.json)")
    options = parser.parse_args(arguments)
    settings = suite()
    try:
        plan = Plan.read(options.plan)
    except PlanError as error:
        raise CommandError(str(error)) from None
    shards = read_shards(options.folder or settings.cache / "shards")
    did = [shard.record for shard in shards]
    store = open_store(settings)
    if store.note:
        print(store.note, file=sys.stderr)
    found = merge(did, store, settings.budgets)
    uncovered, coverage = combine_coverage(settings, coverage_files(shards))
    found.wrong = [*verify(plan, did), *found.wrong, *uncovered]
    try:
        take_bytecode(settings, shards)
        join(shards, records.runs_folder(settings))
    except OSError as error:
        found.notes.append(f"records and bytecode: {error}")
    summary = summarize(plan, did, found, coverage)
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a") as file:
            file.write(f"{summary}\n")
    print(summary)
    if found.wrong:
        count = len(found.wrong)
        raise CommandError(
            f"This run isn't right: {count} findings, listed above under “Wrong with the run”.", 1
        )
    if found.failed:
        raise CommandError("Tests failed.", 1)
    return 0
