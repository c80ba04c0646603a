"""The fakes of a rendered service: what they promise, proven by tests that pass and by tests that must fail; a real Redis."""

import json
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import unavailable

pytestmark = pytest.mark.slow

# Each of these passes, on fakeredis and on a real Redis.
PROMISES = r"""
import asyncio
import os
import random
import secrets
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import openai
import pytest
import redis
import structlog


@pytest.fixture
def ai(fake_ai):
    return openai.OpenAI(
        api_key="sk-test", max_retries=0, http_client=httpx2.Client(transport=fake_ai.transport)
    )


def ask(ai, text, **more):
    return ai.responses.create(model="m", input=text, **more)


def test_a_stream_comes_in_chunks(ai, fake_ai):
    fake_ai.stream("Hel", "lo 🎧", usage=(7, 2))
    events = list(ask(ai, "?", stream=True))
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == ["Hel", "lo 🎧"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert events[-1].response.usage.total_tokens == 9
    # The SDK's own validation, which it doesn't do by itself.
    for event in events:
        type(event).model_validate_json(event.model_dump_json(warnings="error"))


def test_the_helper_of_the_sdk_puts_a_stream_together(ai, fake_ai):
    fake_ai.stream("Hel", "lo")
    with ai.responses.stream(model="m", input="?") as stream:
        seen = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == "Hello"
    assert seen == ["Hel", "Hello"]


def test_a_stream_breaks_off(ai, fake_ai):
    fake_ai.stream("Hel", "lo", drop=True)
    seen = []
    with pytest.raises(openai.APIConnectionError) as error:
        for event in ask(ai, "?", stream=True):
            seen.append(getattr(event, "delta", event.type))
    assert isinstance(error.value.__cause__, httpx2.RemoteProtocolError)
    assert seen[-2:] == ["Hel", "lo"]


def test_an_answer_breaks_off(ai, fake_ai):
    fake_ai.reply("Hello", drop=True)
    with pytest.raises(openai.APIConnectionError):
        ask(ai, "?")


def test_the_form_of_an_answer_is_what_the_request_asks_for(ai, fake_ai):
    fake_ai.reply("Hello")
    fake_ai.stream("Hel", "lo")
    assert [event.delta for event in ask(ai, "?", stream=True) if "delta" in event.type] == ["Hello"]
    assert ask(ai, "?").output_text == "Hello"


def test_tokens_are_counted(ai, fake_ai):
    fake_ai.reply("Hello", usage=(1000, 50))
    response = ask(ai, "?")
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (1000, 50, 1050)
    type(response).model_validate_json(response.model_dump_json(warnings="error"))


def test_an_asynchronous_client_works_as_well(fake_ai):
    fake_ai.stream("Hel", "lo")
    fake_ai.reply("again")

    async def talk():
        http = httpx2.AsyncClient(transport=fake_ai.transport)
        async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http) as ai:
            stream = await ask(ai, "?", stream=True)
            deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            return deltas, (await ask(ai, "?")).output_text

    assert asyncio.run(talk()) == (["Hel", "lo"], "again")


def test_errors_are_those_of_the_sdk(ai, fake_ai):
    fake_ai.fail(429, retry_after=7)
    fake_ai.fail(503)
    fake_ai.time_out()
    fake_ai.break_connection()
    with pytest.raises(openai.RateLimitError) as error:
        ask(ai, "?")
    assert error.value.response.headers["retry-after"] == "7"
    for expected in openai.InternalServerError, openai.APITimeoutError, openai.APIConnectionError:
        with pytest.raises(expected):
            ask(ai, "?")


def test_a_malformed_body_is_passed_on(ai, fake_ai):
    fake_ai.malformed()
    with pytest.raises(ValueError, match="Unterminated string"):
        ask(ai, "?")


def test_answers_match_requests(ai, fake_ai):
    fake_ai.reply("to anything")
    fake_ai.reply("to a text", when='a "quoted"\nßtext')
    fake_ai.reply("to a model", when=lambda body: body["model"] == "big")
    assert ask(ai, "?").output_text == "to anything"
    assert ai.responses.create(model="big", input="?").output_text == "to a model"
    assert ask(ai, 'It has a "quoted"\nßtext in it').output_text == "to a text"
    assert [body["model"] for body in fake_ai.requests] == ["m", "big", "m"]


def test_threads_each_get_their_own_answer(ai, fake_ai):
    words = [f"word-{number}-" for number in range(32)]
    for word in words:
        fake_ai.reply(word, when=word)
    with ThreadPoolExecutor(8) as executor:
        assert [answer.output_text for answer in executor.map(lambda word: ask(ai, word), reversed(words))] == words[::-1]


@pytest.mark.parametrize("turn", range(8))
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
    assert (redis_client.get("key"), redis_client.ttl("key")) == (b"x", 30)


def test_an_outage_ends_with_its_test(redis_client):
    assert redis_client.ping()


def test_time_is_frozen(frozen_time):
    begun = time.monotonic(), time.perf_counter()
    before = datetime.now(UTC)
    assert before == datetime.now(UTC) == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert datetime.now() == before.replace(tzinfo=None)
    frozen_time.shift(1.5)
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(time.time).result() == before.timestamp() + 1.5
    frozen_time.move_to(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    assert (before - datetime.now(UTC)).days == 1
    assert 0 < time.monotonic() - begun[0] < 60
    assert 0 < time.perf_counter() - begun[1] < 60


def test_the_service_has_the_same_time(client, make, db_session, frozen_time, capsys):
    with structlog.testing.capture_logs(processors=[structlog.processors.TimeStamper(fmt="iso", utc=True)]) as lines:
        answer = client.post(f"/tickets/{make.ticket().id}/close").json()
    assert answer["closed_at"].startswith("2026-03-02T09:30:00")
    assert {line["timestamp"][:19] for line in lines} == {"2026-03-02T09:30:00"}


def test_time_goes_on_afterwards():
    assert datetime.now(UTC) != datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert time.time() < time.time() + time.perf_counter()


def draw():
    return [
        random.random(), str(uuid.uuid4()), secrets.token_hex(), secrets.randbelow(10**9), os.urandom(8).hex(),
        random.SystemRandom().random(),
    ]


@pytest.mark.parametrize("which", "ab")
def test_randomness_is_seeded(which, seeded_random):
    Path(os.environ["DRAWN"], which).write_text(repr([*draw(), seeded_random.random()]))


def test_randomness_goes_on_afterwards():
    Path(os.environ["DRAWN"], "unseeded").write_text(repr([draw(), random._urandom is os.urandom]))


def test_no_token_of_the_real_environment_is_visible():
    assert "DOPPLER_TOKEN" not in os.environ
    assert not [value for value in os.environ.values() if "hunter2" in value and "redis" not in value]


def test_doppler_has_a_token_of_its_own(fake_secrets):
    assert os.environ["DOPPLER_TOKEN"] == fake_secrets.TOKEN
"""

# Each of these fails, with the words behind it.
BREACHES = """
import pytest


def summarise(client, make, status):
    response = client.post(f"/tickets/{make.ticket(subject='No sound').id}/summary")
    assert response.status_code == status


def test_unscripted(client, make, fake_ai):
    summarise(client, make, 503)


def test_unmatched(client, make, fake_ai):
    fake_ai.reply("x", when="another text")
    summarise(client, make, 503)


def test_exhausted(client, make, fake_ai):
    fake_ai.reply("x")
    summarise(client, make, 200)
    summarise(client, make, 503)


def test_broken_condition(client, make, fake_ai):
    fake_ai.reply("x", when=lambda body: body["nonsense"])
    summarise(client, make, 503)


def test_unused(fake_ai):
    fake_ai.reply("x")
    fake_ai.fail(500, when="y")


def test_failed_before_its_answer_was_used(fake_ai):
    fake_ai.reply("x")
    assert not "reached"


def test_innocent(client, make, fake_ai):
    fake_ai.reply("x")
    summarise(client, make, 200)
"""
ASKED = r"nothing was scripted for it:\nPOST /v1/responses \{.*No sound.*\}\n"
NEXT = r"Script an answer first: fake_ai.reply\('…'\)"
FAILING = {
    "unscripted": rf"{ASKED}Scripted and not used yet: nothing\.\n{NEXT}",
    "unmatched": rf"{ASKED}Scripted and not used yet: reply\('x'\), when 'another text'\.\n{NEXT}",
    "exhausted": rf"{ASKED}Scripted and not used yet: nothing\.\n{NEXT}",
    "broken_condition": r"A `when` of fake_ai raised KeyError\('nonsense'\) for this request: \{.*No sound",
    "unused": r"never used: reply\('x'\), fail\(500\), when 'y'\.\nThe service asked less often than the test expects",
    "failed_before_its_answer_was_used": "assert not 'reached'",  # and nothing of the answer
}

LEASES = """
import os

import pytest
import redis

from tests.plugins.fake_redis import LeasedDatabase, RedisServerError

URL = os.environ["TEST_REDIS_URL"]


def database(number):
    return redis.Redis.from_url(f"{URL.removesuffix('/0')}/{number}")


def test_two_processes_and_one_that_was_killed(redis_client):
    first, second = LeasedDatabase(URL), LeasedDatabase(URL)
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
        third = LeasedDatabase(URL)
        assert third.number == first.number
        with third.client() as three:
            assert three.keys() == []
    second.close()
    third.close()
    assert redis_client.get("whose") == b"the test's"


def test_a_lost_lease_is_no_licence_to_flush():
    leased = LeasedDatabase(URL)
    with database(0) as registry, database(leased.number) as other:
        with pytest.raises(RedisServerError, match="isn't leased to this run any more"):
            with leased.client() as client:
                client.set("key", "x")
                registry.delete(f"tests:database:{leased.number}")
        leased.close()
        assert other.get("key") == b"x"
        other.flushdb()
"""
ONE = "def test_one(redis_client):\n    redis_client.set('key', 'x')\n"


@dataclass(frozen=True)
class RedisServer:
    """A real Redis, where to find it, and what `redis-cli` says about it."""

    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def cli(self, *arguments: str) -> str:
        command = ["redis-cli", "-p", str(self.port), "-a", self.password, "--no-auth-warning", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    @contextmanager
    def connected(self, database: int) -> Iterator[None]:
        """Hold a connection to a database."""
        with (
            socket.create_connection(("127.0.0.1", self.port)) as connection,
            connection.makefile("rb") as said,
        ):
            connection.sendall(f"AUTH {self.password}\r\nSELECT {database}\r\n".encode())
            assert [said.readline(), said.readline()] == [b"+OK\r\n"] * 2
            yield


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, with nine databases."""
    program = shutil.which("redis-server")
    if program is None or shutil.which("redis-cli") is None:
        unavailable(LookupError("there is no Redis here: apt install redis-server"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = RedisServer(free.getsockname()[1], f"hunter2-{secrets.token_hex(4)}")
    options = {"port": server.port, "bind": "127.0.0.1", "requirepass": server.password, "databases": 9}
    command = [program, *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
    with subprocess.Popen(
        [*command, "--save", "", "--dir", str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ready to accept connections" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield server
        process.terminate()


def pytest_(service, *arguments: str, status: int = 0, **environment: str):
    return service.run("uv", "run", "--locked", "pytest", *arguments, status=status, **environment)


def test_the_fakes_keep_their_promises_and_the_service_passes_on_a_real_redis(
    clone_service, redis_server, tmp_path
):
    service = clone_service()
    (service.folder / "tests/unit/test_promises.py").write_text(PROMISES)
    drawn = [tmp_path / "fake", tmp_path / "real"]
    for folder in drawn:
        folder.mkdir()
    token = {"DOPPLER_TOKEN": "dp.st.hunter2"}
    done = pytest_(service, "-n", "0", "tests/unit/test_promises.py", **token, DRAWN=str(drawn[0]))
    assert "TEST_REDIS_URL" not in done.output
    assert "doppler" not in done.output.lower()
    # A test that moved its time by years took the time it took.
    measured = json.loads((service.folder / ".cache/tests/durations.json").read_text())["tests"]
    (phases,) = measured["tests/unit/test_promises.py::test_time_to_live_follows_frozen_time"]["last"]
    assert 0 < sum(phases) < 60

    (service.folder / "tests/unit/test_leases.py").write_text(LEASES)
    # The registry's own database and another one have data, one has somebody who is connected, one was a killed run's.
    for number, key, value in [
        ("0", "precious", "0"),
        ("0", "tests:database:3", "helpdesk-tests-of-a-killed-run"),
        ("1", "precious", "1"),
        ("3", "left", "behind"),
    ]:
        redis_server.cli("-n", number, "SET", key, value)
    with redis_server.connected(2):
        command = ("-n", "2", "tests/unit", "tests/integration")
        done = pytest_(service, *command, **token, TEST_REDIS_URL=redis_server.url, DRAWN=str(drawn[1]))
    assert done.counts[0].keys() == {"passed"}
    assert f"Redis: TEST_REDIS_URL, 127.0.0.1:{redis_server.port};" in done.stdout
    assert redis_server.password not in done.output
    assert redis_server.cli("INFO", "keyspace").split()[2:] == [
        line for line in redis_server.cli("INFO", "keyspace").split() if re.match("db[01]:keys=1,", line)
    ]
    assert [redis_server.cli("-n", number, "GET", "precious") for number in "01"] == ["0", "1"]
    # Everybody else's databases were not even looked into.
    assert "cmdstat_flushall" not in redis_server.cli("INFO", "commandstats")

    seeded = [[(folder / name).read_text() for name in "ab"] for folder in drawn]
    assert seeded[0] == seeded[1], "another run or worker draws something else"
    assert seeded[0][0] != seeded[0][1], "two tests draw the same"
    unseeded = {(folder / "unseeded").read_text() for folder in drawn}
    assert len(unseeded) == 2
    assert all(text.endswith("True]") for text in unseeded)


def test_what_a_fake_was_not_told_fails_the_test_and_says_so(clone_service):
    service = clone_service()
    (service.folder / "tests/unit/test_breaches.py").write_text(BREACHES)
    done = pytest_(service, "--tb=short", "tests/unit/test_breaches.py", status=1)
    assert done.counts == [{"failed": 5, "passed": 2, "error": 1}]
    parts = re.split(r"^_{3,} (?:ERROR at \w+ of )?test_(\w+) _{3,}$", done.stdout, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert said.keys() == FAILING.keys()
    for name, words in FAILING.items():
        assert re.search(words, said[name]), name


def test_two_runs_at_once_lease_different_databases(clone_service, redis_server):
    service = clone_service()
    (service.folder / "tests/unit/test_promises.py").write_text(PROMISES)
    command = ("uv", "run", "--locked", "pytest", "-n", "1", "-k", "redis", "tests/unit/test_promises.py")
    environment = {"TEST_REDIS_URL": redis_server.url}
    with (
        service.started(*command, **environment) as first,
        service.started(*command, **environment) as second,
    ):
        for process in first, second:
            stdout, stderr = process.communicate()
            assert process.returncode == 0, stdout + stderr
    assert redis_server.cli("INFO", "keyspace") == "# Keyspace"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:{password}@127.0.0.1:1/0", "can't be used: Error 111 connecting to 127.0.0.1:1"),
        ("redis://:{password}@127.0.0.1:{silent}/0", "can't be used: Timeout"),
        ("redis://:{password}@redis.invalid", "can't be used: .*not known"),
        ("redis://:{password}-wrong@127.0.0.1:{port}", "can't be used: .*invalid username-password pair"),
        ("unix:///nowhere/{password}-not/redis.sock", "can't be used: Error 2 connecting"),
        ("http://:{password}@127.0.0.1:{port}", "is not a URL of Redis: redis://user:password@host:port/0"),
        ("redis://:{password}@127.0.0.1:port", "is not a URL of Redis: redis://user:password@host:port/0"),
        ("redis://:{password}@127.0.0.1:{port}", "redis-server --databases 64"),
    ],
)
def test_a_redis_that_cant_be_used_is_explained_without_the_password(clone_service, redis_server, url, words):
    service = clone_service()
    (service.folder / "tests/unit/test_one.py").write_text(ONE)
    for number in range(1, 9):
        redis_server.cli("-n", str(number), "SET", "precious", "x")
    with socket.create_server(("127.0.0.1", 0)) as listening:  # and never answering
        silent = listening.getsockname()[1]
        given = url.format(password=redis_server.password, port=redis_server.port, silent=silent)
        done = pytest_(service, "tests/unit/test_one.py", status=1, TEST_REDIS_URL=given)
    assert re.search(words, done.stdout), done
    assert "Correct it, or unset it" in done.stdout or "Remove the data from one" in done.stdout
    if "nowhere" not in url:
        assert redis_server.password not in done.output
    assert done.counts == [{"error": 1}], "nothing falls back to the fake"
