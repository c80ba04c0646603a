"""A named pipe between a test and a process that it started: neither waits for ever if the other has ended."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Pipe:
    """One line at a time, in either direction. The other side opens `path`, and writes or reads a line."""

    def __init__(self, path: Path, handle: int) -> None:
        """Take the pipe, which is open for reading and writing: so opening it never waits."""
        self.path, self._handle = path, handle

    def heard(self, process: "subprocess.Popen[str]") -> str:
        """Return what a process writes. Fails if it ends without having written anything."""
        while not select.select([self._handle], [], [], 1)[0]:
            assert process.poll() is None, process.communicate()
        return os.read(self._handle, 1000).decode().strip()

    def say(self, line: str) -> None:
        """Write a line."""
        os.write(self._handle, f"{line}\n".encode())


@contextmanager
def made(path: Path) -> Iterator[Pipe]:
    """Make a pipe at `path`."""
    os.mkfifo(path)
    handle = os.open(path, os.O_RDWR)
    try:
        yield Pipe(path, handle)
    finally:
        os.close(handle)
