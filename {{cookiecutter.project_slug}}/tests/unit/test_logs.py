import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_tiers import FakeAI

from {{ cookiecutter.package_name }}.database import get_session
from {{ cookiecutter.package_name }}.logs import configure_logging

from tests.factories import Factory


@contextmanager
def logging_to_stdout(level: str = "INFO") -> Iterator[None]:
    """Configure logging as the service does when it starts, and put everything back afterwards.

    Not a fixture: pytest exchanges its own handlers between set-up and call.
    """
    root, http_client = logging.getLogger(), logging.getLogger("httpx2")
    handlers, levels, config = root.handlers, (root.level, http_client.level), structlog.get_config()
    root.handlers = []
    try:
        configure_logging(level)
        yield
    finally:
        root.handlers = handlers
        root.setLevel(levels[0])
        http_client.setLevel(levels[1])
        structlog.configure(**config)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was logged since the last call."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_request_has_an_id_of_its_own(client: TestClient) -> None:
    ids = {client.get("/nowhere").headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3
    assert all(len(request_id) == 32 for request_id in ids)


@pytest.mark.parametrize("offered", ["1", "a.b_c-D9", "x" * 64])
def test_a_plain_id_of_the_client_is_taken_over(offered: str, client: TestClient) -> None:
    response = client.get("/nowhere", headers={"X-Request-ID": offered})

    assert response.headers["x-request-id"] == offered
    assert response.json()["request_id"] == offered


@pytest.mark.parametrize(
    "offered",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 65, id="too long"),
        pytest.param("a b", id="space"),
        pytest.param('"},{"a":"', id="JSON"),
        pytest.param("../etc", id="path"),
        pytest.param("<b>", id="markup"),
        pytest.param(b"caf\xe9", id="not ASCII"),
    ],
)
def test_any_other_id_is_replaced(offered: str | bytes, client: TestClient) -> None:
    value = offered if isinstance(offered, bytes) else offered.encode()

    response = client.get("/nowhere", headers={b"X-Request-ID": value})

    assert len(response.headers["x-request-id"]) == 32
    assert response.headers["x-request-id"] == response.json()["request_id"]


def test_each_request_is_a_line_of_json(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to_stdout():
        client.get("/tickets?limit=5", headers={"X-Request-ID": "abc"})

    (line,) = lines(capsys)
    assert line.pop("ms") >= 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "path": "/tickets",
        "status": 200,
        "request_id": "abc",
    }


def test_a_line_break_in_a_path_does_not_break_the_line(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to_stdout():
        client.get("/a%0A%7B%22level%22%3A1%7D")

    assert [line["path"] for line in lines(capsys)] == ['/a\n{"level":1}']


def test_what_is_logged_during_a_request_has_its_id(
    client: TestClient, make: Factory, fake_ai: FakeAI, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/tickets/{make.ticket().id}/summary"
    fake_ai.fail(429)

    with logging_to_stdout():
        client.post(path, headers={"X-Request-ID": "abc"})

    failed, done = lines(capsys)
    assert (failed["event"], failed["error"]) == ("AI provider failed", "RateLimitError")
    assert (done["event"], done["status"]) == ("request", 503)
    assert failed["request_id"] == done["request_id"] == "abc"


def test_what_is_logged_after_a_request_has_no_id(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to_stdout():
        client.get("/nowhere")
        structlog.get_logger().info("idle")

    assert "request_id" not in lines(capsys)[-1]


def test_a_crash_is_logged_with_its_traceback_and_the_request_id(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Iterator[None]:
        raise RuntimeError("the disk is full")
        yield

    monkeypatch.setitem(app.dependency_overrides, get_session, broken)

    with logging_to_stdout():
        TestClient(app, raise_server_exceptions=False).get("/health", headers={"X-Request-ID": "abc"})

    logged = {line["event"]: line for line in lines(capsys)}
    assert logged["request"]["status"] == 500
    assert "RuntimeError: the disk is full" in logged["request crashed"]["exception"]
    assert logged["request crashed"]["request_id"] == "abc"


def test_what_libraries_log_is_json_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to_stdout():
        logging.getLogger("some.library").warning("lost %d of %s", 2, "naïve\nlines")

    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("lost 2 of naïve\nlines", "warning")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("DEBUG", ["debug", "info", "warning", "error"]),
        ("INFO", ["info", "warning", "error"]),
        ("WARNING", ["warning", "error"]),
        ("ERROR", ["error"]),
    ],
)
def test_lines_below_the_level_are_dropped(
    level: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to_stdout(level):
        for name in ["debug", "info", "warning", "error"]:
            getattr(structlog.get_logger(), name)("test")

    assert [line["level"] for line in lines(capsys)] == expected


def test_the_http_client_logs_no_line_for_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to_stdout():
        logging.getLogger("httpx2").info("HTTP Request: POST …")
        logging.getLogger("httpx2").warning("odd")

    assert [line["event"] for line in lines(capsys)] == ["odd"]
