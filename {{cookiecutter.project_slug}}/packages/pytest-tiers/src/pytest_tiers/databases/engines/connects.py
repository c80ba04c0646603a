"""Watches connections that psycopg opens beside the tier's one: the server refuses those, also if the error is swallowed."""

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from pytest_tiers.databases.remedies import SECOND_CONNECTION
from pytest_tiers.guards import GuardError, current, refuse, running

if TYPE_CHECKING:
    from types import FrameType

OWN_DATABASES = frozenset({"postgres", "template0", "template1"})
SERVERS_OWN = (
    "The test connected to `{name}`, a database of the server's own: what it does there reaches other runs and checkouts.\n"
    "Take `committed_db`, which gives a database of the test's own, with the same rights."
)
_watched: list[bool] = []


def watch() -> None:
    """Have psycopg tell of each connection; once in a process, and whatever run is under way."""
    if _watched:
        return
    _watched.append(True)
    from psycopg import generators
    from psycopg.conninfo import conninfo_to_dict

    connect = generators.connect

    def watching(conninfo: str, *arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        __tracebackhide__ = True
        if running("database") is not None and not _through("pytest_postgresql"):
            name = conninfo_to_dict(conninfo).get("dbname")
            if name in OWN_DATABASES:
                refuse(SERVERS_OWN.format(name=name), "database")
        try:
            return (yield from connect(conninfo, *arguments, **options))
        except Exception as error:
            run = current()
            if (
                run is not None
                and "is not currently accepting connections" in str(error)
                and running("rollback")
            ):
                run.blame(GuardError(SECOND_CONNECTION))
            raise

    generators.connect = watching


def _through(package: str) -> bool:
    """Tell whether a package is among those that call."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(package):
            return True
        frame = frame.f_back
    return False
