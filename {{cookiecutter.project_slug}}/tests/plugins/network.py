# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""What a test may reach: nothing in tests/unit, the run's own database and Redis elsewhere.

Seen are the sockets of all Python code in this process, however it got hold of them: names looked up, connections, datagrams,
asyncio's too. psycopg connects in C, which no audit event shows: its own function is replaced as soon as it is imported.
Not seen: what other processes do.
"""

import ipaddress
import socket
import sys
from collections.abc import Generator
from typing import Any

import pytest

from tests.plugins.guards import UnreachableError, on, refuse, running
from tests.plugins.tiers import tier_of

UNIT = (
    "tests/unit has no network.\nLet a fake answer: fake_ai, redis_client, or httpx2.MockTransport; "
    "what needs a database belongs in tests/integration."
)
ELSEWHERE = (
    "only the database and the Redis of this run may be reached.\n"
    "Take them from the fixtures (db_session, committed_db, redis_client); let a fake answer for everything else."
)
NO_DATABASE = (
    "The test connected to PostgreSQL, and tests/unit has SQLite in memory.\n"
    "Use db_session; what needs PostgreSQL belongs in tests/integration."
)
OTHER_DATABASE = (
    "The test connected to another PostgreSQL server than that of this run: {where}.\n"
    "Use db_session or committed_db, and take the URL from there."
)

tiers_without_database = {"unit"}
_allowed: dict[str, set[tuple[str, str]]] = {"database": set(), "redis": set()}

_guarded = False


def allow(what: str, host: str, port: int) -> None:
    """Let tests reach the run's own "database" or "redis": a host name, an address, or the folder of a socket.

    A socket itself, as Redis has it, goes with port 0.
    """
    _allowed[what].add((host, str(port or "")))
    if host.startswith("/"):
        _allowed[what].add((f"{host}/.s.PGSQL.{port}", ""))
    else:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        _allowed[what] |= {(str(address[0]), str(port)) for *_, address in found}


def _endpoints(item: pytest.Item) -> set[tuple[str, str]]:
    in_unit = tier_of(item.path, item.config) in tiers_without_database
    return _allowed["redis"] | (set() if in_unit else _allowed["database"])


def _refuse(item: pytest.Item, what: str) -> None:
    __tracebackhide__ = True
    in_unit = tier_of(item.path, item.config) in tiers_without_database
    refuse(f"The test {what}, and {UNIT if in_unit else ELSEWHERE}", "network", UnreachableError)


@on("socket.connect")
@on("socket.sendto")
@on("socket.sendmsg")
def _connect(_socket: object, address: Any) -> None:
    __tracebackhide__ = True
    item = running("network")
    if item is None or address is None:
        return
    where = (str(address[0]), str(address[1])) if isinstance(address, tuple) else (str(address), "")
    if where not in _endpoints(item):
        _refuse(item, f"opened a connection to {':'.join(filter(None, where))}")


@on("socket.gethostbyname")
@on("socket.getaddrinfo")
def _look_up(host: str | bytes | None, *_: object) -> None:
    __tracebackhide__ = True
    item = running("network")
    name = host.decode() if isinstance(host, bytes) else host
    if item is None or not name or name in {host for host, _ in _endpoints(item)}:
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        _refuse(item, f"looked up {name}")


@on("import")
def _imported(module: str, *_: object) -> None:
    if module.partition(".")[0] == "psycopg":
        _guard_psycopg()


def pytest_configure() -> None:
    """Guard psycopg now if it is there already."""
    if "psycopg" in sys.modules:
        _guard_psycopg()


def _guard_psycopg() -> None:
    global _guarded
    if _guarded:
        return
    _guarded = True  # before the imports, which are events as well
    from psycopg import generators
    from psycopg.conninfo import conninfo_to_dict

    connect = generators.connect

    def guarded(conninfo: str, *arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        __tracebackhide__ = True
        item = running("database")
        if item is not None:
            to = conninfo_to_dict(conninfo)
            where = (str(to.get("host", "")), str(to.get("port", 5432)))
            if tier_of(item.path, item.config) in tiers_without_database:
                refuse(NO_DATABASE, "database")
            if where not in _allowed["database"]:
                refuse(OTHER_DATABASE.format(where=":".join(where)), "database")
        return (yield from connect(conninfo, *arguments, **options))

    generators.connect = guarded
