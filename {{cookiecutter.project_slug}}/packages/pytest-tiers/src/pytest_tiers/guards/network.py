"""What a test may reach: nothing in the unit tier; elsewhere the run's own database, servers in this process, `allowed_servers`.

Seen are the sockets of all Python code in this process, however it got hold of them: names looked up, connections, datagrams,
asyncio's too. The run's own fake Redis answers everywhere, and so do processes that multiprocessing has started. psycopg connects in C, which no audit event shows: its own function is replaced as soon as it is imported.
Not seen: what other processes do, and other libraries that connect in C (psycopg2, pycurl, grpc).
"""

import ipaddress
import re
import socket
import sys
from collections.abc import Generator
from typing import Any
from weakref import WeakSet

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.guards.lifting import Node
from pytest_tiers.guards.runs import Run, UnreachableError, current, refuse, running
from pytest_tiers.tiers import tier_of, tiers_of

UNIT = (
    "{unit} has no network.\nLet a fake answer: fake_ai, redis_client, or httpx2.MockTransport; "
    "what needs a database belongs in {integration}."
)
ELSEWHERE = (
    "only the database and the Redis of this run may be reached.\n"
    "Use db_session, committed_db or redis_client; let a fake answer; or name the server in `allowed_servers` of [tool.tiers]."
)
NO_DATABASE = (
    "The test connected to PostgreSQL, and {unit} has SQLite in memory.\n"
    "Use db_session; what needs PostgreSQL belongs in {integration}."
)
OTHER_DATABASE = (
    "The test connected to another PostgreSQL server than that of this run: {where}.\n"
    "Use db_session or committed_db, and take the URL from there; or name the server in `allowed_servers` of [tool.tiers]."
)

MULTIPROCESSING = re.compile(r"/pymp-[^/]+/(listener|sock)-[^/]+$")
"""Sockets by which multiprocessing talks to processes that it has started: managers, forkserver."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")

_NETWORK = pytest.StashKey["Network"]()
_guarded: list[bool] = []


def allow(config: pytest.Config, what: str, host: str, port: int) -> None:
    """Let tests reach the run's own "database" or "redis": a host name, an address, or the folder of a socket.

    A socket itself, as Redis has it, goes with port 0.
    """
    config.stash[_NETWORK].allow(what, host, port)


def allow_database_in_unit(config: pytest.Config) -> None:
    """Let the unit tier reach the database, too: parity runs it there."""
    config.stash[_NETWORK].tiers_without_database.clear()


def _addresses(host: str, port: int | None) -> set[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(address[0]) for *_, address in found}


class Network:
    """Refuses what tests may not reach."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        """Watch a run."""
        config.stash[_NETWORK] = self
        self.tiers_without_database = {"unit"}
        self._tiers = tiers_of(config)
        self._allowed: dict[str, set[tuple[str, str]]] = {"database": set(), "redis": set()}
        self._servers: list[tuple[str, str]] = []
        for server in settings_of(config).allowed_servers:
            host, separator, port = server.rpartition(":")
            named = bool(separator) and port.isdigit()
            self._servers.append((host.strip("[]"), port) if named else (server.strip("[]"), ""))
        self._resolved: set[tuple[str, str]] | None = None
        self._bound: WeakSet[socket.socket] = WeakSet()
        """Sockets to which an address was given: servers in this process are among them."""
        run.on("socket.bind", call=lambda bound, _address: self._bound.add(bound))
        run.on("socket.connect", "socket.sendto", "socket.sendmsg", call=self._connect)
        run.on("socket.gethostbyname", "socket.getaddrinfo", call=self._look_up)
        run.on("socket.gethostbyaddr", call=self._look_back)
        run.on("socket.getnameinfo", call=lambda address: self._look_back(address[0]))
        run.on("import", call=self._imported)
        if "psycopg" in sys.modules:
            _guard_psycopg()

    def allow(self, what: str, host: str, port: int) -> None:
        """Let tests reach a server of this run; see the function of this name."""
        allowed = self._allowed[what]
        allowed.add((host, str(port or "")))
        if host.startswith("/"):
            allowed.add((f"{host}/.s.PGSQL.{port}", ""))
        else:
            allowed |= {(address, str(port)) for address in _addresses(host, port)}

    def check_database(self, host: str, port: str) -> None:
        """Refuse a connection of psycopg to anything but the run's own database."""
        __tracebackhide__ = True
        node = running("database")
        if node is None:
            return
        if self._is_unit(node):
            refuse(self._say(NO_DATABASE), "database")
        if (host, port) not in self._allowed["database"] and not self._is_allowed_server(host, port):
            refuse(OTHER_DATABASE.format(where=f"{host}:{port}"), "database")

    def _say(self, message: str) -> str:
        return message.format(unit=self._tiers.place("unit"), integration=self._tiers.place("integration"))

    def _is_unit(self, node: Node) -> bool:
        return tier_of(node) in self.tiers_without_database

    def _endpoints(self, node: Node) -> set[tuple[str, str]]:
        return self._allowed["redis"] | (set() if self._is_unit(node) else self._allowed["database"])

    def _is_allowed_server(self, host: str, port: str) -> bool:
        """Tell whether `allowed_servers` has it, by its name or by an address of that name; without a port, by any."""
        if not self._servers:
            return False
        if self._resolved is None:
            self._resolved = set()  # before names are looked up, which are events as well
            for name, number in self._servers:
                self._resolved |= {(address, number) for address in {name, *_addresses(name, None)}}
        return not self._resolved.isdisjoint({(host, port), (host, "")})

    def _refuse(self, node: Node, what: str) -> None:
        __tracebackhide__ = True
        why = self._say(UNIT if self._is_unit(node) else ELSEWHERE)
        refuse(f"The test {what}, and {why}", "network", UnreachableError)

    def _connect(self, _socket: object, address: Any) -> None:
        __tracebackhide__ = True
        node = running("network")
        if node is None or address is None:
            return
        host, port = (
            (str(address[0]), str(address[1])) if isinstance(address, tuple) else (_text(address), "")
        )
        if (host, port) in self._endpoints(node) or (not port and MULTIPROCESSING.search(host)):
            return
        if self._is_unit(node) or not (self._is_allowed_server(host, port) or self._is_own(host, port)):
            self._refuse(node, f"opened a connection to {':'.join(filter(None, (host, port)))}")

    def _is_own(self, host: str, port: str) -> bool:
        """Tell whether a server of this process listens there."""
        return host in LOOPBACK and any(_port(bound) == port for bound in [*self._bound])

    def _look_up(self, host: str | bytes | None, port: object = None, *_: object) -> None:
        __tracebackhide__ = True
        node = running("network")
        name = host.decode() if isinstance(host, bytes) else host
        if (
            node is None
            or not name
            or _address(name)
            or name in {known for known, _ in self._endpoints(node)}
        ):
            return
        if self._is_unit(node) or not (
            name in {known for known, _ in self._servers} or self._is_own(name, str(port))
        ):
            self._refuse(node, f"looked up {name}")

    def _look_back(self, host: str) -> None:
        """A server that begins asks for the name of its own address, or of its machine: that isn't looked up elsewhere."""
        __tracebackhide__ = True
        node = running("network")
        address = _address(host)
        if (
            node is None
            or host == socket.gethostname()
            or (address and (address.is_loopback or address.is_unspecified))
        ):
            return
        self._refuse(node, f"looked up {host}")

    def _imported(self, module: str, *_: object) -> None:
        if module.partition(".")[0] == "psycopg":
            _guard_psycopg()


def _port(bound: socket.socket) -> str:
    try:
        address = bound.getsockname()
    except OSError:  # it is closed
        return ""
    return str(address[1]) if isinstance(address, tuple) else ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _text(address: object) -> str:
    return address.decode(errors="replace") if isinstance(address, bytes) else str(address)


def _guard_psycopg() -> None:
    """Let psycopg ask the run that is under way before it connects; once in a process."""
    if _guarded:
        return
    _guarded.append(True)  # before the imports, which are events as well
    from psycopg import generators
    from psycopg.conninfo import conninfo_to_dict

    connect = generators.connect

    def guarded(conninfo: str, *arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        __tracebackhide__ = True
        run = current()
        if run is not None and (node := run.subject()) is not None:
            to = conninfo_to_dict(conninfo)
            node.config.stash[_NETWORK].check_database(str(to.get("host", "")), str(to.get("port", 5432)))
        return (yield from connect(conninfo, *arguments, **options))

    generators.connect = guarded
