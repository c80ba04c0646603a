"""Expensive things that are built once for all workers, and kept for the next run: `shared_resource`.

They lie in `.cache/tests/shared/KEY/`, each version in a folder of its own. Whoever comes first builds, the others wait. A
folder gets its name when it is complete; it is removed once there is another one and no run uses it.
"""

import fcntl
import hashlib
import inspect
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from os import urandom  # the real one, also where a test has `seeded_random`
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest

from pytest_tiers.config import prepare_cache, settings_of

Build = Callable[[Path], object]


class BuildError(Exception):
    """A shared resource can't be built. The first report says why, the others where to look."""

    def __init__(self, key: str, why: str = "; the report that came first says why.") -> None:
        """Take the resource's key, and the reason as it is to be reported once."""
        super().__init__(f"The shared resource {key!r} can't be built")
        self._key, self._why = key, why

    def report(self) -> str:
        """Return what to report, which the next time will be shorter."""
        message = f"{self}{self._why}"
        self._why = BuildError(self._key)._why
        return message


def _content(path: Path) -> Iterator[bytes]:
    if not path.exists():
        raise FileNotFoundError(f"{path} is declared as an input of a shared resource, and doesn't exist")
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and "__pycache__" not in file.parts:
            yield f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode()
            yield file.read_bytes()


def version(build: Build, inputs: Iterable[Path | str]) -> str:
    """Return a name that changes with the source of `build`, Python's version and the inputs.

    Raises FileNotFoundError for an input that doesn't exist.
    """
    digest = hashlib.sha256(f"{sys.version}\0{inspect.getsource(build)}".encode())
    for value in inputs:
        digest.update(b"\0\0")
        for part in _content(value) if isinstance(value, Path) else [value.encode()]:
            digest.update(part)
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path, mode: int) -> Iterator[bool]:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, mode)
        except BlockingIOError:
            yield False
        else:
            yield True


class SharedResources:
    """The shared resources in a folder, as one process of a run sees them."""

    def __init__(self, folder: Path, run: str) -> None:
        """Keep resources in `folder`. `run` is the same in all workers of a run, and in no other."""
        self._folder, self._run = folder, run
        self.in_use = ExitStack()
        """To be closed when the run ends: then others may remove what it used."""

    def __call__(self, key: str, build: Build, inputs: Iterable[Path | str] | None = None) -> Path:
        """Return the folder that `build(folder)` has filled. Don't write into it: others read it.

        Without `inputs` it is built anew by each run. With them it is kept until one of them changes: files and folders by
        what is in them, text (a version, say) as it is, and the source of `build` itself.

        Raises ValueError for a key that can't be a folder's name, BuildError if `build` fails.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", key):
            raise ValueError(
                f"{key!r} can't name a shared resource: use small letters, digits, '.', '_' and '-'"
            )
        home = self._folder / key
        home.mkdir(parents=True, exist_ok=True)
        name = f"run-{self._run}" if inputs is None else version(build, inputs)
        with _locked(home / "lock", fcntl.LOCK_EX):
            self.in_use.enter_context(_locked(home / f"{name}.used", fcntl.LOCK_SH))
            self._remove_others(home, name)
            if not (home / name).exists():
                self._build(key, build, home / name)
        return home / name

    def _build(self, key: str, build: Build, done: Path) -> None:
        failed = done.with_name("failed")
        if failed.exists() and failed.read_text() == self._run:
            raise BuildError(key)
        half = Path(tempfile.mkdtemp(prefix="building-", dir=done.parent))
        try:
            build(half)
            half.rename(done)
        except (Exception, pytest.fail.Exception) as error:
            failed.write_text(self._run)
            traceback = error.__traceback__ and error.__traceback__.tb_next  # begins in `build`
            why = "".join(format_exception(error.with_traceback(traceback)))
            raise BuildError(key, f"\n\n{why}") from error
        finally:
            shutil.rmtree(half, ignore_errors=True)

    def _remove_others(self, home: Path, name: str) -> None:
        for half in home.glob("building-*"):  # of a run that was killed
            shutil.rmtree(half)
        for used in home.glob("*.used"):
            with _locked(used, fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
                if free and used.stem != name:
                    shutil.rmtree(used.with_suffix(""), ignore_errors=True)
                    used.unlink()


@pytest.fixture(scope="session")
def shared_resource(pytestconfig: pytest.Config) -> Iterator[SharedResources]:
    """`shared_resource(key, build)`: the folder that `build(folder)` fills, once per run for all workers.

    With `inputs=[paths and texts]` it is kept between runs while those, and the source of `build`, are unchanged.
    """
    run = getattr(pytestconfig, "workerinput", {}).get("testrunuid") or urandom(16).hex()
    resources = SharedResources(prepare_cache(settings_of(pytestconfig)) / "shared", run)
    with resources.in_use:
        yield resources


class BuildErrors:
    """Reports a build that failed in full once; pytest would repeat it for each test that waits for the fixture."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Shorten the report."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, BuildError):
            report.longrepr = call.excinfo.value.report()
        return report
