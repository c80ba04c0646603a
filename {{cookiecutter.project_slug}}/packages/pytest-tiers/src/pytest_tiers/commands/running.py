"""What the commands share: the suite they work on, their arguments, and runs of pytest in processes of their own."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from pytest_tiers.config import Settings, read

TAKES_PATH = (
    "-c",
    "-k",
    "-m",
    "--basetemp",
    "--confcutdir",
    "--deselect",
    "--ignore",
    "--junitxml",
    "--rootdir",
)
"""What may stand behind these options looks like tests to run, and is none."""
PATIENCE = 10
"""Seconds that an interrupted run of pytest has to say how far it got, and to let go of its server."""


class CommandError(Exception):
    """A command can't do what it is for; the message says why, and what to do."""

    def __init__(self, message: str, status: int = 2) -> None:
        """Take the message, and the exit code of the command."""
        super().__init__(message)
        self.status = status


def suite() -> Settings:
    """Return the settings of the suite in this folder. Raises CommandError, ConfigError."""
    root = Path.cwd()
    if not (root / "pyproject.toml").is_file():
        raise CommandError(f"There is no pyproject.toml in {root}: run this in the folder that it lies in.")
    return read(root)


def parser_of(name: str, text: str | None, *, passes_on: bool = False) -> argparse.ArgumentParser:
    """Return the parser of a command: `text` is what its --help says. With `passes_on`, `split` takes the arguments apart."""
    return argparse.ArgumentParser(
        f"tiers {name}",
        description=text,
        epilog="All other arguments go to pytest; so does all that stands behind --." if passes_on else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def split(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options of a command, and the arguments that it passes on to pytest."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, others = parser.parse_known_args(arguments[:end])
    return options, [*others, *arguments[end + 1 :]]


def with_tests(settings: Settings, arguments: Sequence[str], places: Sequence[Path]) -> list[str]:
    """Return pytest's arguments, and with them the folders to run, unless there are tests among the arguments."""
    given = any(
        (settings.root / argument.partition("::")[0]).exists()
        for before, argument in pairwise(["", *arguments])
        if not argument.startswith("-") and before not in TAKES_PATH
    )
    return [*arguments, *([] if given else map(settings.relative, places))]


def pytest_command(*arguments: str, workers: int | str | None = None) -> list[str]:
    """Return the command that runs pytest with this package; with `workers`, where xdist is installed, in so many of them."""
    # Where the suite loads it anyway, -p changes nothing: it isn't loaded twice under one name.
    command = [sys.executable, "-m", "pytest", "-p", "tiers", "-p", "pytest_tiers.commands.loading"]
    divided = [f"--numprocesses={workers}"] if workers is not None and find_spec("xdist") else []
    return [*command, *divided, *arguments]


def run(command: Sequence[str], *, quiet: bool = False) -> int:
    """Run a command to its end and return its exit code: 128 and the signal's number, where one ended it."""
    sys.stdout.flush()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL if quiet else None)  # noqa: S603 - pytest itself
    try:
        status = process.wait()
    except KeyboardInterrupt:
        # It was interrupted as well; to end it right away would lose what it measured.
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(PATIENCE)
        process.terminate()
        process.wait()
        raise
    return status if status >= 0 else 128 - status


def need(extra: str, module: str) -> None:
    """Make sure that a module can be imported which an extra of pytest-tiers brings. Raises CommandError."""
    if find_spec(module) is None:
        raise CommandError(f"{module} can't be imported: install pytest-tiers[{extra}]")


def environment_with(options: Sequence[str]) -> dict[str, str]:
    """Return this environment with options that pytest takes before those of its command line."""
    import shlex

    given = os.environ.get("PYTEST_ADDOPTS", "")
    return os.environ | {"PYTEST_ADDOPTS": f"{given} {shlex.join(options)}".strip()}
