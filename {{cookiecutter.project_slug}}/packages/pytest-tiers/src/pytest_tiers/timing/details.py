"""What the dashboard shows of a run besides times: when each process and test began, statements, calls of time.sleep.

Each process that runs tests notes this and sends it to the one that controls the run, which puts it into the record. Costs some
10 µs per test, and 5 µs per statement: a statement's text is looked at only once.
"""

import os
import platform
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, SupportsIndex

import pytest

from pytest_tiers.timing.statements import Statements
from pytest_tiers.timing.stopwatch import stopwatch_of

_DETAILS = pytest.StashKey["Details"]()
BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")
COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA")
RUNS = ("GITHUB_RUN_ID", "CI_PIPELINE_ID")
"""Where GitHub and GitLab say what is tested, and in which run."""


def details_of(config: pytest.Config) -> "Details":
    """Return what takes down the details of this run."""
    if _DETAILS not in config.stash:
        config.stash[_DETAILS] = Details(config)
    return config.stash[_DETAILS]


class Sleep:
    """Stands for time.sleep, and adds up for how long the thread that runs the tests was asleep.

    An object and no function, which as an attribute of a class would be called with an instance.
    """

    __name__ = __qualname__ = "sleep"

    def __init__(self) -> None:
        """Stand beside the real one, until `start`."""
        self.seconds = 0.0
        self._sleep, self._now = time.sleep, time.perf_counter
        self._thread = 0
        self._running = False

    def start(self) -> None:
        """Take its place."""
        import threading

        self._running, self._thread, self._ident = True, threading.get_ident(), threading.get_ident
        self._sleep = time.sleep
        time.sleep = self

    def stop(self) -> None:
        """Give it its place back, unless somebody else has taken it since."""
        self._running = False
        if vars(time)["sleep"] is self:
            time.sleep = self._sleep

    def __call__(self, seconds: float | SupportsIndex, /) -> None:
        """Sleep."""
        __tracebackhide__ = True
        if not self._running or self._ident() != self._thread:
            return self._sleep(seconds)
        started = self._now()
        try:
            return self._sleep(seconds)
        finally:
            self.seconds += self._now() - started


class Details:
    """Takes them down where tests run, and collects them where the run is controlled."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run."""
        self._config = config
        self._now = time.perf_counter
        self._epoch = time.time() - time.perf_counter()
        """What makes a point in time of what `_now` says, also while a test has frozen the time."""
        began = time.time() - time.process_time()
        self._process = {
            "worker": "main",
            "began": began,
            "collecting": began,
            "collected": began,
            "ended": began,
        }
        self._sleep = Sleep()
        self._statements = Statements()
        self._started = 0.0
        self._processes: list[dict[str, Any]] = []
        self._shapes: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Begin."""
        stopwatch_of(self._config).details = self.of_test
        self._process["worker"] = os.environ.get("PYTEST_XDIST_WORKER", "main") if self._in_worker else "main"
        self._sleep.start()
        self._config.add_cleanup(self._sleep.stop)
        self._config.add_cleanup(self._statements.stop)

    @property
    def _in_worker(self) -> bool:
        return hasattr(self._config, "workerinput")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Note when the collection began, and when it was over."""
        self._process["collecting"] = self._epoch + self._now()
        try:
            return (yield)
        finally:
            self._process["collected"] = self._epoch + self._now()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Begin a test."""
        self._started = self._now()
        self._sleep.seconds = 0.0
        self._statements.begin()

    def of_test(self) -> dict[str, Any]:
        """Return those of the test that is over; its last report carries them to the process that controls the run."""
        details: dict[str, Any] = {"start": round(self._epoch + self._started, 4)}
        if self._sleep.seconds:
            details["slept"] = round(self._sleep.seconds, 5)
        if counted := self._statements.counted:
            details["statements"] = {
                key: [count, round(seconds, 5)] for key, (count, seconds) in counted.items()
            }
        return details

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker noted."""
        if found := getattr(node, "workeroutput", {}).get("details"):
            self._processes.append(found["process"])
            self._shapes |= found["shapes"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Note the end of this process's tests."""
        self._sleep.stop()
        self._statements.stop()
        self._process["ended"] = self._epoch + self._now()
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["details"] = {
                "process": self._process,
                "shapes": self._statements.shapes,
            }

    @property
    def facts(self) -> dict[str, Any]:
        """What the record says of the run as a whole."""
        branch, commit = _checked_out(self._config.rootpath)
        return {
            "platform": f"{platform.system()} {platform.machine()}",
            "branch": _first_set(BRANCHES) or branch,
            "commit": _first_set(COMMITS) or commit,
            "ci": _first_set(RUNS),
            "shapes": self._shapes | self._statements.shapes,
            "processes": [
                {
                    name: round(value, 4) if isinstance(value, float) else value
                    for name, value in process.items()
                }
                for process in self._processes or [self._process]
            ],
        }


def _first_set(names: tuple[str, ...]) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _checked_out(root: Path) -> tuple[str, str]:
    """Return branch and commit of the checkout; empty where there is none, or it isn't git's."""
    # Read and not asked for: git would take longer than the rest of the record.
    with suppress(OSError, ValueError, StopIteration):
        place = next(folder / ".git" for folder in (root, *root.parents) if (folder / ".git").exists())
        if place.is_file():  # a worktree's
            place = (place.parent / place.read_text().partition(":")[2].strip()).resolve()
        head = (place / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return "", head
        reference = head.removeprefix("ref: ")
        return reference.removeprefix("refs/heads/"), _commit_of(place, reference)
    return "", ""


def _commit_of(place: Path, reference: str) -> str:
    common = place / "commondir"
    shared = (place / common.read_text().strip()).resolve() if common.exists() else place
    if (shared / reference).exists():
        return (shared / reference).read_text().strip()
    packed = shared / "packed-refs"
    lines = packed.read_text().splitlines() if packed.exists() else []
    return next((line.partition(" ")[0] for line in lines if line.endswith(f" {reference}")), "")
