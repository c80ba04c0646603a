"""Summaries kept in Redis. A cache that is down makes the service slower, never wrong."""

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends, Request

if TYPE_CHECKING:
    from redis import Redis


class SummaryCache:
    """Summaries by ticket, each for `ttl` seconds."""

    def __init__(self, redis: "Redis | None", *, ttl: int) -> None:
        """Keep summaries in `redis`; None keeps nothing."""
        self.redis = redis
        self.ttl = ttl

    def get(self, ticket_id: int) -> str | None:
        """Return the summary of a ticket; None if there is none, or Redis is down."""
        if self.redis is None:
            return None
        from redis import RedisError

        try:
            value = self.redis.get(_key(ticket_id))
        except RedisError as error:
            structlog.get_logger().warning("cache unavailable", error=str(error))
            return None
        return value.decode() if isinstance(value, bytes) else None

    def put(self, ticket_id: int, summary: str) -> None:
        """Keep the summary of a ticket. Does nothing if Redis is down."""
        if self.redis is None:
            return
        from redis import RedisError

        try:
            self.redis.set(_key(ticket_id), summary, ex=self.ttl)
        except RedisError as error:
            structlog.get_logger().warning("cache unavailable", error=str(error))

    def ping(self) -> str:
        """Return `ok`, `down`, or `off` if there is no Redis."""
        if self.redis is None:
            return "off"
        from redis import RedisError

        try:
            self.redis.ping()
        except RedisError:
            return "down"
        return "ok"


def _key(ticket_id: int) -> str:
    return f"ticket:{ticket_id}:summary"


class RedisServer:
    """The Redis that the settings name. Imported and connected on first use."""

    def __init__(self, url: str | None) -> None:
        """Take a URL such as `redis://host:6379/0`; None means there is no Redis."""
        self.url = url

    @cached_property
    def client(self) -> "Redis | None":
        """The client, with short time-outs: waiting for a cache is worse than doing without."""
        if self.url is None:
            return None
        from redis import Redis

        return Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1)

    def close(self) -> None:
        """Close the connections, if there are any."""
        client = self.__dict__.get("client")
        if client is not None:
            client.close()


def get_cache(request: Request) -> SummaryCache:
    """Give the request the cache."""
    redis: RedisServer = request.app.state.redis
    return SummaryCache(redis.client, ttl=request.app.state.settings.summary_ttl)


RequestCache = Annotated[SummaryCache, Depends(get_cache)]
