"""A PostgreSQL server without Docker and without apt: the programs come from a wheel, the data is kept for the next run.

Promises: one server per user and project, started by whoever comes first, shared by every process that holds it, and
stopped by the last one out, also if others were killed (the kernel releases their locks). Runs as root, too: then the
server itself runs as `nobody`, because PostgreSQL refuses root.

Costs: 1 s the first time (initdb), 0.1 s after that, some milliseconds if it is running already.

Doesn't: survive a power cut. fsync is off, so data from before a reboot is thrown away. Extensions of contrib and ICU
collations are missing from the wheel; where a project needs them, TEST_DATABASE_URL names a server that has them.
"""

import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO

import psycopg

from pytest_tiers.databases import storage
from pytest_tiers.databases.address import Address, ServerError, without_libpq_variables
from pytest_tiers.databases.programs import Programs

PORT = 5432  # only the name of a file in the socket's folder
SUPERUSER = "postgres"
ANSWERS_WITHIN = 5
"""Seconds after which a server that says nothing counts as silent."""
PATIENCE = 30
"""Seconds that a server may take to start up, or to stop."""
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


class EmbeddedPostgres:
    """The server of this user and one project. Hold it with `acquire` and `release`, or in a with statement.

    All its methods raise ServerError.
    """

    def __init__(self, name: str) -> None:
        """Decide where things lie, by the project's name; starts nothing."""
        # PostgreSQL refuses to run as root, whose own folders are closed to everybody else.
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.folder = storage.cache_folder(name, self._account)
        """Where its data and what goes with that is kept."""
        self._holders: IO[str] | None = None
        self._silence = ""
        """Why the server doesn't answer."""

    @cached_property
    def _programs(self) -> Programs:
        return Programs(self.folder, self._account)

    @cached_property
    def data(self) -> Path:
        """The folder of its data: one for each version and set of settings."""
        digest = hashlib.sha256(f"{self._programs.said}{sorted(SETTINGS.items())}".encode()).hexdigest()[:8]
        return self.folder / f"data-{digest}"

    def acquire(self) -> Address:
        """Return the address of the running server, started if need be, and hold it until `release`."""
        with without_libpq_variables(), self._mutex():
            holders = self.data.with_suffix(".holders").open("a")
            try:
                fcntl.flock(holders, fcntl.LOCK_SH)
                address = self._running()
                if address is None:
                    self._end_silent_server(holders)
                    address = self._start()
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
        with holders, suppress(FileNotFoundError), without_libpq_variables(), self._mutex():
            try:
                fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # others go on with it
            self._stop()

    def remove(self) -> None:
        """Stop the server and delete its data and databases. Raises ServerError if a run or a service is using it."""
        for holders_path in self.folder.glob("data-*.holders"):
            self.data = holders_path.with_suffix("")
            with without_libpq_variables(), self._mutex(), holders_path.open("a") as holders:
                try:
                    fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ServerError(f"{self.data} is in use: wait for the other run to end") from None
                self._stop()
                self._end_silent_server(holders)
        shutil.rmtree(self.folder)

    def __enter__(self) -> Address:
        """Acquire."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Release."""
        self.release()

    @contextmanager
    def _mutex(self) -> Iterator[None]:
        """Keep other processes from starting or stopping the server meanwhile."""
        with (self.folder / "mutex").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _running(self) -> Address | None:
        """Return the address if the server is up. Only an answer counts: the pid in its file may be anybody's by now."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                lines = (self.data / "postmaster.pid").read_text().splitlines()
                address = Address(host=lines[4], port=PORT, user=SUPERUSER)
                with address.connect(connect_timeout=ANSWERS_WITHIN) as connection:
                    row = connection.execute("SHOW data_directory").fetchone()
            except (OSError, IndexError):
                return None
            except psycopg.OperationalError as error:
                self._silence = str(error).strip()
                if "too many clients" in self._silence or "connection slots" in self._silence:
                    return address  # full, but alive
                # "The database system is starting up": whoever started it was killed before it was ready.
                if "the database system is" not in self._silence or time.monotonic() > deadline:
                    return None
                time.sleep(0.05)
            else:
                return address if row == (str(self.data),) else None

    def _end_silent_server(self, holders: IO[str]) -> None:
        """End a server that runs on our data but gives no answer. `holders` is its file, open and locked by us."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return
        # It may be anybody's by now: PostgreSQL's own command line has the folder of its data.
        if f"-D {self.data} " not in f"{storage.command_line(pid)} ":
            return
        try:
            fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(
                f"PostgreSQL (process {pid}) doesn't answer, and others hold it: {self._silence}\n"
                "End the other runs and services, or set TEST_DATABASE_URL to another server"
            ) from None
        os.kill(pid, signal.SIGCONT)  # one that was suspended would take no notice of being stopped
        self._run_stop("immediate")
        fcntl.flock(holders, fcntl.LOCK_SH)

    def _start(self) -> Address:
        boot = self.data.with_suffix(".boot")
        if self.data.exists() and (not boot.exists() or boot.read_text() != storage.boot_id()):
            shutil.rmtree(self.data)
        if not self.data.exists():
            self._initialise()
            boot.write_text(storage.boot_id())
        storage.spread_folders_in(self.data / "base")
        socket = self._socket_folder()
        # Nobody answered, so these are left over; PostgreSQL would be kept off by any process that has their pid now.
        for lock in (self.data / "postmaster.pid", socket / f".s.PGSQL.{PORT}.lock"):
            lock.unlink(missing_ok=True)
        options = f"-k {shlex.quote(str(socket))}"
        log = self.data / "server.log"
        command = ("pg_ctl", "start", "-D", str(self.data), "-l", str(log), "-o", options, "-w", "-s")
        try:
            self._programs.run(*command, log=log)
            address = self._running()
            if address is None:
                raise ServerError(
                    f"PostgreSQL started but doesn't answer ({self._silence}): see {log}, or run `tiers clean`"
                )
            with address.connect() as connection:
                rows = connection.execute("SELECT name, current_setting(name) FROM pg_settings")
                differing = set(SETTINGS.items()) - set(rows)
            if differing:
                raise ServerError(
                    f"PostgreSQL runs without {dict(differing)}: run `tiers clean` to make its data anew"
                )
        except BaseException:
            with suppress(ServerError):  # it may never have begun to run
                self._run_stop("immediate")
            raise
        return address

    def _socket_folder(self) -> Path:
        # Short, and not in the cache folder: the path of a socket may have about 100 bytes.
        digest = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        socket = Path(tempfile.gettempdir()) / f"pg-{os.geteuid()}-{digest}"
        socket.mkdir(mode=0o700, exist_ok=True)
        # The name can be guessed, and the temporary folder is everybody's: what lies there may be a trap.
        owners = (os.geteuid(), self._account.pw_uid if self._account else os.geteuid())
        if socket.is_symlink() or socket.stat().st_uid not in owners:
            raise ServerError(
                f"{socket} belongs to somebody else: remove it, or set TMPDIR to a folder of your own"
            )
        self._give_to_server(socket)
        return socket

    def _stop(self) -> None:
        if self._running():
            # pg_ctl's own waiting looks ten times a second; to stop takes a fraction of that.
            self._run_stop("fast", "-W")
            deadline = time.monotonic() + 2 * PATIENCE
            while (self.data / "postmaster.pid").exists() and time.monotonic() < deadline:
                time.sleep(0.005)

    def _run_stop(self, mode: str, *options: str) -> None:
        waiting = options or ("-w", "-t", str(PATIENCE))
        self._programs.run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-s", *waiting)

    def _initialise(self) -> None:
        new = self.data.with_suffix(".new")  # renamed when complete, so that a killed initdb leaves no trap
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._give_to_server(new)
        # The same order and case rules on every machine; before PostgreSQL 17 only "C" is that, for ASCII.
        builtin = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self._programs.version >= 17 else []
        )
        self._programs.run(
            *("initdb", "-D", str(new), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *(*builtin, "--no-sync", "--no-instructions"),
        )
        settings = dict(SETTINGS)
        if self._programs.version >= 18 and storage.can_clone_files(new / "PG_VERSION"):
            settings["file_copy_method"] = "clone"  # databases, too, are then copied when they are written to
        # Here rather than by ALTER SYSTEM, which can't set what needs a restart.
        with (new / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        new.rename(self.data)

    def _give_to_server(self, folder: Path) -> None:
        if self._account:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)
