# Kept by the template: an update replaces this file.
"""Runs the tests that failed in the last run once more, on their own, and labels those that pass: `nox -s ci` calls this.

A label, no more: the run stays red. The outcomes are added to the record of the run, for `nox -s report`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import records

MOST = 20
"""With more failures than this something is wrong with all of them."""


def run_again(tests: list[str]) -> dict[str, str]:
    """Return how these tests end in a run of their own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.jsonl"
        options = ["--ci", "-n", "0", "-q", "--no-header", "--tb=no", f"--record={path}"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - pytest itself
        results = records.read(path).results if path.exists() else {}
    return {nodeid: results.get(nodeid, records.Result()).outcome for nodeid in tests}


def main() -> None:
    """Run them again, say what came of it, and add it to the record."""
    path = records.newest()
    results = records.read(path).results
    failed = [nodeid for nodeid, result in results.items() if result.outcome == "failed"]
    if not failed:
        return
    if len(failed) > MOST:
        print(f"\n{len(failed)} tests failed: too many to be flaky, so none is run again.")
        return
    print(f"\nRunning the {len(failed)} tests that failed again, on their own ...", flush=True)
    outcomes = run_again(failed)
    with path.open("a") as record:
        record.write(json.dumps({"$report_type": "Again", "outcomes": outcomes}) + "\n")
    for nodeid, outcome in outcomes.items():
        print(f"  {nodeid}: {'FLAKY, it passes now' if outcome == 'passed' else f'{outcome} again'}")
    if "passed" in outcomes.values():
        print(
            "What passes now may depend on time, on chance, or on the tests before it: `nox -s isolation` tells.\n"
            "Until it is mended, tests/quarantine.toml can take it. The run stays failed."
        )


if __name__ == "__main__":
    main()
