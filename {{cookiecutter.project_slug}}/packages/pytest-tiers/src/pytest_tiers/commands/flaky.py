"""The tests that failed in the last run once more, on their own; those that pass are labelled flaky.

A label, no more: that run has failed, and stays so, whatever this finds; its own exit code is 0. The outcomes are added to the
record of the run, for `tiers report`.
"""

import json
import tempfile
from pathlib import Path

from pytest_tiers.commands.running import CommandError, parser_of, pytest_command, run, suite
from pytest_tiers.config import Settings
from pytest_tiers.timing import records

MOST = 20
"""With more failures than this something is wrong with all of them."""


def run_again(tests: list[str]) -> dict[str, str]:
    """Return how these tests end in a run of their own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.jsonl"
        options = ["--tiers-ci", "-q", "--no-header", "--tb=no", f"--tiers-record={path}"]
        run(pytest_command(*options, *tests, workers=0), quiet=True)
        results = records.read(path).results if path.exists() else {}
    return {nodeid: results.get(nodeid, records.Result()).outcome for nodeid in tests}


def main(arguments: list[str]) -> int:
    """Run them again, say what came of it, and add it to the record."""
    parser_of("flaky", __doc__).parse_args(arguments)
    settings = suite()
    try:
        path = records.newest(records.runs_folder(settings))
    except FileNotFoundError as error:
        raise CommandError(f"{error}: run the tests first.") from None
    results = records.read(path).results
    failed = [nodeid for nodeid, result in results.items() if result.outcome == "failed"]
    if not failed:
        print("No test failed in the last run.")
        return 0
    if len(failed) > MOST:
        print(f"\n{len(failed)} tests failed: too many to be flaky, so none is run again.")
        return 0
    print(f"\nRunning the {len(failed)} tests that failed again, on their own ...")
    outcomes = run_again(failed)
    with path.open("a") as record:
        record.write(json.dumps({"$report_type": "Again", "outcomes": outcomes}) + "\n")
    for nodeid, outcome in outcomes.items():
        print(f"  {nodeid}: {'FLAKY, it passes now' if outcome == 'passed' else f'{outcome} again'}")
    if "passed" in outcomes.values():
        print(_what_to_do(settings))
    return 0


def _what_to_do(settings: Settings) -> str:
    quarantine = settings.relative(settings.quarantine or settings.tests[0] / "quarantine.toml")
    return (
        "What passes now may depend on time, on chance, or on the tests before it: `tiers isolation` tells.\n"
        f"Until it is mended, {quarantine} can take it. The run stays failed."
    )
