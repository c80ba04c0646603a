"""What the tests of the commands share: a command run in a suite, in this process or in one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pipes import Pipe, made

import pytest
from pytest_tiers.commands import main


@dataclass(frozen=True)
class Done:
    """What came of a command: its exit code, and what it and its children printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def tiers(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Runs `tiers NAME …` in the suite's folder, in this process: `tiers("plan", "--shards", 2, status=0)`."""
    for name in (
        "COVERAGE_CORE",
        "TESTMON_DATAFILE",
        "GITHUB_OUTPUT",
        "GITHUB_STEP_SUMMARY",
        "PYTEST_ADDOPTS",
        "COLUMNS",
    ):
        monkeypatch.setenv(name, "")  # what a command sets is put back with it
        monkeypatch.delenv(name)

    def run(*arguments: object, status: int | None = 0) -> Done:
        monkeypatch.chdir(pytester.path)
        capfd.readouterr()
        done = Done(main([*map(str, arguments)]), *capfd.readouterr())
        assert status is None or done.status == status, done
        return done

    return run


@pytest.fixture
def start(pytester: pytest.Pytester) -> Callable[..., AbstractContextManager["subprocess.Popen[str]"]]:
    """Starts `tiers NAME …` in the suite's folder, in a process of its own, which is killed at the end."""

    @contextmanager
    def start(*arguments: object, **environment: str) -> Iterator["subprocess.Popen[str]"]:
        command = [sys.executable, "-m", "pytest_tiers", *map(str, arguments)]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=pytester.path, stdout=pipe, stderr=pipe, text=True, env=os.environ | environment
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start


@pytest.fixture
def pipe(pytester: pytest.Pytester) -> Iterator[Pipe]:
    """A pipe to a process of the test, in the suite's folder."""
    with made(pytester.path / "pipe") as pipe:
        yield pipe
