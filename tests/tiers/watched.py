"""Suites of many small tests, each of which does what a guard refuses, or what it mustn't mind; run at once, compared by name."""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LISTENER = """
import json
import os


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Listener())


class Listener:
    def pytest_collectreport(self, report):
        if report.failed:
            self.note(report.nodeid, report)

    def pytest_runtest_logreport(self, report):
        self.note(report.nodeid, report)

    def note(self, nodeid, report):
        sections = [f"{name}: {content}" for name, content in report.sections if "Captured" not in name]
        line = {
            "nodeid": nodeid,
            "outcome": "xfailed" if report.skipped and hasattr(report, "wasxfail") else report.outcome,
            "said": "\\n".join([report.longreprtext, *sections]) if report.failed else "",
        }
        with open(os.environ["OUTCOMES"], "a") as file:
            file.write(json.dumps(line) + "\\n")
"""


@dataclass(frozen=True)
class Case:
    """A test: what it does in words, its body, the fixtures it takes, and what a guard says of it; nothing if it may do that."""

    does: str
    body: str
    says: str = ""
    takes: str = ""
    marks: str = ""
    """Decorators, a line each."""

    @property
    def name(self) -> str:
        """The name of its function."""
        return "test_" + re.sub(r"\W+", "_", self.does).strip("_")

    @property
    def source(self) -> str:
        """The test as it stands in the suite."""
        body = textwrap.indent(textwrap.dedent(self.body).strip(), "    ")
        return f"{textwrap.dedent(self.marks)}def {self.name}({self.takes}):\n{body}\n"


@dataclass
class Done:
    """What a run of a suite did."""

    status: int
    output: str
    outcomes: dict[str, set[str]] = field(default_factory=dict)
    """By node id, of all of its reports."""
    said: dict[str, str] = field(default_factory=dict)
    """By node id, of those that failed."""

    def of(self, name: str) -> str:
        """Return what was said of the test of a name, in one line; nothing if it passed. There has to be one, and only one."""
        (nodeid,) = (nodeid for nodeid in self.outcomes if nodeid.rpartition("::")[2] == name)
        return " ".join(re.sub(r"^[E>] +", "", self.said.get(nodeid, ""), flags=re.MULTILINE).split())

    @property
    def failed(self) -> set[str]:
        """The names of what failed."""
        return {nodeid.rpartition("::")[2] for nodeid in self.said}


def written(folder: Path, files: dict[str, str]) -> None:
    """Write files, in folders as they say."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def file_of(head: str, cases: Iterable[Case]) -> str:
    """Return a file of tests."""
    return "\n\n".join([textwrap.dedent(head), *(case.source for case in cases)])


def run(
    folder: Path,
    files: dict[str, str],
    *arguments: str,
    tiers: str = "",
    loads: Sequence[str] = (),
    environment: dict[str, str] | None = None,
) -> Done:
    """Write a suite and run it in a process of its own, with `[tool.tiers]` and further plugins as they are given."""
    plugins = " ".join(f"-p {name}" for name in ("tiers", "xdist.plugin", "listener", *loads))
    pyproject = f"""
[project]
name = "shop"
version = "1"

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
addopts = "--disable-plugin-autoload {plugins} --dist=worksteal"

[tool.tiers]
{tiers}
"""
    written(folder, {"pyproject.toml": pyproject, "plugins/listener.py": LISTENER, **files})
    outcomes = folder / ".outcomes"
    outcomes.unlink(missing_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "PYTHONDONTWRITE")) and name not in ("CI", "BUILD_NUMBER")
    }
    before = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=folder,
        env={
            **kept,
            **(environment or {}),
            "OUTCOMES": str(outcomes),
            "PYTHONPATH": os.pathsep.join([str(folder / "plugins"), *before]),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = Done(done.returncode, done.stdout + done.stderr)
    for line in outcomes.read_text().splitlines() if outcomes.exists() else ():
        report = json.loads(line)
        found.outcomes.setdefault(report["nodeid"], set()).add(report["outcome"])
        if report["outcome"] == "failed":
            found.said[report["nodeid"]] = f"{found.said.get(report['nodeid'], '')}\n{report['said']}"
    return found
