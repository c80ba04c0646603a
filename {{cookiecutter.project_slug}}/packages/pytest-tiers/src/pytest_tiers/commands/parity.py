"""Each tier on the next one, unchanged: the unit tier on PostgreSQL, the integration tier with real commits.

Lists each test that ends otherwise there.

A difference that is known is declared at its test: @pytest.mark.differs(reason="…"). It fails once it is gone.
"""

import tempfile
from pathlib import Path

from pytest_tiers.commands.running import (
    CommandError,
    need,
    parser_of,
    pytest_command,
    run,
    split,
    suite,
    with_tests,
)
from pytest_tiers.config import Settings
from pytest_tiers.timing import records
from pytest_tiers.timing.records import REACHED_THE_END, Result

LOAD = ("-p", "pytest_tiers.commands.parity_plugin")
COMPARED = {
    "unit": {"SQLite": (), "PostgreSQL": ("--tiers-on-postgresql",)},
    "integration": {"rolled back": (), "committed": ("--tiers-on-clones",)},
}
"""What each tier runs on, and how pytest is told."""
NEXT = {
    "unit": "move the test to the integration tier",
    "integration": "move the test to the committed tier",
}
"""What can be done about a difference."""


def run_on(tier: str, database: str, arguments: list[str]) -> dict[str, Result]:
    """Run a tier on a database and return its results by node id.

    Raises CommandError if the run doesn't reach its end.
    """
    print(f"The {tier} tier {'on ' if tier == 'unit' else ''}{database}:")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        options = [
            *LOAD,
            *COMPARED[tier][database],
            "--tb=no",
            "-q",
            "--no-header",
            "--no-summary",
            f"--tiers-record={log}",
        ]
        status = run(pytest_command(*options, *arguments, workers="auto"))
        if status not in REACHED_THE_END:
            raise CommandError(
                f"\nNothing was compared: pytest ended with status {status} on {database}. Mend that first.",
                status,
            )
        return records.read(log).results


def compare(
    sqlite: dict[str, Result], postgresql: dict[str, Result], tier: str = "unit"
) -> dict[str, list[str]]:
    """Return the tests to be listed, as text, by the heading they come under."""
    one, other = COMPARED[tier]
    width = max(map(len, (one, other, "declared")))
    found: dict[str, list[str]] = {
        "differs": [],
        "no longer differs": [],
        "fails on both": [],
        "differs as declared": [],
    }
    for nodeid in sorted(sqlite.keys() | postgresql.keys()):
        ours, theirs = sqlite.get(nodeid, Result()), postgresql.get(nodeid, Result())
        reason = ours.differs or theirs.differs
        lines = f"{nodeid}\n    {one:{width}}  {ours}\n    {other:{width}}  {theirs}"
        if ours.outcome != theirs.outcome:
            heading = "differs as declared" if reason else "differs"
            found[heading].append(lines + (f"\n    {'declared':{width}}  {reason}" if reason else ""))
        elif ours.outcome == "failed":
            found["fails on both"].append(lines)
        elif reason:
            found["no longer differs"].append(f"{nodeid}\n    {'declared':{width}}  {reason}")
    return found


def main(arguments: list[str]) -> int:
    """Run, compare and report; return the exit code."""
    _, arguments = split(parser_of("parity", __doc__, passes_on=True), arguments)
    settings = suite()
    if not COMPARED.keys() & settings.folders.keys():
        raise CommandError(
            "There is no unit tier to compare: name its folders in [tool.tiers] of pyproject.toml, "
            "folders = { unit = ['tests/unit'] }."
        )
    need("sqlalchemy", "sqlalchemy")
    need("postgresql", "psycopg")
    asked = [tier for tier in COMPARED if tier in settings.folders and _concerns(arguments, settings, tier)]
    remedies = [said for tier in asked if (said := _compared(settings, tier, arguments))]
    if remedies:
        raise CommandError("\n\n".join(remedies), status=1)
    return 0


def _concerns(arguments: list[str], settings: Settings, tier: str) -> bool:
    """Tell whether paths among the arguments, if there are any, lie in a tier."""
    places = [settings.relative(folder) for folder in settings.folders[tier]]
    paths = [argument for argument in arguments if (settings.root / argument.partition("::")[0]).exists()]
    return not paths or any(
        path.startswith((*places,)) or place.startswith(path) for path in paths for place in places
    )


def _compared(settings: Settings, tier: str, arguments: list[str]) -> str | None:
    """Run a tier both ways and report; return what is to be done, None if nothing is."""
    arguments = with_tests(settings, arguments, settings.folders[tier])
    ended = {database: run_on(tier, database, arguments) for database in COMPARED[tier]}
    first, second = ended.values()
    found = compare(first, second, tier)
    for heading, tests in found.items():
        if tests:
            print(f"\n{heading} ({len(tests)}):", *tests, sep="\n  ")
    declared = len(found.pop("differs as declared"))
    print(f"\n{len(first)} tests compared, {len(found['differs'])} differ, {declared} differ as declared.")
    if not any(found.values()):
        return None
    option = next(reversed(COMPARED[tier].values()))[0]
    return (
        f"See one with `pytest {' '.join(LOAD)} {option} TEST`. Then mend the code, {NEXT[tier]}, or declare the difference:\n"
        '@pytest.mark.differs(reason="…"); take the declaration away where nothing differs any more.'
    )
