"""Times and text, there and back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Customer, Ticket

from tests.factories import Factory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_time_is_the_same_in_every_time_zone(db_session: Session, make: Factory) -> None:
    ticket = make.ticket(created_at=NOON)
    db_session.execute(text("SET LOCAL TIME ZONE INTERVAL '+05:30' HOUR TO MINUTE"))
    db_session.expire(ticket)

    stored = db_session.scalar(text("SELECT created_at::text FROM tickets"))

    assert stored == "2026-01-02 17:30:00+05:30"
    assert ticket.created_at == NOON
    assert ticket.created_at.tzinfo is UTC


def test_an_hour_that_comes_twice_is_two_hours(client: TestClient, make: Factory) -> None:
    """When the clocks go back, 2:30 is followed by another 2:30."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=2)))
    second = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1)))
    ids = [make.ticket(created_at=second).id, make.ticket(created_at=first).id]

    tickets = client.get("/tickets").json()["items"]

    assert [ticket["id"] for ticket in tickets] == ids
    times = [datetime.fromisoformat(ticket["created_at"]) for ticket in tickets]
    assert times[0] - times[1] == timedelta(hours=1)


def test_a_microsecond_is_kept(db_session: Session, make: Factory) -> None:
    ticket = make.ticket(created_at=NOON + timedelta(microseconds=1))
    db_session.expire(ticket)

    assert ticket.created_at.microsecond == 1


def test_the_database_notes_when_a_customer_was_created(db_session: Session, make: Factory) -> None:
    customer = make.customer()

    now = db_session.scalar(text("SELECT now()"))

    assert customer.created_at == now
    assert customer.created_at.tzinfo is UTC


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Müller-Łukasz",
        "山田太郎",
        "محمد",
        "👩🏽‍🚀",
        "e\u0301",
        "Robert'); DROP TABLE customers;--",
        "100 % %s {0} \\n",
        "\U0001f600" * 200,
    ],
    ids=["Latin", "Japanese", "Arabic", "joined emoji", "combining accent", "SQL", "formats", "long emoji"],
)
def test_text_comes_back_as_it_was_sent(name: str, client: TestClient, db_session: Session) -> None:
    response = client.post("/customers", json={"name": name, "email": "somebody@example.com"})

    assert response.status_code == 201
    assert response.json()["name"] == name
    assert db_session.get_one(Customer, response.json()["id"]).name == name


def test_a_long_text_with_line_breaks_comes_back_as_it_was_sent(
    client: TestClient, db_session: Session, make: Factory
) -> None:
    body = "\r\n".join(["Zeile", "", "\třádek 第三"] * 500)

    response = client.post("/tickets", json={"customer_id": make.customer().id, "subject": "…", "body": body})

    assert response.status_code == 201
    assert db_session.get_one(Ticket, response.json()["id"]).body == body
