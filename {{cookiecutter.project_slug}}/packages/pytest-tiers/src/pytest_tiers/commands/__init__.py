"""The commands: `tiers NAME`, or `python -m pytest_tiers NAME`, in the folder of pyproject.toml.

Each runs pytest in processes of its own, or reads what runs have left. `tiers --help` lists them. They need no nox.
"""

import sys
from collections.abc import Sequence

COMMANDS = {
    "plan": "divide the tests among machines by measured time; writes plan.json",
    "report": "check and merge what all shards of a run left, and sum it up",
    "changed": "run the tests that the working tree's change can affect",
    "parity": "run the unit tier on PostgreSQL as well; list what ends otherwise",
    "isolation": "run the tests in several orders; name those that depend on others",
    "slowest": "list the slowest tests and fixtures, and what the imports take",
    "dashboard": "build the test performance page from records of runs, and open it",
    "flaky": "run the tests that failed in the last run again, on their own",
    "serve": "run a command with PostgreSQL and Redis, where none is configured",
    "doctor": "say what was found, what is missing, and what to do about it",
    "clean": "remove measured times, and the embedded server with its databases",
}
"""Each command, which is a module here, and what it does."""
INTERRUPTED = 130
CLOSED_OUTPUT = 141
"""What a shell says of a program that wrote to a pipe nobody reads any more."""
EXIT_CODES = """\
exit codes:
  0    all is well
  1    tests failed, or something was found
  2    wrong use, or a configuration that can't be
  130  interrupted
  Where a run of pytest didn't reach its end, the exit code is pytest's. That of serve is its command's."""


def describe() -> str:
    """Return what `tiers --help` says."""
    lines = [f"  {name:10} {meaning}" for name, meaning in COMMANDS.items()]
    usage = "usage: tiers COMMAND [ARGUMENTS]    or: tiers COMMAND --help"
    return "\n".join([usage, "", "commands:", *lines, "", EXIT_CODES])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, by default that of the command line, and return its exit code."""
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments), ""]
    try:
        status = _run(name, rest[:-1])
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return CLOSED_OUTPUT
    except KeyboardInterrupt:
        print(f"\ntiers {name} was interrupted.", file=sys.stderr)
        return INTERRUPTED
    return status


def _run(name: str, arguments: list[str]) -> int:
    if name in ("-h", "--help"):
        print(describe())
        return 0
    if name == "--version":
        from importlib.metadata import version

        print(f"pytest-tiers {version('pytest-tiers')}")
        return 0
    if name not in COMMANDS:
        wrong = f"tiers: there is no command {name!r}.\n" if name else ""
        print(f"{wrong}{describe()}", file=sys.stderr)
        return 2
    from importlib import import_module

    from pytest_tiers.commands.running import CommandError
    from pytest_tiers.config import ConfigError

    try:
        status: int = import_module(f"pytest_tiers.commands.{name}").main(arguments)
    except SystemExit as end:  # argparse's
        return end.code if isinstance(end.code, int) else 0
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.status
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return status


def _drop_output() -> None:
    # Else Python would try to write what is left when it ends, and complain.
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
