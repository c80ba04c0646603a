# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What importing the service takes, by package: `nox -s slowest` shows it."""

import re
import subprocess
import sys
from collections import Counter

MODULE = "{{ cookiecutter.package_name }}.app"
LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)")


def self_times(report: str) -> Counter[str]:
    """Return the microseconds that each top-level package took itself, from the output of `python -X importtime`."""
    times: Counter[str] = Counter()
    for microseconds, module in LINE.findall(report):
        times[module.partition(".")[0]] += int(microseconds)
    return times


def main() -> None:
    """Import the service in a new process, twice, and print the second: the first compiles what isn't yet."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {MODULE}"]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    times = self_times(done.stderr)
    print(f"\nimport {MODULE}: {times.total() / 1000:.0f} ms")
    for package, microseconds in times.most_common(15):
        print(f"{microseconds / 1000:9.1f} ms  {package}")


if __name__ == "__main__":
    main()
