"""Which machine of CI runs which tests, by measured time.

Writes plan.json; `pytest --ci --plan plan.json --shard 2/5` runs a part of it. Tests that were never measured are estimated by
the size of their files. Where GITHUB_OUTPUT is set, the names of the shards go there, as `shards`: the matrix of a workflow.
"""

import json
import os
import sys
from pathlib import Path

from pytest_tiers.commands.running import CommandError, parser_of, suite


def main(arguments: list[str]) -> int:
    """Make a plan, or take times over, and return the exit code."""
    from pytest_tiers.timing.import_durations import import_durations
    from pytest_tiers.timing.plan import MOST, describe, make
    from pytest_tiers.timing.store import open_store

    parser = parser_of("plan", __doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--import-durations",
        type=Path,
        metavar="FILE",
        help="take over what pytest-split measured (.test_durations)",
    )
    what.add_argument("--shards", type=int, metavar="N", help="make so many shards")
    what.add_argument(
        "--target-seconds", type=float, metavar="S", help="make as few as are done in S seconds"
    )
    parser.add_argument(
        "--plan", type=Path, default=Path("plan.json"), help="the plan's file (default: plan.json)"
    )
    options = parser.parse_args(arguments)
    if options.shards is not None and not 1 <= options.shards <= MOST:
        parser.error(f"--shards: 1 to {MOST}")
    if options.target_seconds is not None and not options.target_seconds > 0:
        parser.error("--target-seconds: more than 0")
    settings = suite()
    store = open_store(settings)
    if store.note:
        print(store.note, file=sys.stderr)
    try:
        if options.import_durations:
            print(import_durations(options.import_durations, store))
            return 0
        plan = make(settings, store, shards=options.shards or 1, target=options.target_seconds)
        plan.write(options.plan)
    except (ValueError, OSError) as error:
        raise CommandError(f"{error}.") from None
    count = len(plan.shards)
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        names = [f"{number}/{count}" for number in range(1, count + 1)]
        with Path(outputs).open("a") as file:
            file.write(f"shards={json.dumps(names)}\n")
    print(describe(plan, store.tests))
    slowest = max(shard.seconds for shard in plan.shards)
    if options.target_seconds is not None and slowest > options.target_seconds:
        print(
            f"One test takes {slowest:.1f} s, so no number of shards is done in {options.target_seconds:g} s."
        )
    print(f"\n{options.plan} is written. Run a part: pytest --ci --plan {options.plan} --shard 1/{count}")
    return 0
