"""Every way to check this template; `nox -s fast -- -k hook` passes arguments on to pytest."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nox
import nox.virtualenv

nox.needs_version = ">=2026.10"
# uv keeps one environment for all sessions, so that the second one installs nothing.
nox.options.default_venv_backend = "none"
nox.options.sessions = ["fast"]

ROOT = Path(__file__).resolve().parent
REPORTS = Path(".cache", "tests")


def run(session: nox.Session, *command: str, uv_options: Sequence[str] = ()) -> None:
    """Run a command in the template's environment, which uv makes or updates if need be."""
    if not nox.virtualenv.HAS_UV:
        session.error(
            'uv is missing: run `pip install "nox[uv]"`, or `python3 bootstrap.py` instead of `nox -s`'
        )
    env = {
        "PYTHONDONTWRITEBYTECODE": None,  # it would have every run compile everything anew
        "VIRTUAL_ENV": None,  # somebody else's, where one is active
        "UV_PYTHON": os.environ.get("UV_PYTHON"),  # nox drops it
    }
    session.run(nox.virtualenv.UV, "run", *uv_options, *command, external=True, env=env)


@nox.session
def fast(session: nox.Session) -> None:
    """Rendering, hooks and static checks: seconds."""
    run(session, "pytest", "--numprocesses=auto", "-m", "fast", "--maxfail=3", *session.posargs)


@nox.session(default=False)
def ci(session: nox.Session) -> None:
    """Every test, as CI runs them: renders services and runs their sessions; then lint and types."""
    session.notify("lint", [])
    session.notify("types", [])
    run(
        session,
        "pytest",
        "--numprocesses=auto",
        "-ra",
        f"--junitxml={REPORTS / 'junit.xml'}",
        *session.posargs,
    )


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Render the service "Helpdesk" into a new temporary folder and run its fast profile."""
    # Not within this repository: the service begins a repository of its own.
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    cookiecutter = ["cookiecutter", "--no-input", "--output-dir", str(folder), str(ROOT)]
    run(session, *cookiecutter, uv_options=["--only-group=render"])
    with session.chdir(folder / "helpdesk"):
        run(session, "nox", "-s", "fast", "--", *session.posargs, uv_options=["--locked"])
    session.log(f"The service is in {folder / 'helpdesk'}: go there, and try `nox -l`.")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure on this machine: `nox -s bench -- database`, with --quick for a trial."""
    benchmarks = sorted(path.stem for path in Path("benchmarks").glob("*.py"))
    name, *options = session.posargs or [""]
    if name not in benchmarks:
        session.error(f"which benchmark? `nox -s bench -- NAME`, with NAME one of: {', '.join(benchmarks)}")
    run(session, "python", f"benchmarks/{name}.py", *options)


@nox.session(default=False)
def lint(session: nox.Session) -> None:
    """Ruff, rules and format; `nox -s lint -- --fix` mends what it can."""
    run(session, "ruff", "check", *session.posargs)
    run(session, "ruff", "format", *([] if "--fix" in session.posargs else ["--check"]))


@nox.session(default=False)
def types(session: nox.Session) -> None:
    """Mypy, strict, over hooks, tests and tools."""
    run(session, "mypy", *session.posargs)


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Remove what the sessions left here: environments, caches and reports."""
    for folder in (".cache", ".venv"):
        shutil.rmtree(folder, ignore_errors=True)
