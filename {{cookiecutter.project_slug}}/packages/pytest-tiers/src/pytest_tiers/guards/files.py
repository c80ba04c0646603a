"""Files that a test writes among the sources: seen as they are opened, made or removed. Not seen: what other processes do."""

import os
import re
import tempfile
from urllib.parse import unquote

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.guards.runs import Run, running

EXPECTED = re.compile(r"(^|/)(\.[^/]+|__pycache__)(/|$)")
"""Where files may come and go: caches, and whatever is hidden."""
ADVICE = "wrote among the sources: {}.\nUse tmp_path; `git status` shows what is left."

_Version = tuple[int, int, int] | None


class Files:
    """What was written since the beginning of a test."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        """Watch a run."""
        self.watches = False
        self._config = config
        self._root = f"{settings_of(config).root}{os.sep}"
        self._temporary: list[str] | None = None
        """Folders for temporary files, as far as they lie below the root."""
        self._written: dict[str, bool] = {}
        """Paths that were opened for writing, made or removed, and whether they existed before."""
        self._databases: dict[str, _Version] = {}
        """Files that SQLite opened, which may be to read, and what they were."""
        run.on("open", call=self._open)
        run.on("sqlite3.connect", call=self._connect)
        run.on("os.mkdir", call=lambda path, _mode, folder: self._make(path, folder))
        run.on("os.remove", "os.rmdir", call=self._write)
        run.on("os.symlink", call=lambda _source, path, folder: self._write(path, folder))
        run.on("os.link", call=lambda _source, path, _source_folder, folder: self._write(path, folder))
        run.on("os.rename", call=self._rename)
        run.on("os.truncate", call=lambda path, _length: self._write(path))

    def begin(self) -> None:
        """Watch from now on."""
        self._written.clear()
        self._databases.clear()
        if self._temporary is None:
            given = getattr(self._config.option, "basetemp", None)
            folders = [tempfile.gettempdir(), *([str(given)] if given else [])]
            absolute = [f"{os.path.abspath(folder)}{os.sep}" for folder in folders]  # noqa: PTH100
            self._temporary = [folder for folder in absolute if folder.startswith(self._root)]
        self.watches = True

    def left(self) -> list[str]:
        """Return what is another one now, from the root on."""
        left = {path for path, existed in self._written.items() if existed or os.path.lexists(path)}
        left |= {path for path, version in self._databases.items() if _version(path) != version}
        return sorted(path.removeprefix(self._root) for path in left)

    def _absolute(self, path: object, folder: object = -1) -> str | None:
        """Return a path that counts, in full; a relative one may start in a folder that is open."""
        if not self.watches or not isinstance(path, str | bytes | os.PathLike) or not running("files"):
            return None
        name = os.fsdecode(path)
        if isinstance(folder, int) and folder != -1 and not name.startswith(os.sep):
            try:
                name = os.path.join(_folder(folder), name)  # noqa: PTH118 - this is called often
            except OSError:
                return None
        absolute = os.path.abspath(name)  # noqa: PTH100 - Path.absolute() leaves the dots in
        if not absolute.startswith(self._root) or EXPECTED.search(absolute.removeprefix(self._root)):
            return None
        return None if self._is_temporary(f"{absolute}{os.sep}") else absolute

    def _is_temporary(self, path: str) -> bool:
        """Tell whether it lies in such a folder, or is made for one to lie in."""
        return any(path.startswith(folder) or folder.startswith(path) for folder in self._temporary or ())

    def _write(self, path: object, folder: object = -1) -> None:
        if absolute := self._absolute(path, folder):
            self._written.setdefault(absolute, os.path.lexists(absolute))

    def _make(self, path: object, folder: object) -> None:
        absolute = self._absolute(path, folder)
        if absolute and not os.path.lexists(absolute):  # else it is there already, and stays as it is
            self._written.setdefault(absolute, False)

    def _rename(self, source: object, path: object, source_folder: object, folder: object) -> None:
        self._write(source, source_folder)
        self._write(path, folder)

    def _open(self, path: object, _mode: object, flags: int) -> None:
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._write(path)

    def _connect(self, path: object) -> None:
        if isinstance(path, str) and path.startswith("file:"):
            path = unquote(path.removeprefix("file:").partition("?")[0])
        if absolute := self._absolute(path):
            self._databases.setdefault(absolute, _version(absolute))


def _folder(descriptor: int) -> str:
    """Return the folder that is open there. Raises OSError."""
    if hasattr(os, "readlink") and os.path.isdir("/proc/self/fd"):  # noqa: PTH112 - this is called often
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    import fcntl  # macOS

    found = fcntl.fcntl(descriptor, getattr(fcntl, "F_GETPATH", 50), bytes(1024))
    return os.fsdecode(found.rstrip(b"\0"))


def _version(path: str) -> _Version:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
