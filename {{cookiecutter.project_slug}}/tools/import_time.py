# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What importing the service takes, by package and by its own modules: `nox -s slowest` shows it."""

import re
import subprocess
import sys
from collections import Counter

PACKAGE = "{{ cookiecutter.package_name }}"
MODULE = f"{PACKAGE}.app"
LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)")


def self_times(report: str) -> Counter[str]:
    """Return the microseconds that each module took itself, from the output of `python -X importtime`."""
    return Counter({module: int(microseconds) for microseconds, module in LINE.findall(report)})


def main() -> None:
    """Import the service in a new process, twice, and print the second: the first compiles what isn't yet."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {MODULE}"]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    modules = self_times(done.stderr)
    packages: Counter[str] = Counter()
    for module, microseconds in modules.items():
        packages[module.partition(".")[0]] += microseconds
    own = Counter({module: modules[module] for module in modules if module.startswith(f"{PACKAGE}.")})
    print(f"\nimport {MODULE}: {modules.total() / 1000:.0f} ms, without what others import, by package:")
    _show(packages)
    print("\nand of these, by module of the service:")
    _show(own)


def _show(times: Counter[str]) -> None:
    for name, microseconds in times.most_common(15):
        print(f"{microseconds / 1000:9.1f} ms  {name}")


if __name__ == "__main__":
    main()
