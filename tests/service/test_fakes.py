"""The fakes under a whole service: what it doesn't ask for, asks too often or never uses is found; a real Redis stands in."""

import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service import unavailable

pytestmark = pytest.mark.slow

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


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Give the URL of a Redis of the test's own."""
    program = shutil.which("redis-server")
    if program is None:
        unavailable(LookupError("there is no Redis here: apt install redis-server"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    password = f"hunter2-{secrets.token_hex(4)}"
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--requirepass",
        password,
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ready to accept connections" in line:
                break
        else:
            raise AssertionError("".join(said))
        try:
            yield f"redis://:{password}@127.0.0.1:{port}/0"
        finally:
            process.terminate()


def test_the_service_passes_on_a_real_redis(service, tmp_path):
    with redis_server(tmp_path) as url:
        done = service.nox("-s", "full", TEST_REDIS_URL=url)
    assert done.counts[0].keys() == {"passed"}
    assert "Redis: TEST_REDIS_URL, 127.0.0.1:" in done.stdout
    assert "hunter2" not in done.output


def test_what_a_fake_was_not_told_fails_the_test_and_says_so(clone_service):
    service = clone_service()
    (service.folder / "tests/unit/test_breaches.py").write_text(BREACHES)
    done = service.run(
        "uv", "run", "--locked", "pytest", "--tb=short", "tests/unit/test_breaches.py", status=1
    )
    assert done.counts == [{"failed": 5, "passed": 2, "error": 1}]
    parts = re.split(r"^_{3,} (?:ERROR at \w+ of )?test_(\w+) _{3,}$", done.stdout, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert said.keys() == FAILING.keys()
    for name, words in FAILING.items():
        assert re.search(words, said[name]), name
