import time
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_tiers import FakeAI, FrozenTime, RedisOutage

from {{ cookiecutter.package_name }}.ai import INSTRUCTIONS, Summarizer, get_summarizer
from {{ cookiecutter.package_name }}.cache import SummaryCache, get_cache
from {{ cookiecutter.package_name }}.settings import Settings

from tests.factories import Factory

if TYPE_CHECKING:
    from redis import Redis


def test_a_ticket_is_summarised(client: TestClient, make: Factory, fake_ai: FakeAI) -> None:
    ticket = make.ticket()
    fake_ai.reply(" No sound.\n")

    response = client.post(f"/tickets/{ticket.id}/summary")

    assert response.status_code == 200
    assert response.json() == {"ticket_id": ticket.id, "summary": "No sound.", "cached": False}


def test_the_model_of_the_settings_is_asked_about_this_ticket(
    client: TestClient, make: Factory, fake_ai: FakeAI, settings: Settings
) -> None:
    make.ticket()
    ticket = make.ticket(subject="No sound", body="My headphones are silent: 🎧")
    fake_ai.reply("No sound.")

    client.post(f"/tickets/{ticket.id}/summary")

    (request,) = fake_ai.requests
    assert request["model"] == settings.openai_model
    assert request["instructions"] == INSTRUCTIONS
    assert request["input"] == "No sound\n\nMy headphones are silent: 🎧"


def test_the_provider_is_asked_once_for_a_ticket(client: TestClient, make: Factory, fake_ai: FakeAI) -> None:
    ticket = make.ticket()
    fake_ai.reply("Kein Ton: 🎧")

    client.post(f"/tickets/{ticket.id}/summary")
    second = client.post(f"/tickets/{ticket.id}/summary").json()

    assert second == {"ticket_id": ticket.id, "summary": "Kein Ton: 🎧", "cached": True}
    assert len(fake_ai.requests) == 1


def test_each_ticket_has_a_summary_of_its_own(client: TestClient, make: Factory, fake_ai: FakeAI) -> None:
    tickets = [make.ticket(), make.ticket()]
    fake_ai.reply("first")
    fake_ai.reply("second")

    for _ in range(2):
        answers = [client.post(f"/tickets/{ticket.id}/summary").json() for ticket in tickets]

    assert [answer["summary"] for answer in answers] == ["first", "second"]
    assert all(answer["cached"] for answer in answers)


def test_a_summary_is_kept_for_as_long_as_the_settings_say(
    client: TestClient, make: Factory, fake_ai: FakeAI, frozen_time: FrozenTime, settings: Settings
) -> None:
    ticket = make.ticket()
    fake_ai.reply("old")
    fake_ai.reply("new")

    answers = []
    for seconds in [0, settings.summary_ttl - 10, 11]:
        frozen_time.shift(seconds)
        answers.append(client.post(f"/tickets/{ticket.id}/summary").json())

    assert [answer["summary"] for answer in answers] == ["old", "old", "new"]
    assert [answer["cached"] for answer in answers] == [False, True, False]


def test_nothing_else_is_kept(
    client: TestClient, make: Factory, fake_ai: FakeAI, redis_client: "Redis", settings: Settings
) -> None:
    fake_ai.reply("No sound.")

    client.post(f"/tickets/{make.ticket().id}/summary")

    (key,) = redis_client.keys()
    assert settings.summary_ttl - 10 < redis_client.ttl(key) <= settings.summary_ttl


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_an_error_of_the_provider_is_a_503_that_says_when_to_ask_again(
    status: int, client: TestClient, make: Factory, fake_ai: FakeAI
) -> None:
    ticket = make.ticket()
    fake_ai.fail(status)

    response = client.post(f"/tickets/{ticket.id}/summary")

    assert (response.status_code, response.json()["type"]) == (503, "urn:problem:summary-unavailable")
    assert response.headers["retry-after"] == "30"
    assert "scripted" not in response.text


@pytest.mark.parametrize(
    ("asked", "passed_on"),
    [("7", "7"), ("0", "0"), ("Wed, 21 Oct 2026 07:28:00 GMT", "30"), ("-5", "30"), ("", "30")],
)
def test_the_time_that_the_provider_asks_for_is_passed_on(
    asked: str, passed_on: str, client: TestClient, make: Factory, fake_ai: FakeAI
) -> None:
    ticket = make.ticket()
    fake_ai.fail(429, headers={"retry-after": asked})

    response = client.post(f"/tickets/{ticket.id}/summary")

    assert (response.status_code, response.headers["retry-after"]) == (503, passed_on)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("refused"),
        httpx2.ConnectTimeout("slow"),
        httpx2.ReadTimeout("slow"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_provider_that_can_not_be_reached_is_a_503(
    error: Exception, client: TestClient, make: Factory, fake_ai: FakeAI
) -> None:
    ticket = make.ticket()
    fake_ai.break_connection(error)

    response = client.post(f"/tickets/{ticket.id}/summary")

    assert (response.status_code, response.headers["retry-after"]) == (503, "30")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"output": []}, id="empty"),
        pytest.param({}, id="no output"),
        pytest.param({"output": [{"type": "message"}]}, id="no content"),
        pytest.param([], id="a list"),
        pytest.param("<html>", id="text"),
        pytest.param(None, id="null"),
    ],
)
def test_an_answer_without_a_summary_is_a_503(
    body: object, client: TestClient, make: Factory, fake_ai: FakeAI
) -> None:
    ticket = make.ticket()
    fake_ai.respond(200, body)

    response = client.post(f"/tickets/{ticket.id}/summary")

    assert (response.status_code, response.headers["retry-after"]) == (503, "30")


def test_an_answer_that_is_no_json_is_a_503(client: TestClient, make: Factory, fake_ai: FakeAI) -> None:
    ticket = make.ticket()
    fake_ai.malformed()

    assert client.post(f"/tickets/{ticket.id}/summary").status_code == 503


def test_an_answer_that_breaks_off_is_a_503(client: TestClient, make: Factory, fake_ai: FakeAI) -> None:
    ticket = make.ticket()
    fake_ai.reply("No sound.", drop=True)

    assert client.post(f"/tickets/{ticket.id}/summary").status_code == 503


def test_a_blank_summary_is_a_503(client: TestClient, make: Factory, fake_ai: FakeAI) -> None:
    ticket = make.ticket()
    fake_ai.reply(" \n")

    assert client.post(f"/tickets/{ticket.id}/summary").status_code == 503


def test_a_failure_is_not_kept(client: TestClient, make: Factory, fake_ai: FakeAI) -> None:
    ticket = make.ticket()
    fake_ai.fail(500)
    fake_ai.reply("No sound.")

    client.post(f"/tickets/{ticket.id}/summary")
    answer = client.post(f"/tickets/{ticket.id}/summary").json()

    assert (answer["summary"], answer["cached"]) == ("No sound.", False)


def test_a_request_is_repeated_as_often_as_the_settings_say(
    app: FastAPI,
    client: TestClient,
    make: Factory,
    fake_ai: FakeAI,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patient = Summarizer(settings.model_copy(update={"openai_max_retries": 3}), transport=fake_ai.transport)
    app.dependency_overrides[get_summarizer] = lambda: patient
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    ticket = make.ticket()
    fake_ai.fail(429, retry_after=7)
    fake_ai.time_out()
    fake_ai.reply("No sound.", drop=True)
    fake_ai.reply("No sound.")

    response = client.post(f"/tickets/{ticket.id}/summary")

    assert response.json()["summary"] == "No sound."
    assert len(fake_ai.requests) == 4
    assert waits[0] == 7


def test_without_a_key_there_are_no_summaries(
    app: FastAPI, client: TestClient, make: Factory, settings: Settings
) -> None:
    keyless = Summarizer(settings.model_copy(update={"openai_api_key": None}))
    app.dependency_overrides[get_summarizer] = lambda: keyless

    response = client.post(f"/tickets/{make.ticket().id}/summary")

    assert response.status_code == 503
    assert "set OPENAI_API_KEY" in response.json()["detail"]


def test_without_redis_the_provider_is_asked_each_time(
    app: FastAPI, client: TestClient, make: Factory, fake_ai: FakeAI
) -> None:
    app.dependency_overrides[get_cache] = lambda: SummaryCache(None, ttl=60)
    ticket = make.ticket()

    for summary in ["first", "second"]:
        fake_ai.reply(summary)
        answer = client.post(f"/tickets/{ticket.id}/summary").json()
        assert answer == {"ticket_id": ticket.id, "summary": summary, "cached": False}


@pytest.mark.parametrize("error", ["ConnectionError", "TimeoutError"])
def test_redis_may_come_and_go(
    error: str, client: TestClient, make: Factory, fake_ai: FakeAI, redis_outage: RedisOutage
) -> None:
    import redis

    ticket = make.ticket()
    fake_ai.reply("kept")
    fake_ai.reply("during the outage")

    answers = [client.post(f"/tickets/{ticket.id}/summary").json()]
    redis_outage(getattr(redis, error)("down"))
    answers.append(client.post(f"/tickets/{ticket.id}/summary").json())
    redis_outage.end()
    answers.append(client.post(f"/tickets/{ticket.id}/summary").json())

    assert [answer["summary"] for answer in answers] == ["kept", "during the outage", "kept"]
    assert [answer["cached"] for answer in answers] == [False, False, True]
