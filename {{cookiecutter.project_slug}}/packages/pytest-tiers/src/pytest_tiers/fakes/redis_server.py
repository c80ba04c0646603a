"""Redis for the tests: fakeredis, or the real one that TEST_REDIS_URL names."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import pytest

from pytest_tiers.fakes.extras import need
from pytest_tiers.guards import refuse

if TYPE_CHECKING:
    from redis import Redis

    from pytest_tiers.fakes.redis_leases import LeasedDatabase


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
def redis_server(pytestconfig: pytest.Config) -> Iterator[RedisServer]:
    """The Redis of this process: fakes, or a database on that of TEST_REDIS_URL. Tests take `redis_client`."""
    if not os.environ.get(
        "TEST_REDIS_URL"
    ):  # in no variable, which --showlocals would show with the password
        need("redis", "redis", "fakeredis")
        yield FakeServers()
        return
    need("redis", "redis")
    leased = _leased(pytestconfig)
    # Not pytest.fail(): a request of the app may be the first to ask, and its event loop wouldn't survive that.
    if isinstance(leased, str):
        refuse(leased)
    yield leased
    leased.close()


def _leased(config: pytest.Config) -> "LeasedDatabase | str":
    """Return a database, or why there is none: an error would have frames that show the URL with --showlocals."""
    from pytest_tiers.fakes.redis_leases import LeasedDatabase, RedisServerError

    try:
        return LeasedDatabase(os.environ["TEST_REDIS_URL"], config)
    except RedisServerError as error:
        return str(error)


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator["Redis"]:
    """A Redis client on a fake server of its own; with TEST_REDIS_URL, on an empty database of a real one."""
    with redis_server.client() as redis:
        yield redis


@pytest.fixture
def redis_outage(redis_client: "Redis") -> Iterator[RedisOutage]:
    """Takes Redis down when it is called: `redis_outage()`, `redis_outage(redis.TimeoutError())`; `redis_outage.end()`."""
    outage = RedisOutage(redis_client)
    yield outage
    outage.end()
