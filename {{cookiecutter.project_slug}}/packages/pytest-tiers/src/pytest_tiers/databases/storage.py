"""Where the embedded server keeps its data, and what the file system there can do."""

import fcntl
import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from pytest_tiers.databases.address import ServerError

SYSTEM_CACHE = Path("/var/cache")
"""Where root's data goes if the server's account can't get into root's own cache."""


def cache_folder(name: str, account: pwd.struct_passwd | None) -> Path:
    """Return the folder for the servers of this user and a project, made if need be. Raises ServerError.

    `account` is the one that the server runs as, where it isn't the user's own.
    """
    import platformdirs

    called = f"{name}-tests"
    # As root: root's own cache is only of use if the server's account can get there.
    candidates = [platformdirs.user_cache_path(called)]
    if account:
        candidates = [path for path in candidates if _open_to_others(path)] + [SYSTEM_CACHE / called]
    candidates.append(Path(tempfile.gettempdir()) / f"{called}-{os.geteuid()}")
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


def _open_to_others(path: Path) -> bool:
    """Tell whether every folder on the way to `path` lets other users through."""
    existing = [folder for folder in [path, *path.parents] if folder.exists()]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in existing)


def can_clone_files(file: Path) -> bool:
    """Tell whether the file system copies a file by sharing its blocks (Btrfs, XFS, APFS)."""
    flag = "-c" if sys.platform == "darwin" else "--reflink=always"
    copy = file.with_suffix(".copy")
    done = subprocess.run(["cp", flag, str(file), str(copy)], capture_output=True, check=False)  # noqa: S603, S607
    copy.unlink(missing_ok=True)
    return done.returncode == 0


def spread_folders_in(folder: Path) -> None:
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


def boot_id() -> str:
    """Return what changes when the machine starts anew; nothing where that isn't known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603


def command_line(pid: int) -> str:
    """Return how a process was started; nothing if there is none, or that can't be known."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    except OSError:
        return ""
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
