"""Rendered services seen from outside: their commands run as if no test ran around them, also as another user."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import pytest
from rendering import ROOT, settings_file
from uv import find_uv_bin

# What the tests' own run, the CI around it and other projects of the user put into the environment.
DISTURBING = re.compile(
    r"""
    (?: PYTEST_ | COVERAGE | COV_ | NOX | PYTHON | VIRTUAL_ENV | CONDA_ | GITHUB_ | RUNNER_ | DOPPLER_ | OPENAI_ ).*
    | UV | UV_(?: PROJECT | RUN_ | LOCKED | FROZEN | NO_SYNC | WORKING ).*
    | CI | FORCE_COLOR | NO_COLOR | PY_COLORS | CLICOLOR.* | COLUMNS | LINES | LOG_LEVEL | HOST | PORT
    | (?: TEST_ )? (?: DATABASE | REDIS )_URL
    """,
    re.VERBOSE,
)
# The last line of a pytest run, with or without the ruler around it.
OUTCOMES = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s", re.MULTILINE)


def outside_environment(folder: Path) -> dict[str, str]:
    """Return this environment without what would reach into an inner run; what it needs instead is put into `folder`.

    Where packages come from (uv's and pip's settings, proxies) stays, and so does the home folder with uv's cache.
    """
    environment = {name: value for name, value in os.environ.items() if not DISTURBING.fullmatch(name)}
    folder.mkdir(parents=True, exist_ok=True)
    # uv alone: in the folder where it is now there are a pytest, a ruff and a nox as well, and a service brings its own.
    (folder / "uv").symlink_to(find_uv_bin())
    ours = (Path(sys.prefix), *(ROOT / ".cache").glob("bootstrap-*"))
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = [entry for entry in path if not any(Path(entry).is_relative_to(our) for our in ours)]
    environment["PATH"] = os.pathsep.join([str(folder), *others])
    # The Python that runs the tests: where CI tries several, this is how the inner runs get them.
    environment["UV_PYTHON"] = getattr(sys, "_base_executable", sys.executable)
    environment["COOKIECUTTER_CONFIG"] = str(settings_file(folder))
    return environment


@dataclass(frozen=True)
class Done:
    """What came of a command: its exit status, and what it printed."""

    command: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Everything that was printed, standard output first."""
        return self.stdout + self.stderr

    @property
    def counts(self) -> list[dict[str, int]]:
        """What each pytest run in it says at its end, in their order: `[{"passed": 12, "skipped": 1}]`."""
        return [
            {word: int(number) for number, word in (part.split() for part in line.split(", "))}
            for line in OUTCOMES.findall(self.stdout)
        ]

    def __str__(self) -> str:
        return (
            f"{' '.join(self.command)}\nexit status {self.status}\n"
            f"--- standard output\n{self.stdout}\n--- standard error\n{self.stderr}"
        )


@dataclass(frozen=True)
class Account:
    """A user to run commands as: the one who runs the tests, unless there is a `uid` to take or a way to `become` one.

    `folder` can be read and written by that user; `environment` is what differs from that of the tests' user.
    """

    folder: Path
    uid: int | None = None
    become: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def give(self, folder: Path) -> None:
        """Make `folder` and all in it this user's."""
        if self.uid is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def start(
        self, command: tuple[str, ...], folder: Path, environment: dict[str, str]
    ) -> subprocess.Popen[str]:
        """Start `command` in `folder` as this user, with nothing but `environment`."""
        if self.become:  # sudo drops the environment
            command = (*self.become, "env", "-i", *(f"{k}={v}" for k, v in environment.items()), *command)
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
        )

    def send(self, number: signal.Signals, process: subprocess.Popen[str]) -> None:
        """Send a signal to `process`, which this user started, and to all that it started."""
        if self.become:
            subprocess.run([*self.become, "kill", f"-{number.value}", "--", f"-{process.pid}"], check=False)
        else:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)


@dataclass(frozen=True)
class Service:
    """A rendered service: where it lies, who runs its commands, and in which environment."""

    folder: Path
    environment: dict[str, str] = field(repr=False)
    account: Account

    def run(self, *command: str, status: int | None = 0, seconds: float = 600, **environment: str) -> Done:
        """Run `command` in the service's folder and return what came of it.

        Fails, and shows all that was printed, unless it ends with `status`, where None stands for any. `seconds` only
        guards against a command that never ends. `environment` is added to the clean one that commands get.
        """
        with self.started(*command, **environment) as process:
            try:
                stdout, stderr = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.account.send(signal.SIGKILL, process)
                done = Done(command, -signal.SIGKILL, *process.communicate())
                raise AssertionError(f"not done within {seconds} s\n{done}") from None
        done = Done(command, process.returncode, stdout, stderr)
        if status is not None and done.status != status:
            raise AssertionError(f"expected exit status {status}\n{done}")
        return done

    def nox(self, *arguments: str, status: int | None = 0, seconds: float = 600, **environment: str) -> Done:
        """Run the service's own nox, as its workflow does: `nox("-s", "unit", "committed", "--", "-k", "claim")`."""
        command = ("uv", "run", "--locked", "nox", *arguments)
        return self.run(*command, status=status, seconds=seconds, **environment)

    @contextmanager
    def started(self, *command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start `command` in the service's folder; what still runs at the end is interrupted, as Ctrl-C does it."""
        process = self.account.start(command, self.folder, self.environment | environment)
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    self.account.send(signal.SIGINT, process)
                    try:
                        process.communicate(timeout=30)
                    except subprocess.TimeoutExpired:
                        self.account.send(signal.SIGKILL, process)

    def clone(self, folder: Path, account: Account | None = None) -> "Service":
        """Copy the service to `folder`, which must not exist, without what git ignores; return the copy.

        It can be changed. For another `account`, `folder` must lie in that one's; if that is another user, the copy has a
        virtual environment of its own, which its first command installs.
        """
        ignored = shutil.ignore_patterns(".cache", ".venv", "__pycache__", ".pytest_cache")
        shutil.copytree(self.folder, folder, ignore=ignored)
        if account is None or not account.environment:
            return replace(self, folder=folder, account=account or self.account)
        account.give(folder)
        return Service(
            folder, self.environment | {"UV_PROJECT_ENVIRONMENT": ".venv"} | account.environment, account
        )


def render_from_outside(template: Path, folder: Path, environment: dict[str, str], **answers: str) -> Service:
    """Render a service into `folder` as a user does, hooks and all, with the default answers or others."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(folder), str(template)]
    me, before = Account(folder), set(folder.glob("*/noxfile.py"))
    Service(folder, environment, me).run(*command, *(f"{name}={value}" for name, value in answers.items()))
    (made,) = {*folder.glob("*/noxfile.py")} - before
    return Service(made.parent, environment, me)


@contextmanager
def home_of(account: Account) -> Iterator[Account]:
    """Give `account` with a home folder and a uv of its own in its `folder`, for as long as the context lasts."""
    home, programs, temporary = (account.folder / name for name in ("home", "bin", "tmp"))
    for made in (home, programs, temporary):
        made.mkdir()
    shutil.copy2(find_uv_bin(), programs / "uv")
    environment = {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(programs), os.defpath]),
        "TMPDIR": str(temporary),
        "UV_CACHE_DIR": str(home / ".cache" / "uv"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
    }
    account.give(account.folder)
    try:
        yield replace(account, environment=environment)
    finally:
        if account.become:
            subprocess.run(
                [*account.become, "chown", "-R", str(os.geteuid()), str(account.folder)], check=True
            )


def runnable_python(account: Account, environment: dict[str, str]) -> str:
    """Return a Python for services that `account` can run, the tests' own if it can; else raise LookupError."""
    names = [f"python3.{minor}" for minor in (14, 13, 12, 11)] + ["python3"]
    found = [shutil.which(name, path=path) for path in (None, os.defpath) for name in names]
    test = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (environment["UV_PYTHON"], *filter(None, found)):
        with suppress(PermissionError):
            if Service(account.folder, environment, account).run(python, "-c", test, status=None).status == 0:
                return python
    raise LookupError("every Python 3.11 or newer here lies where only root can run it; install one in /usr")


@contextmanager
def ordinary_user(environment: dict[str, str]) -> Iterator[Account]:
    """Give an account without root's rights: the tests' own if it has none, else `nobody` with a home folder.

    Raises LookupError where there is no Python that it can run, as when root's lies in root's home folder.
    """
    # Not in pytest's temporary folder, which is closed to other users.
    with tempfile.TemporaryDirectory(prefix="service-") as name:
        if os.geteuid() != 0:
            yield Account(Path(name))
            return
        with home_of(Account(Path(name), uid=pwd.getpwnam("nobody").pw_uid)) as account:
            python = runnable_python(account, environment | account.environment)
            yield replace(account, environment=account.environment | {"UV_PYTHON": python})


@contextmanager
def superuser() -> Iterator[Account]:
    """Give an account with root's rights: the tests' own if it has them, else root by way of sudo.

    Raises LookupError where sudo is missing or asks for a password.
    """
    with tempfile.TemporaryDirectory(prefix="service-") as name:
        if os.geteuid() == 0:
            yield Account(Path(name))
            return
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True).returncode:
            raise LookupError(
                "the tests run as an ordinary user who can't become root; run them as root, or allow sudo"
            )
        with home_of(Account(Path(name), become=(sudo, "-n"))) as account:
            yield account


def unavailable(reason: LookupError) -> NoReturn:
    """Skip the test for `reason`; fail it under CI, where nothing may be left out unseen."""
    if os.environ.get("CI"):
        pytest.fail(str(reason))
    pytest.skip(str(reason))
