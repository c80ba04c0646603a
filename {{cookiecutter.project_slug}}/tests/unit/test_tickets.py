from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Priority, Status, Ticket

from tests.factories import Factory


def ticket_for(customer_id: int, **values: Any) -> dict[str, Any]:
    """Return a valid request body."""
    return {"customer_id": customer_id, "subject": "No sound", "body": "Silence."} | values


def test_a_ticket_is_opened(client: TestClient, make: Factory) -> None:
    customer = make.customer()

    response = client.post("/tickets", json=ticket_for(customer.id, priority="high"))

    assert response.status_code == 201
    answer = response.json()
    assert answer.pop("id") is not None
    assert answer.pop("created_at").endswith("Z")
    assert answer == {
        "customer_id": customer.id,
        "subject": "No sound",
        "body": "Silence.",
        "status": "open",
        "priority": "high",
        "claimed_by": None,
        "claimed_at": None,
        "closed_at": None,
    }


def test_the_answer_says_where_the_new_ticket_is(client: TestClient, make: Factory) -> None:
    response = client.post("/tickets", json=ticket_for(make.customer().id))

    assert client.get(response.headers["location"]).json() == response.json()


def test_a_ticket_needs_a_customer_that_exists(
    client: TestClient, db_session: Session, make: Factory
) -> None:
    unknown = make.customer().id + 1

    response = client.post("/tickets", json=ticket_for(unknown))

    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:unknown-customer")
    assert str(unknown) in response.json()["detail"]
    assert db_session.scalar(select(func.count()).select_from(Ticket)) == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"customer_id": None}, "customer_id", id="no customer"),
        pytest.param({"customer_id": 0}, "customer_id", id="customer zero"),
        pytest.param({"customer_id": 2**31}, "customer_id", id="customer id too large for the database"),
        pytest.param({"subject": " "}, "subject", id="blank subject"),
        pytest.param({"subject": "x" * 201}, "subject", id="long subject"),
        pytest.param({"subject": "\0"}, "subject", id="NUL in the subject"),
        pytest.param({"body": ""}, "body", id="no body"),
        pytest.param({"body": "x" * 20_001}, "body", id="long body"),
        pytest.param({"body": "a\0b"}, "body", id="NUL in the body"),
        pytest.param({"priority": "urgent"}, "priority", id="unknown priority"),
    ],
)
def test_an_invalid_ticket_is_refused(
    change: dict[str, Any], field: str, client: TestClient, db_session: Session, make: Factory
) -> None:
    response = client.post("/tickets", json=ticket_for(make.customer().id) | change)

    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:invalid-request")
    assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]
    assert db_session.scalar(select(func.count()).select_from(Ticket)) == 0


def test_only_the_service_decides_on_status_and_agent(client: TestClient, make: Factory) -> None:
    response = client.post(
        "/tickets", json=ticket_for(make.customer().id, status="closed", claimed_by="mallory")
    )

    assert (response.json()["status"], response.json()["claimed_by"]) == ("open", None)


def test_a_ticket_is_read_as_it_is(client: TestClient, make: Factory) -> None:
    ticket = make.ticket(status=Status.CLAIMED, claimed_by="grace", priority=Priority.LOW)

    answer = client.get(f"/tickets/{ticket.id}").json()

    assert (answer["subject"], answer["body"]) == (ticket.subject, ticket.body)
    assert (answer["status"], answer["claimed_by"], answer["priority"]) == ("claimed", "grace", "low")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/summary")])
def test_an_unknown_ticket_is_not_found(method: str, path: str, client: TestClient, make: Factory) -> None:
    unknown = make.ticket().id + 1

    response = client.request(method, f"/tickets/{unknown}{path}")

    assert (response.status_code, response.json()["type"]) == (404, "urn:problem:unknown-ticket")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tickets/0"),
        ("GET", "/tickets/-1"),
        ("GET", "/tickets/one"),
        ("GET", "/tickets/1.5"),
        ("GET", f"/tickets/{2**31}"),
        ("POST", f"/tickets/{2**31}/close"),
        ("POST", f"/tickets/{2**31}/summary"),
    ],
)
def test_what_is_no_id_is_refused(method: str, path: str, client: TestClient) -> None:
    response = client.request(method, path)

    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [["path", "ticket_id"]]


@pytest.mark.parametrize("name", ["x" * 101, "ada lovelace", "ada%0A", "%00", "ädä"])
def test_what_is_no_agents_name_is_refused(name: str, client: TestClient) -> None:
    response = client.post(f"/agents/{name}/claim")

    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [["path", "name"]]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("status", "lost"),
        ("priority", "urgent"),
        ("customer_id", "0"),
        ("customer_id", str(2**31)),
        ("limit", "0"),
        ("limit", "101"),
    ],
)
def test_what_can_not_be_listed_is_refused(parameter: str, value: str, client: TestClient) -> None:
    response = client.get("/tickets", params={parameter: value})

    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [["query", parameter]]


@pytest.mark.parametrize("cursor", ["", "abc", "null", "MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHwx"])
def test_a_cursor_that_was_not_given_out_is_refused(cursor: str, client: TestClient) -> None:
    response = client.get("/tickets", params={"cursor": cursor})

    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:invalid-cursor")


def test_where_there_are_no_tickets_the_list_is_empty(client: TestClient) -> None:
    assert client.get("/tickets").json() == {"items": [], "next_cursor": None}


def test_a_page_has_twenty_tickets_unless_asked_otherwise(client: TestClient, make: Factory) -> None:
    customer = make.customer()
    for _ in range(21):
        make.ticket(customer=customer)

    page = client.get("/tickets").json()

    assert len(page["items"]) == 20
    assert page["next_cursor"] is not None


@pytest.mark.parametrize(("limit", "more"), [(2, True), (3, False), (4, False)])
def test_only_a_page_that_others_follow_has_a_cursor(
    limit: int, more: bool, client: TestClient, make: Factory
) -> None:
    for _ in range(3):
        make.ticket()

    page = client.get("/tickets", params={"limit": limit}).json()

    assert len(page["items"]) == min(limit, 3)
    assert (page["next_cursor"] is not None) == more
