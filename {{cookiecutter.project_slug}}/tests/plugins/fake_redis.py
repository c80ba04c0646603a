# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Redis for the tests: fakeredis, or the real one that TEST_REDIS_URL names.

On a real one each process leases a database of its own, which is empty before each test. The URL's own database holds
nothing but the leases, in keys that begin with `tests:database:`. Another one is leased only if it is empty and nobody is
connected to it, or if it was leased by a run that is gone: a lease holds for as long as there is a connection of its name.

What belongs to the whole server and not to a database is not put back: its configuration, functions and scripts.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from itertools import count
from os import urandom  # the real one, also where a test has `seeded_random`
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import pytest

from tests.plugins import network
from tests.plugins.determinism import followers
from tests.plugins.guards import refuse

if TYPE_CHECKING:
    from redis import Redis

REMEDY = "Correct it, or unset it to use fakeredis"
FULL = (
    "TEST_REDIS_URL: every other database of that Redis has data, or somebody who is connected to it.\n"
    "Remove the data from one, or start Redis with more: redis-server --databases 64"
)
LOST = "The database {number} of TEST_REDIS_URL isn't leased to this run any more: somebody removed the lease"
# Atomic, so that of two who find the same database one gets it. It empties the database, or refuses.
CHANGE_HOLDER = """
    local old, new, number, home = unpack(ARGV)
    redis.call('SELECT', home)
    if (redis.call('GET', KEYS[1]) or '') ~= old then return 0 end
    redis.call('SELECT', number)
    if old == '' and redis.call('DBSIZE') > 0 then return 0 end
    redis.call('FLUSHDB')
    redis.call('SELECT', home)
    if new == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], new) end
    return 1
"""
# PEXPIRE deletes a key whose time has run out.
SHIFT_EXPIRY = """
    redis.call('SELECT', ARGV[1])
    for _, key in ipairs(redis.call('KEYS', '*')) do
        local left = redis.call('PTTL', key)
        if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[2]) end
    end
"""


class RedisServerError(Exception):
    """TEST_REDIS_URL can't be used; the message says why, and what to do, without the password."""


class RedisServer(Protocol):
    """Where the tests' Redis clients lead."""

    def client(self) -> "AbstractContextManager[Redis]":
        """Give a client for one test, of a Redis that is empty."""


class FakeServers:
    """A fake server for each client."""

    @contextmanager
    def client(self) -> Iterator["Redis"]:
        """Give a client of a new server."""
        from fakeredis import FakeRedis, FakeServer  # here, since a run without Redis needs neither: 0.3 s

        with FakeRedis(server=FakeServer()) as redis:
            yield redis


class LeasedDatabase:
    """A database of this process's own on a real Redis."""

    def __init__(self, url: str) -> None:
        """Connect and lease one. Raises RedisServerError, within 5 s."""
        import redis
        from redis.backoff import NoBackoff
        from redis.connection import parse_url
        from redis.retry import Retry

        from tools.embedded_postgres import (
            project_name,
        )  # here: it imports psycopg, which unit tests go without

        self._owner = f"{project_name()}-tests-{urandom(8).hex()}"
        try:
            self._options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
        except ValueError:
            # Without the error's own message, which may show the password.
            raise RedisServerError(
                f"TEST_REDIS_URL is not a URL of Redis: redis://user:password@host:port/0\n{REMEDY}"
            ) from None
        self._home = self._options.pop("db", 0)
        limits = {"socket_timeout": 2, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 0)}
        ours = {"db": self._home, "client_name": self._owner, "decode_responses": True}
        try:
            if "path" in self._options:
                network.allow("redis", self._options["path"], 0)
            else:
                network.allow(
                    "redis", self._options.get("host", "localhost"), self._options.get("port", 6379)
                )
            pool = redis.ConnectionPool(**self._options | limits | ours)
            self._connection = redis.Redis(connection_pool=pool, single_connection_client=True)
            self.number = self._lease()
            # Tells everybody that this database is in use.
            self._connection.select(self.number)
        except (redis.RedisError, OSError, TypeError) as error:  # TypeError: an unknown option in the URL
            raise RedisServerError(f"TEST_REDIS_URL can't be used: {error}\n{REMEDY}") from None

    @contextmanager
    def client(self) -> Iterator["Redis"]:
        """Give a client of the database, which is emptied afterwards."""
        from redis import ConnectionPool, Redis

        with Redis.from_pool(ConnectionPool(**self._options, db=self.number)) as redis:
            followers.append(self._shift_expiry)
            yield redis
            followers.remove(self._shift_expiry)
        if not self._change_holder(self.number, self._owner, self._owner):
            raise RedisServerError(LOST.format(number=self.number))

    def close(self) -> None:
        """Empty the database and return it."""
        self._change_holder(self.number, self._owner, "")
        self._connection.close()

    def _lease(self) -> int:
        from redis import ResponseError

        for number in count(1):
            holder = self._connection.get(f"tests:database:{number}") or ""
            clients = self._connection.client_list()
            if any(client["db"] == str(number) or client["name"] == holder != "" for client in clients):
                continue
            try:
                if self._change_holder(number, str(holder), self._owner):
                    return number
            except ResponseError as error:
                raise RedisServerError(FULL) if "out of range" in str(error) else error from None
        raise AssertionError  # not reached

    def _change_holder(self, number: int, old: str, new: str) -> bool:
        key = f"tests:database:{number}"
        return bool(self._connection.eval(CHANGE_HOLDER, 1, key, old, new, str(number), str(self._home)))

    def _shift_expiry(self, step: timedelta) -> None:
        milliseconds = round(step / timedelta(milliseconds=1))
        self._connection.eval(SHIFT_EXPIRY, 0, str(self.number), str(milliseconds))


class RedisOutage:
    """Makes a client's commands fail: call it to begin, `end` to end."""

    def __init__(self, redis: "Redis") -> None:
        """Take the client; nothing fails yet."""
        self._pool: Any = redis.connection_pool

    def __call__(self, error: Exception | None = None) -> None:
        """Let each command raise `error`, by default redis.ConnectionError, until `end`."""
        from redis import ConnectionError as RedisConnectionError

        broken = error or RedisConnectionError("scripted: the connection is refused")

        def refused(*_: object, **__: object) -> None:
            raise broken

        # All clients, pipelines and subscriptions of this pool take their connections here.
        self._pool.get_connection = refused

    def end(self) -> None:
        """Let commands work again; what was kept is still there."""
        vars(self._pool).pop("get_connection", None)


def pytest_report_header() -> str | None:
    """Say that a real Redis is used, and that no data in it is touched; without the password."""
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        where = f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
    except ValueError:
        return None  # the first test that needs it says so
    return (
        f"Redis: TEST_REDIS_URL, {where}; the tests lease empty databases there, what has data is left alone"
    )


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis of this process: fakes, or a database on that of TEST_REDIS_URL. Tests take `redis_client`."""
    if not os.environ.get("TEST_REDIS_URL"):
        yield FakeServers()
        return
    leased = _leased()
    # Not pytest.fail(): a request of the app may be the first to ask, and its event loop wouldn't survive that.
    if isinstance(leased, str):
        refuse(leased)
    yield leased
    leased.close()


def _leased() -> LeasedDatabase | str:
    """Return a database, or why there is none: an error would have frames that show the URL with --showlocals."""
    try:
        return LeasedDatabase(os.environ["TEST_REDIS_URL"])
    except RedisServerError as error:
        return str(error)
