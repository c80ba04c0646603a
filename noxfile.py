"""Every way to check this template; `nox -s fast -- -k hook` passes arguments on to pytest."""

import os
import shutil
import sys
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
EXTRAS = "postgresql,sqlalchemy,redis,openai,time,changed,isolation,dashboard"
OLDEST_NEEDS = ("pytest-xdist", "pytest-cov", "pytest-timeout", "structlog", "asyncpg", "coverage", "uv")
PACKAGE = Path("packages", "pytest-tiers")  # a link to where it lies in the template


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
    """The package, rendering and hooks, without what runs a rendered service: a minute."""
    run(session, "pytest", "--numprocesses=auto", "-m", "not slow", "--maxfail=3", *session.posargs)


@nox.session(default=False)
def ci(session: nox.Session) -> None:
    """Every test, as CI runs them: the package, then services that are rendered and run; then lint and types."""
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
def coverage(session: nox.Session) -> None:
    """What the package's tests cover of it: 90 % at least. Begun outside of pytest, which imports the package itself."""
    run(session, "coverage", "erase")
    run(
        session,
        "coverage",
        "run",
        "-m",
        "pytest",
        "--numprocesses=auto",
        *(session.posargs or ["tests/tiers"]),
    )
    run(session, "coverage", "combine", "--quiet")
    run(session, "coverage", "report")


@nox.session(default=False)
def oldest(session: nox.Session) -> None:
    """The package's tests with the oldest pytest and SQLAlchemy that it works with, on the newest Python there is."""
    pins = ["pytest==8.4.*", "sqlalchemy==2.0.*", *OLDEST_NEEDS]
    options = [
        "--isolated",
        "--no-project",
        f"--python={newest_python()}",
        *(f"--with={pin}" for pin in pins),
    ]
    options.append(f"--with-editable={PACKAGE}[{EXTRAS}]")
    pytest = [
        "pytest",
        "-c",
        "tests/tiers/oldest.ini",
        "--rootdir=tests/tiers",
        "--numprocesses=auto",
        "-m",
        "not slow",
    ]
    run(session, "python", "-m", *pytest, *(session.posargs or ["tests/tiers"]), uv_options=options)


def newest_python() -> str:
    """Return the newest Python of this machine that is one of those the package is made for."""
    for minor in (14, 13, 12, 11):
        found = shutil.which(f"python3.{minor}") or next(
            Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"), None
        )
        if found:
            return str(found)
    return sys.executable


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Render the service "Helpdesk" into a new temporary folder and run its fast profile."""
    # Not within this repository: the service begins a repository of its own.
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    cookiecutter = ["cookiecutter", "--no-input", "--output-dir", str(folder), str(ROOT)]
    run(session, *cookiecutter, uv_options=["--only-group=render"])
    with session.chdir(folder / "helpdesk"):
        run(session, "nox", "-s", "fast", "--", *session.posargs, uv_options=["--locked"])
    # That of bootstrap.py is on PATH for this session only.
    found = shutil.which("nox")
    command = "nox" if found and not Path(found).is_relative_to(ROOT) else f"{sys.executable} -m nox"
    session.log(f"The service is in {folder / 'helpdesk'}: go there, and try `{command} -l`.")


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
    places = [".", str(PACKAGE)]
    run(session, "ruff", "check", *session.posargs, *places)
    run(session, "ruff", "format", *([] if "--fix" in session.posargs else ["--check"]), *places)


@nox.session(default=False)
def types(session: nox.Session) -> None:
    """Mypy, strict, over the package, hooks and tests."""
    run(session, "mypy", *session.posargs)
    run(
        session, "mypy", f"--config-file={PACKAGE / 'pyproject.toml'}", str(PACKAGE / "src"), *session.posargs
    )


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build pytest-tiers into dist/, wheel and sdist, and check their metadata."""
    shutil.rmtree("dist", ignore_errors=True)
    # Through the link: below the folder with braces, uv would take the template's pyproject.toml for a workspace.
    session.run(
        nox.virtualenv.UV, "build", "--out-dir", "dist", *session.posargs, str(PACKAGE), external=True
    )
    run(session, "twine", "check", "--strict", *sorted(map(str, Path("dist").glob("pytest_tiers-*"))))


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Remove what the sessions left here: environments, caches and reports."""
    for folder in (".cache", ".venv", "dist"):
        shutil.rmtree(folder, ignore_errors=True)
