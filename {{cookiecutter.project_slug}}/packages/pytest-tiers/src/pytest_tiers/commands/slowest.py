"""The 50 slowest tests and fixtures, files by how long they take to collect, and what importing the packages takes.

The import times are those of a new process, without what others import: by package, and by the project's own modules.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter

from pytest_tiers.commands.dashboard.terminal import draw_last_run
from pytest_tiers.commands.running import (
    CommandError,
    parser_of,
    pytest_command,
    run,
    split,
    suite,
)
from pytest_tiers.config import Settings
from pytest_tiers.timing.records import REACHED_THE_END

LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)")
LISTED = 15


def self_times(report: str) -> Counter[str]:
    """Return the microseconds that each module took itself, from the output of `python -X importtime`."""
    return Counter({module: int(microseconds) for microseconds, module in LINE.findall(report)})


def import_times(settings: Settings, modules: list[str]) -> Counter[str]:
    """Return what importing modules takes in a new process. Raises CommandError where they can't be imported."""
    # Two folders up for `shop.web`: packages needn't be installed to be imported.
    bases = {path.parents[name.count(".")] for name, path in settings.packages.items()}
    found = os.pathsep.join([*map(str, sorted(bases)), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-X", "importtime", "-c", f"import {', '.join(modules)}"]
    for _ in range(2):  # the first compiles what isn't yet
        done = subprocess.run(  # noqa: S603
            command, env=os.environ | {"PYTHONPATH": found}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise CommandError(
                f"\n{', '.join(modules)} can't be imported: {why}\nName what can: --import MODULE", 1
            )
    return self_times(done.stderr)


def main(arguments: list[str]) -> int:
    """Run the tests, import the packages, and list what took longest; return the exit code."""
    parser = parser_of("slowest", __doc__, passes_on=True)
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        metavar="MODULE",
        help="what to import, such as shop.app; may be given several times (default: the packages of the project)",
    )
    options, arguments = split(parser, arguments)
    settings = suite()
    status = run(pytest_command("-q", "--tiers-slowest=50", *arguments))
    if status not in REACHED_THE_END:
        return status
    if drawn := draw_last_run(settings, shutil.get_terminal_size().columns):
        print(f"\n{drawn}")
    imported = options.modules or list(settings.packages)
    if not imported:
        print(
            "\nNo packages were found, so none is imported: name one with --import, or in [tool.tiers] packages."
        )
        return status
    modules = import_times(settings, imported)
    packages: Counter[str] = Counter()
    for module, microseconds in modules.items():
        packages[module.partition(".")[0]] += microseconds
    own = Counter({module: modules[module] for module in modules if settings.of_packages.match(module)})
    print(
        f"\nimport {', '.join(imported)}: {modules.total() / 1000:.0f} ms, without what others import, by package:"
    )
    _show(packages)
    print("\nand of these, by module of the project:")
    _show(own)
    return status


def _show(times: Counter[str]) -> None:
    for name, microseconds in times.most_common(LISTED):
        print(f"{microseconds / 1000:9.1f} ms  {name}")
