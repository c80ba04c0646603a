"""Errors as RFC 9457 has them."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from {{ cookiecutter.package_name }} import problems
from {{ cookiecutter.package_name }}.database import get_session
from {{ cookiecutter.package_name }}.logs import RequestLog
from {{ cookiecutter.package_name }}.problems import Problem

SECRET = "hunter2"
JSON = {"content-type": "application/json"}


def test_a_problem_has_the_members_of_the_standard() -> None:
    """An app of its own, for a problem with all that one can have."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(RequestLog)

    @app.get("/kettle")
    def brew() -> None:
        raise Problem(
            418, "no-coffee", "This is a teapot.", headers={"Retry-After": "60"}, capacity={"litres": 1}
        )

    response = TestClient(app).get("/kettle?strong=1", headers={"X-Request-ID": "abc"})

    assert response.status_code == 418
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "60"
    assert response.json() == {
        "type": "urn:problem:no-coffee",
        "title": "No coffee",
        "status": 418,
        "detail": "This is a teapot.",
        "instance": "/kettle",
        "request_id": "abc",
        "capacity": {"litres": 1},
    }


def test_an_unknown_path_is_a_problem(client: TestClient) -> None:
    response = client.get("/nowhere", headers={"X-Request-ID": "abc"})

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
        "instance": "/nowhere",
        "request_id": "abc",
    }


def test_a_wrong_method_is_a_problem_that_says_which_is_right(client: TestClient) -> None:
    response = client.delete("/customers")

    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"] == "POST"
    assert response.json()["title"] == "Method Not Allowed"


def test_an_invalid_request_is_a_problem_that_names_each_field(client: TestClient) -> None:
    response = client.post("/customers", json={"name": ""})

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "urn:problem:invalid-request"
    assert response.json()["errors"] == [
        {
            "loc": ["body", "name"],
            "msg": "String should have at least 1 character",
            "type": "string_too_short",
        },
        {"loc": ["body", "email"], "msg": "Field required", "type": "missing"},
    ]


def test_what_was_sent_is_not_sent_back(client: TestClient) -> None:
    response = client.post("/customers", json={"name": {"password": SECRET}, "email": SECRET, "more": SECRET})

    assert response.status_code == 422
    assert SECRET not in response.text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"name": ', id="cut off"),
        pytest.param(b'["Ada"]', id="a list"),
        pytest.param(b'{"name": "\\ud800", "email": "ada@example.com"}', id="half a character"),
        pytest.param(b'{"name": NaN, "email": "ada@example.com"}', id="no number"),
    ],
)
def test_a_body_that_is_no_customer_is_invalid(body: bytes, client: TestClient) -> None:
    response = client.post("/customers", content=body, headers=JSON)

    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:invalid-request")


def test_a_body_that_is_no_text_is_a_problem(client: TestClient) -> None:
    response = client.post("/customers", content=b"\xff", headers=JSON)

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


def test_a_crash_is_a_problem_that_shows_nothing_but_the_request_id(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[None]:
        raise RuntimeError(SECRET)
        yield

    monkeypatch.setitem(app.dependency_overrides, get_session, broken)

    # `client` would raise the error here, which helps in every other test.
    response = TestClient(app, raise_server_exceptions=False).get("/health", headers={"X-Request-ID": "abc"})

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == "abc"
    assert response.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "Something went wrong; quote the request id when you report it.",
        "instance": "/health",
        "request_id": "abc",
    }
