"""What the tests share that run a service: the one that is rendered for all of them, copies of it, and users to run it as."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock
from machinery import Machinery, strip
from rendering import ROOT
from service import Account, Service, ordinary_user, render_from_outside, superuser, unavailable


@pytest.fixture(scope="session")
def service(template: Path, outside: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Helpdesk, rendered and installed once for all workers. Tests read it and run it, and change nothing in it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "service"
    installed = folder / "installed"
    with FileLock(f"{folder}.lock"):
        if not installed.exists():
            render_from_outside(template, folder, outside).run("uv", "sync", "--locked")
            installed.touch()
    return Service(folder / "helpdesk", outside, Account(folder))


@pytest.fixture
def clone_service(service: Service, tmp_path: Path) -> Callable[..., Service]:
    """Return a function that gives a copy of Helpdesk for a test to change, run by `account` if one is given."""
    clones = 0

    def clone_service(account: Account | None = None) -> Service:
        nonlocal clones
        clones += 1
        return service.clone((account.folder if account else tmp_path) / f"helpdesk-{clones}", account)

    return clone_service


@pytest.fixture(scope="session")
def python(service: Service, outside: dict[str, str]) -> str:
    """The Python of the environment that rendered services share, with all of their dependencies."""
    service.run("uv", "sync", "--locked")  # another worker may have installed the service, into its own
    return str(Path(outside["UV_PROJECT_ENVIRONMENT"]) / "bin" / "python")


@pytest.fixture
def machinery(clone_service: Callable[..., Service], python: str) -> Iterator[Machinery]:
    """Helpdesk stripped to its machinery, with a cache folder and so a PostgreSQL server of its own."""
    service = clone_service()
    strip(service)
    with tempfile.TemporaryDirectory(prefix="cache-", ignore_cleanup_errors=True) as cache:
        Path(cache).chmod(0o755)  # as root, the server is another user
        yield Machinery(service, python, Path(cache))


@pytest.fixture(scope="session")
def mypy_cache() -> str:
    """A folder for mypy's cache, shared by all renders and kept between runs: from nothing, types take 40 s."""
    return str(ROOT / ".cache" / "mypy-services")


@pytest.fixture
def ordinary_account(outside: dict[str, str]) -> Iterator[Account]:
    """A user without root's rights, for `clone_service`: the one who runs the tests, or `nobody` if that is root."""
    with ExitStack() as stack:
        try:
            account = stack.enter_context(ordinary_user(outside))
        except LookupError as reason:
            unavailable(reason)
        yield account


@pytest.fixture
def root_account() -> Iterator[Account]:
    """A user with root's rights, for `clone_service`: the one who runs the tests, or root by way of sudo."""
    with ExitStack() as stack:
        try:
            account = stack.enter_context(superuser())
        except LookupError as reason:
            unavailable(reason)
        yield account
