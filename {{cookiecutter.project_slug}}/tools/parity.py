# Kept by the template: an update replaces this file.
"""The unit tier on SQLite and on PostgreSQL, outcome by outcome: `nox -s parity` runs this.

A difference that is known is declared at its test: `@pytest.mark.differs(reason="…")`. It fails once it is gone.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tools import records
from tools.records import Result

LOAD = ("-p", "tests.plugins.parity")
DATABASES = {"SQLite": (), "PostgreSQL": ("--on-postgresql",)}


def run(database: str, arguments: list[str]) -> dict[str, Result]:
    """Run the unit tier on a database and return its results by node id. Exits if the run doesn't reach its end."""
    print(f"tests/unit on {database}:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        options = [
            *LOAD,
            *DATABASES[database],
            "--tb=no",
            "-q",
            "--no-header",
            f"--record={log}",
        ]
        command = [sys.executable, "-m", "pytest", *options, "--no-summary", *arguments]
        status = subprocess.run(command, check=False).returncode  # noqa: S603 - pytest itself
        if status not in records.REACHED_THE_END:
            sys.exit(
                f"\nNothing was compared: pytest ended with status {status} on {database}. Mend that first."
            )
        return records.read(log).results


def compare(sqlite: dict[str, Result], postgresql: dict[str, Result]) -> dict[str, list[str]]:
    """Return the tests to be listed, as text, by the heading they come under."""
    found: dict[str, list[str]] = {
        "differs": [],
        "no longer differs": [],
        "fails on both": [],
        "differs as declared": [],
    }
    for nodeid in sorted(sqlite.keys() | postgresql.keys()):
        ours, theirs = sqlite.get(nodeid, Result()), postgresql.get(nodeid, Result())
        reason = ours.differs or theirs.differs
        lines = f"{nodeid}\n    SQLite      {ours}\n    PostgreSQL  {theirs}"
        if ours.outcome != theirs.outcome:
            heading = "differs as declared" if reason else "differs"
            found[heading].append(lines + (f"\n    declared    {reason}" if reason else ""))
        elif ours.outcome == "failed":
            found["fails on both"].append(lines)
        elif reason:
            found["no longer differs"].append(f"{nodeid}\n    declared    {reason}")
    return found


def main(arguments: list[str]) -> str | None:
    """Run, compare and report; return what is to be done, None if nothing is."""
    records = {database: run(database, arguments) for database in DATABASES}
    found = compare(*records.values())
    for heading, tests in found.items():
        if tests:
            print(f"\n{heading} ({len(tests)}):", *tests, sep="\n  ")
    count = len(records["SQLite"])
    declared = len(found.pop("differs as declared"))
    print(f"\n{count} tests compared, {len(found['differs'])} differ, {declared} differ as declared.")
    if not any(found.values()):
        return None
    see = f"pytest {' '.join(LOAD)} {DATABASES['PostgreSQL'][0]} TEST"
    return (
        f"See one with `{see}`. Then mend the service, move the test to tests/integration, or declare the difference:\n"
        '@pytest.mark.differs(reason="…"); take the declaration away where nothing differs any more.'
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
