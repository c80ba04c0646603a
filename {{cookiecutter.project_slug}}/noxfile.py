"""Every way to run this service's tests: `nox -l` lists them, `nox -s fast -- -k ticket` passes arguments on to pytest."""

import os
import shutil
from itertools import pairwise
from pathlib import Path

import nox
import nox.virtualenv
from nox.command import CommandFailed

nox.needs_version = ">=2026.10"
# uv keeps one environment for all sessions, so that the second one installs nothing.
nox.options.default_venv_backend = "none"
nox.options.sessions = ["fast"]

PACKAGE = "{{ cookiecutter.package_name }}"
REPORTS = Path(".cache", "tests")
# What `timeout` in pyproject.toml can't end, such as a request that never comes back, ends with its process, which is named.
LAST_RESORT = ("-o", "faulthandler_timeout=90", "-o", "faulthandler_exit_on_timeout=true")
TAKES_VALUE = ("-k", "-m", "--deselect", "--ignore")  # what follows these isn't what to run


def run(session: nox.Session, module: str, *arguments: str, success_codes: tuple[int, ...] = (0,)) -> None:
    """Run a module in the service's environment, which uv makes or updates if need be."""
    if not nox.virtualenv.HAS_UV:
        session.error('uv is missing: run `pip install "nox[uv]"`')
    env = {
        "PYTHONDONTWRITEBYTECODE": None,  # it would have every run compile everything anew
        "VIRTUAL_ENV": None,  # somebody else's, where one is active
        "UV_PYTHON": os.environ.get("UV_PYTHON"),  # nox drops it
    }
    if isinstance(session.python, str):  # `nox -P 3.13 -s fast` has an environment of its own
        folder = Path(".cache", f"python-{session.python}").resolve()
        env |= {"UV_PYTHON": session.python, "UV_PROJECT_ENVIRONMENT": str(folder)}
    # Not by the name of its program, which stops working when the folder is moved.
    command = [nox.virtualenv.UV, "run", "--locked", "python", "-m", module, *arguments]
    session.run(*command, external=True, env=env, success_codes=success_codes)


def tiers(session: nox.Session, command: str, *arguments: str) -> None:
    """Run a command of pytest-tiers; `tiers --help` has all of them."""
    run(session, "pytest_tiers", command, *arguments)


def with_tests(session: nox.Session, path: str) -> list[str]:
    """Return the session's arguments, and `path` unless there are tests among them."""
    tests = Path("tests").resolve()
    given = [
        argument
        for before, argument in pairwise(["", *session.posargs])
        if Path(argument.partition("::")[0]).resolve().is_relative_to(tests) and before not in TAKES_VALUE
    ]
    return [*session.posargs, *([] if given else [path])]


def pytest(session: nox.Session, *options: str, path: str = "tests", may_be_empty: bool = False) -> None:
    """Run pytest on `path`, unless the session was given tests of its own."""
    arguments = ["--numprocesses=auto", *LAST_RESORT, *options, *with_tests(session, path)]
    success = (0, 5) if may_be_empty else (0,)  # 5: no test was selected
    run(session, "pytest", *arguments, success_codes=success)


@nox.session
def fast(session: nox.Session) -> None:
    """Every test measured as fast, in whichever tier; stops at the third failure."""
    pytest(session, "-m", "fast", "--maxfail=3")


@nox.session
def unit(session: nox.Session) -> None:
    """The unit tier: SQLite in memory, no network."""
    pytest(session, path="tests/unit")


@nox.session
def integration(session: nox.Session) -> None:
    """The integration tier: PostgreSQL, rolled back after each test."""
    pytest(session, path="tests/integration")


@nox.session
def committed(session: nox.Session) -> None:
    """The committed tier: PostgreSQL, a database of its own for each test."""
    pytest(session, path="tests/committed")


@nox.session
def medium(session: nox.Session) -> None:
    """Every test measured as medium: 0.1 s to 1 s."""
    pytest(session, "-m", "medium", may_be_empty=True)


@nox.session
def slow(session: nox.Session) -> None:
    """Every test measured as slow: 1 s and more."""
    pytest(session, "-m", "slow", may_be_empty=True)


@nox.session
def full(session: nox.Session) -> None:
    """Every test."""
    pytest(session)


@nox.session
def ci(session: nox.Session) -> None:
    """Every test, as CI runs them: in random order, with coverage, which has a floor, budgets, JUnit XML; or one shard."""
    options = ["--ci", "--maxfail=20", "-p", "pytest_randomly", f"--junitxml={REPORTS / 'junit.xml'}", "-ra"]
    coverage = ["-p", "pytest_cov", "--cov", "--cov-report=term", "--cov-report=xml"]
    if any(argument.startswith("--shard") for argument in session.posargs):
        coverage.append("--cov-fail-under=0")  # the floor is for all shards together
    try:
        pytest(session, *options, *coverage)
    except CommandFailed:
        tiers(session, "flaky")
        raise


@nox.session
def plan(session: nox.Session) -> None:
    """Which CI machine runs which tests, by measured time: writes plan.json; `--shards 5` or `--target-seconds 120`."""
    tiers(session, "plan", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """What all shards did, together: each test ran once, coverage, budgets; merges their times. The end of CI."""
    tiers(session, "report", *session.posargs)


@nox.session
def changed(session: nox.Session) -> None:
    """The tests that the working tree's change can affect, by what each ran before; all, where that can't be told."""
    tiers(session, "changed", *session.posargs)


@nox.session
def parity(session: nox.Session) -> None:
    """The unit tier on PostgreSQL, the integration tier with real commits, unchanged: lists each test that ends otherwise."""
    tiers(session, "parity", "--numprocesses=auto", *session.posargs)


@nox.session
def isolation(session: nox.Session) -> None:
    """The tests in several random orders: names each that depends on another, and on which; `--orders`, `--seed`."""
    tiers(session, "isolation", *with_tests(session, "tests"))


@nox.session
def slowest(session: nox.Session) -> None:
    """The 50 slowest tests and fixtures, files by how long they take to collect, and what importing the service takes."""
    tiers(session, "slowest", f"--import={PACKAGE}.app", *session.posargs)


@nox.session
def dashboard(session: nox.Session) -> None:
    """The test performance page of the kept runs, built and opened; `--no-open`, `--output PATH`."""
    tiers(session, "dashboard", *session.posargs)


@nox.session
def serve(session: nox.Session) -> None:
    """The service itself, on an embedded database where none is configured."""
    tiers(session, "serve", "python", "-m", PACKAGE, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, rules and format; `nox -s lint -- --fix` mends what it can."""
    run(session, "ruff", "check", *session.posargs)
    run(session, "ruff", "format", *([] if "--fix" in session.posargs else ["--check"]))


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over service, tests and migrations."""
    run(session, "mypy", *session.posargs)


@nox.session
def migrations(session: nox.Session) -> None:
    """Models and migrations agree on PostgreSQL, and each migration can be taken back."""
    pytest(session, path="tests/integration/test_migrations.py")


@nox.session
def doctor(session: nox.Session) -> None:
    """What the sessions need and whether it is here; what pytest-tiers found of the service."""
    tiers(session, "doctor", *session.posargs)


@nox.session
def clean(session: nox.Session) -> None:
    """Remove what the sessions left: caches, measured times, the embedded server and its databases."""
    tiers(session, "clean")
    for caches in (".cache", ".pytest_cache"):
        shutil.rmtree(caches, ignore_errors=True)
