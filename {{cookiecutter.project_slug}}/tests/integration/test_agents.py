"""Claiming and closing, which lock rows: SQLite would silently not."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Priority, Status, Ticket

from tests.factories import Factory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_an_agent_gets_the_oldest_open_ticket(client: TestClient, make: Factory) -> None:
    make.ticket(created_at=NOON)
    oldest = make.ticket(created_at=NOON - timedelta(days=1)).id

    answer = client.post("/agents/grace/claim").json()

    assert (answer["id"], answer["status"], answer["claimed_by"]) == (oldest, "claimed", "grace")


def test_of_the_same_time_the_first_stored_is_claimed_first(client: TestClient, make: Factory) -> None:
    ids = [make.ticket(created_at=NOON).id for _ in range(3)]

    assert [client.post("/agents/grace/claim").json()["id"] for _ in ids] == ids


def test_priority_does_not_jump_the_queue(client: TestClient, make: Factory) -> None:
    oldest = make.ticket(priority=Priority.LOW).id
    make.ticket(priority=Priority.HIGH)

    assert client.post("/agents/grace/claim").json()["id"] == oldest


def test_claiming_notes_the_time(client: TestClient, db_session: Session, make: Factory) -> None:
    ticket = make.ticket()
    before = datetime.now(UTC)

    client.post("/agents/grace/claim")

    db_session.refresh(ticket)
    assert ticket.claimed_at is not None
    assert before <= ticket.claimed_at <= datetime.now(UTC)


def test_a_claimed_ticket_is_not_given_away_again(client: TestClient, make: Factory) -> None:
    make.ticket()

    answers = [client.post(f"/agents/{name}/claim") for name in ["ada", "grace"]]

    assert [answer.status_code for answer in answers] == [200, 204]


def test_claimed_and_closed_tickets_are_not_given_away(client: TestClient, make: Factory) -> None:
    make.ticket(status=Status.CLAIMED, claimed_by="ada")
    make.ticket(status=Status.CLOSED, closed_at=NOON)

    response = client.post("/agents/grace/claim")

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize("name", ["a", "x" * 100, "Grace.Hopper_1-2"])
def test_an_agent_may_have_any_plain_name(name: str, client: TestClient, make: Factory) -> None:
    make.ticket()

    assert client.post(f"/agents/{name}/claim").json()["claimed_by"] == name


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"status": Status.OPEN}, id="open"),
        pytest.param({"status": Status.CLAIMED, "claimed_by": "ada", "claimed_at": NOON}, id="claimed"),
    ],
)
def test_a_ticket_is_closed(
    values: dict[str, object], client: TestClient, db_session: Session, make: Factory
) -> None:
    ticket = make.ticket(**values)
    before = datetime.now(UTC)

    response = client.post(f"/tickets/{ticket.id}/close")

    assert (response.status_code, response.json()["status"]) == (200, "closed")
    db_session.refresh(ticket)
    assert ticket.closed_at is not None
    assert before <= ticket.closed_at <= datetime.now(UTC)
    assert ticket.claimed_by == values.get("claimed_by")


def test_a_closed_ticket_stays_as_it_was_closed(
    client: TestClient, db_session: Session, make: Factory
) -> None:
    ticket = make.ticket(status=Status.CLOSED, closed_at=NOON)

    response = client.post(f"/tickets/{ticket.id}/close")

    assert (response.status_code, response.json()["type"]) == (409, "urn:problem:already-closed")
    db_session.refresh(ticket)
    assert ticket.closed_at == NOON


def test_only_the_ticket_that_was_asked_for_is_closed(
    client: TestClient, db_session: Session, make: Factory
) -> None:
    tickets: list[Ticket] = [make.ticket() for _ in range(3)]

    client.post(f"/tickets/{tickets[1].id}/close")

    db_session.expire_all()
    assert [ticket.status for ticket in tickets] == [Status.OPEN, Status.CLOSED, Status.OPEN]


def test_a_ticket_that_does_not_exist_can_not_be_closed(client: TestClient, make: Factory) -> None:
    unknown = make.ticket().id + 1

    response = client.post(f"/tickets/{unknown}/close")

    assert (response.status_code, response.json()["type"]) == (404, "urn:problem:unknown-ticket")
