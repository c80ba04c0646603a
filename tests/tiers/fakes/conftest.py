"""What the tests of the fakes share: a real Redis, which a test has for itself."""

import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class RealRedis:
    """Where it is, and what `redis-cli` says about it."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """Its URL; the tests may lease databases from 1 on."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def cli(self, *arguments: str) -> str:
        """Return what redis-cli prints."""
        command = ["redis-cli", "-p", str(self.port), "-a", self.password, "--no-auth-warning", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    @property
    def keys(self) -> dict[int, int]:
        """How many keys there are in each database that has some."""
        found = re.findall(r"^db(\d+):keys=(\d+)", self.cli("INFO", "keyspace"), re.MULTILINE)
        return {int(number): int(keys) for number, keys in found}

    @contextmanager
    def connected(self, database: int) -> Iterator[None]:
        """Hold a connection to a database."""
        with (
            socket.create_connection(("127.0.0.1", self.port)) as connection,
            connection.makefile("rb") as said,
        ):
            connection.sendall(f"AUTH {self.password}\r\nSELECT {database}\r\n".encode())
            assert [said.readline(), said.readline()] == [b"+OK\r\n"] * 2
            yield


@contextmanager
def started(folder: Path) -> Iterator[RealRedis]:
    """Start a server with nine databases. Raises LookupError where there is no Redis."""
    program = shutil.which("redis-server")
    if program is None or shutil.which("redis-cli") is None:
        raise LookupError("there is no Redis here: apt install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = RealRedis(free.getsockname()[1], f"hunter2-{secrets.token_hex(4)}")
    options = {"port": server.port, "bind": "127.0.0.1", "requirepass": server.password, "databases": 9}
    command = [program, *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
    with subprocess.Popen(
        [*command, "--save", "", "--dir", str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ready to accept connections" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield server
        process.terminate()


@pytest.fixture
def real_redis(tmp_path: Path) -> Iterator[RealRedis]:
    """A Redis of the test's own. Without one the test is skipped, under CI it fails."""
    try:
        with started(tmp_path) as server:
            yield server
    except LookupError as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason))
        pytest.skip(str(reason))
