"""Redis for tests: the fake and a real one keep the same promises; databases of a real one are leased, and given back."""

import re
import socket

import pytest
from pytest_tiers.fakes import redis_server

# Each of these passes, on fakeredis and on a real Redis.
PROMISES = """
import os
from datetime import UTC, datetime

import pytest
import redis


@pytest.mark.parametrize("turn", range(4))
def test_each_redis_is_empty(turn, redis_client):
    assert redis_client.keys() == []
    redis_client.set(f"turn {turn}", "x")
    redis_client.set("old", "x", px=60_000)


def test_time_to_live_follows_frozen_time(redis_client, frozen_time):
    redis_client.set("minute", "x", ex=60)
    redis_client.set("hour", "x", ex=3600)
    redis_client.set("ever", "x")
    frozen_time.shift(50)
    assert (redis_client.get("minute"), redis_client.ttl("minute")) == (b"x", 10)
    frozen_time.shift(11)
    assert redis_client.get("minute") is None
    assert redis_client.ttl("hour") == 3539
    frozen_time.shift(-539)
    assert redis_client.ttl("hour") == 4078
    frozen_time.move_to(datetime(2030, 1, 1, tzinfo=UTC))
    assert redis_client.keys() == [b"ever"]


def test_only_clients_of_the_test_follow(frozen_time):
    frozen_time.shift(1)


def test_redis_fails_on_demand(redis_client, redis_outage, frozen_time):
    redis_client.set("key", "x", ex=60)
    for error, given in [(redis.ConnectionError, None), (redis.TimeoutError, redis.TimeoutError("slow"))]:
        redis_outage(given)
        with pytest.raises(error):
            redis_client.get("key")
        with pytest.raises(error):
            redis_client.pipeline().get("key").execute()
    frozen_time.shift(30)
    redis_outage.end()
    redis_outage.end()
    assert (redis_client.get("key"), redis_client.ttl("key")) == (b"x", 30)


def test_an_outage_lasts_until_the_end(redis_outage):
    redis_outage()


def test_an_outage_ends_with_its_test(redis_client):
    assert redis_client.ping()
"""


def promises(suite):
    return suite({"tests/unit/test_promises.py": PROMISES})


def test_the_fake_keeps_its_promises(suite):
    result = promises(suite).runpytest_inprocess("-v")
    result.assert_outcomes(passed=9)
    result.stdout.no_fnmatch_line("*TEST_REDIS_URL*")


def test_an_outage_ends_with_its_test_where_a_suite_has_one_client_for_all(suite):
    tests = """
import pytest


@pytest.fixture(scope="session")
def redis_client(redis_server):
    with redis_server.client() as redis:
        yield redis


def test_an_outage_lasts_until_the_end(redis_outage):
    redis_outage()


def test_and_no_longer(redis_client):
    assert redis_client.ping()
"""
    suite({"tests/unit/test_a.py": tests}).runpytest_inprocess("-n0").assert_outcomes(passed=2)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_real_one_keeps_them_as_well_and_is_left_as_it_was(suite, real_redis, monkeypatch, workers):
    # Its own database and another one have data, one has somebody who is connected, one was a killed run's.
    for number, key, value in [
        ("0", "precious", "0"),
        ("0", "tests:database:3", "shop-tests-of-a-killed-run"),
        ("1", "precious", "1"),
        ("3", "left", "behind"),
    ]:
        real_redis.cli("-n", number, "SET", key, value)
    monkeypatch.setenv("TEST_REDIS_URL", real_redis.url)
    with real_redis.connected(2):
        result = promises(suite).runpytest_subprocess("-v", "-n", workers)
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(
        [f"Redis: TEST_REDIS_URL, 127.0.0.1:{real_redis.port};*what has data is left alone"]
    )
    assert real_redis.password not in result.stdout.str() + result.stderr.str()
    assert real_redis.keys == {0: 1, 1: 1}, (
        "leases and data of the tests are gone, that of the killed run, too"
    )
    assert [real_redis.cli("-n", number, "GET", "precious") for number in "01"] == ["0", "1"]
    assert "cmdstat_flushall" not in real_redis.cli("INFO", "commandstats")


def test_two_runs_at_once_lease_different_databases(suite, real_redis, monkeypatch):
    monkeypatch.setenv("TEST_REDIS_URL", real_redis.url)
    inner = """
    import os, subprocess, sys

    def test_outer(redis_client):
        redis_client.set("whose", "the outer's")
        if "INNER" not in os.environ:
            os.environ["INNER"] = "1"
            again = [sys.executable, "-m", "pytest", "-q", __file__]
            os.environ["TEST_REDIS_URL"] = {url!r}
            assert subprocess.run(again).returncode == 0
            del os.environ["INNER"]
        assert redis_client.keys() == [b"whose"]
    """.replace("\n    ", "\n").format(url=real_redis.url)
    suite({"tests/integration/test_a.py": inner}).runpytest_subprocess("-n0").assert_outcomes(passed=1)
    assert real_redis.keys == {}


LEASES = """
import os

import pytest
import redis

from pytest_tiers.fakes.redis_leases import LeasedDatabase, RedisServerError

URL = os.environ["TEST_REDIS_URL"]


def database(number):
    return redis.Redis.from_url(f"{URL.removesuffix('/0')}/{number}")


def test_two_processes_and_one_that_was_killed(redis_client, pytestconfig):
    first, second = LeasedDatabase(URL, pytestconfig), LeasedDatabase(URL, pytestconfig)
    redis_client.set("whose", "the test's")
    with second.client() as two:
        two.set("whose", "the second's")
        with first.client() as one:
            one.set("whose", "the first's")
        with first.client() as one:
            assert one.keys() == []
        assert two.get("whose") == b"the second's"
        # Killed: its lease and its data stay, its connections don't.
        with database(first.number) as killed:
            killed.set("left", "behind")
        for client in redis_client.client_list():
            if client["db"] == str(first.number):
                redis_client.client_kill_filter(_id=client["id"])
        third = LeasedDatabase(URL, pytestconfig)
        assert third.number == first.number
        with third.client() as three:
            assert three.keys() == []
    second.close()
    third.close()
    assert redis_client.get("whose") == b"the test's"


def test_a_lost_lease_is_no_licence_to_flush(pytestconfig):
    leased = LeasedDatabase(URL, pytestconfig)
    with database(0) as registry, database(leased.number) as other:
        with pytest.raises(RedisServerError, match="isn't leased to this run any more"):
            with leased.client() as client:
                client.set("key", "x")
                registry.delete(f"tests:database:{leased.number}")
        leased.close()
        assert other.get("key") == b"x"
        other.flushdb()


def test_a_client_that_ended_follows_no_time(pytestconfig, frozen_time):
    leased = LeasedDatabase(URL, pytestconfig)
    with leased.client() as client:
        client.set("key", "x", ex=60)
        frozen_time.shift(20)
        assert client.ttl("key") == 40
    leased.close()
    frozen_time.shift(20)


def test_a_lease_names_the_project(redis_client):
    with database(0) as registry:
        assert registry.get("tests:database:1").startswith(b"shop-tests-")
"""


def test_leases(suite, real_redis, monkeypatch):
    monkeypatch.setenv("TEST_REDIS_URL", real_redis.url)
    suite({"tests/integration/test_leases.py": LEASES}).runpytest_inprocess("-n0").assert_outcomes(passed=4)
    assert real_redis.keys == {}


ONE = "def test_one(redis_client):\n    redis_client.set('key', 'x')\n"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:{password}@127.0.0.1:1/0", r"can't be used: Error 111 connecting to 127\.0\.0\.1:1"),
        ("redis://:{password}@127.0.0.1:{silent}/0", "can't be used: Timeout"),
        ("redis://:{password}-wrong@127.0.0.1:{port}", "can't be used: .*invalid username-password pair"),
        ("redis://:{password}@127.0.0.1:{port}?nonsense=1", "can't be used: .*nonsense"),
        ("unix:///nowhere/redis.sock?password={password}", "can't be used: Error 2 connecting"),
        ("http://:{password}@127.0.0.1:{port}", "is not a URL of Redis: redis://user:password@host:port/0"),
        ("redis://:{password}@127.0.0.1:port", "is not a URL of Redis: redis://user:password@host:port/0"),
        ("redis://:{password}@127.0.0.1:{port}", "redis-server --databases 64"),
    ],
)
def test_a_redis_that_cant_be_used_is_explained_without_the_password(
    suite, real_redis, monkeypatch, url, words
):
    for number in range(1, 9):
        real_redis.cli("-n", str(number), "SET", "precious", "x")
    with socket.create_server(("127.0.0.1", 0)) as listening:  # and never answering
        silent = listening.getsockname()[1]
        given = url.format(password=real_redis.password, port=real_redis.port, silent=silent)
        monkeypatch.setenv("TEST_REDIS_URL", given)
        pytester = suite({"tests/unit/test_one.py": ONE})
        result = pytester.runpytest_inprocess("--showlocals", "-n0")
    said = result.stdout.str() + result.stderr.str()
    assert re.search(words, said)
    assert "Correct it, or unset it to use fakeredis" in said or "Remove the data from one" in said
    assert real_redis.password not in said
    result.assert_outcomes(errors=1)  # nothing falls back to the fake


def test_a_bad_url_fails_the_test_even_if_the_code_under_test_copes(suite, monkeypatch):
    monkeypatch.setenv("TEST_REDIS_URL", "http://x")
    copes = """
def test_copes(request):
    try:
        request.getfixturevalue("redis_client")
    except Exception:
        pass
"""
    result = suite({"tests/unit/test_one.py": copes}).runpytest_inprocess("-n0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*TEST_REDIS_URL is not a URL of Redis*"])


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://user:hunter2@redis.example", "redis.example:6379"),
        ("rediss://user:hunter2@redis.example:7000/3", "redis.example:7000"),
        ("unix:///run/redis.sock?password=hunter2", "/run/redis.sock"),
    ],
)
def test_the_header_says_where_without_the_password(monkeypatch, url, where):
    monkeypatch.setenv("TEST_REDIS_URL", url)
    said = redis_server.pytest_report_header()
    assert said.startswith(f"Redis: TEST_REDIS_URL, {where}; the tests lease empty databases there")
    assert "hunter2" not in said


@pytest.mark.parametrize("url", ["", "redis://host:port"])
def test_the_header_says_nothing_of_none_or_of_one_that_is_wrong(monkeypatch, url):
    monkeypatch.setenv("TEST_REDIS_URL", url)
    assert redis_server.pytest_report_header() is None


def test_an_error_of_the_server_that_isnt_about_its_size_is_passed_on(suite, real_redis, monkeypatch):
    monkeypatch.setenv("TEST_REDIS_URL", real_redis.url)
    real_redis.cli("ACL", "SETUSER", "default", "-eval")
    result = suite({"tests/unit/test_one.py": ONE}).runpytest_inprocess("-n0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TEST_REDIS_URL can't be used: *permission*"])
