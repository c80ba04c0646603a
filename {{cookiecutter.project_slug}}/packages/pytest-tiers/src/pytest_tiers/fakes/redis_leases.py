"""Databases of a real Redis, leased: each process has one of its own, which is empty before each test.

The URL's own database holds nothing but the leases, in keys that begin with `tests:database:`. Another one is leased only if it
is empty and nobody is connected to it, or if it was leased by a run that is gone: a lease holds for as long as there is a
connection of its name.

What belongs to the whole server and not to a database is not put back: its configuration, functions and scripts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from os import urandom  # the real one, also where a test has `seeded_random`
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from pytest_tiers.config import settings_of
from pytest_tiers.fakes.determinism import followers_of
from pytest_tiers.guards.network import allow

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


class LeasedDatabase:
    """A database of this process's own on a real Redis."""

    def __init__(self, url: str, config: pytest.Config) -> None:
        """Connect and lease one for a run of pytest, which may reach that Redis then.

        Raises RedisServerError, within 5 s.
        """
        self._owner = f"{settings_of(config).name}-tests-{urandom(8).hex()}"
        self._followers = followers_of(config)
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
                allow(config, "redis", self._options["path"], 0)
            else:
                host, port = self._options.get("host", "localhost"), self._options.get("port", 6379)
                allow(config, "redis", host, port)
            pool = redis.ConnectionPool(**self._options | limits | ours)
            self._connection = redis.Redis(connection_pool=pool, single_connection_client=True)
            self.number = self._lease()
            # Tells everybody that this database is in use.
            self._connection.select(self.number)
        except (redis.RedisError, OSError, TypeError) as error:  # TypeError: an unknown option in the URL
            raise RedisServerError(f"TEST_REDIS_URL can't be used: {error}\n{REMEDY}") from None

    @contextmanager
    def client(self) -> Iterator["redis.Redis"]:
        """Give a client of the database, which is emptied afterwards. Raises RedisServerError if the lease was lost."""
        with redis.Redis.from_pool(redis.ConnectionPool(**self._options, db=self.number)) as client:
            self._followers.append(self._shift_expiry)
            try:
                yield client
            finally:
                self._followers.remove(self._shift_expiry)
        if not self._change_holder(self.number, self._owner, self._owner):
            raise RedisServerError(LOST.format(number=self.number))

    def close(self) -> None:
        """Empty the database and return it."""
        self._change_holder(self.number, self._owner, "")
        self._connection.close()

    def _lease(self) -> int:
        for number in count(1):
            holder = self._connection.get(f"tests:database:{number}") or ""
            clients = self._connection.client_list()
            if any(client["db"] == str(number) or client["name"] == holder != "" for client in clients):
                continue
            try:
                if self._change_holder(number, str(holder), self._owner):
                    return number
            except redis.ResponseError as error:
                raise RedisServerError(FULL) if "out of range" in str(error) else error from None
        raise AssertionError  # not reached

    def _change_holder(self, number: int, old: str, new: str) -> bool:
        key = f"tests:database:{number}"
        return bool(self._connection.eval(CHANGE_HOLDER, 1, key, old, new, str(number), str(self._home)))

    def _shift_expiry(self, step: timedelta) -> None:
        milliseconds = round(step / timedelta(milliseconds=1))
        self._connection.eval(SHIFT_EXPIRY, 0, str(self.number), str(milliseconds))
