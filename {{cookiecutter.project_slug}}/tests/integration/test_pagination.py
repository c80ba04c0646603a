"""GET /tickets: order, filters and keyset pages, as PostgreSQL does them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Priority, Status

from tests.factories import Factory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def pages(client: TestClient, **parameters: Any) -> Iterator[list[int]]:
    """Give the ids of one page after the other, as a client that follows the cursors sees them."""
    cursor = None
    while True:
        query = parameters if cursor is None else parameters | {"cursor": cursor}
        page = client.get("/tickets", params=query).json()
        yield [ticket["id"] for ticket in page["items"]]
        assert page["next_cursor"] != cursor or cursor is None, "a page leads to itself"
        cursor = page["next_cursor"]
        if cursor is None:
            return


def listed(client: TestClient, **parameters: Any) -> list[int]:
    """Return the ids of all pages."""
    return list(chain.from_iterable(pages(client, **parameters)))


def test_the_newest_tickets_come_first_whenever_they_were_stored(client: TestClient, make: Factory) -> None:
    ages = [3, 1, 2]
    ids = {age: make.ticket(created_at=NOON - timedelta(days=age)).id for age in ages}

    assert listed(client) == [ids[1], ids[2], ids[3]]


def test_of_the_same_time_the_last_stored_comes_first(client: TestClient, make: Factory) -> None:
    ids = [make.ticket(created_at=NOON).id for _ in range(4)]

    assert listed(client) == ids[::-1]


@pytest.mark.parametrize("limit", [1, 3, 6, 7, 8])
def test_all_pages_together_are_the_whole_list(limit: int, client: TestClient, make: Factory) -> None:
    ids = [make.ticket().id for _ in range(7)]

    sizes = [len(page) for page in pages(client, limit=limit)]

    assert listed(client, limit=limit) == ids[::-1]
    assert all(size == limit for size in sizes[:-1])


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_that_end_between_tickets_of_the_same_time_are_complete(
    limit: int, client: TestClient, make: Factory
) -> None:
    older = make.ticket(created_at=NOON - timedelta(microseconds=1)).id
    same = [make.ticket(created_at=NOON).id for _ in range(4)]
    newer = make.ticket(created_at=NOON + timedelta(microseconds=1)).id

    assert listed(client, limit=limit) == [newer, *same[::-1], older]


def test_tickets_opened_meanwhile_do_not_shift_the_pages(client: TestClient, make: Factory) -> None:
    ids = [make.ticket().id for _ in range(4)]
    following = pages(client, limit=2)

    first = next(following)
    make.ticket(created_at=datetime.now(UTC))

    assert [first, *following] == [[ids[3], ids[2]], [ids[1], ids[0]]]


def test_a_ticket_stored_late_appears_where_it_belongs(client: TestClient, make: Factory) -> None:
    ids = [make.ticket(created_at=NOON + timedelta(days=day)).id for day in range(4)]
    following = pages(client, limit=2)

    first = next(following)
    late = make.ticket(created_at=NOON + timedelta(hours=12)).id

    assert [first, *following] == [[ids[3], ids[2]], [ids[1], late], [ids[0]]]


def test_tickets_removed_meanwhile_leave_no_gap(
    client: TestClient, db_session: Session, make: Factory
) -> None:
    """Neither does the one that the cursor was made of."""
    tickets = [make.ticket() for _ in range(6)]
    ids = [ticket.id for ticket in tickets]
    following = pages(client, limit=2)

    first = next(following)
    db_session.delete(tickets[4])
    db_session.delete(tickets[5])
    db_session.flush()

    assert [first, *following] == [[ids[5], ids[4]], [ids[3], ids[2]], [ids[1], ids[0]]]


def test_a_cursor_is_good_for_more_than_one_request(client: TestClient, make: Factory) -> None:
    for _ in range(3):
        make.ticket()
    cursor = client.get("/tickets", params={"limit": 1}).json()["next_cursor"]

    answers = [client.get("/tickets", params={"limit": 1, "cursor": cursor}).json() for _ in range(2)]

    assert answers[0] == answers[1]


@pytest.fixture
def mixed(make: Factory) -> dict[str, int]:
    """Four tickets, named after what they are, and the ids of the two customers they belong to."""
    ada, eve = make.customer(), make.customer()
    closed = {"status": Status.CLOSED, "closed_at": NOON}
    claimed = {"status": Status.CLAIMED, "claimed_by": "grace"}
    make.ticket(customer=ada, subject="open high", priority=Priority.HIGH)
    make.ticket(customer=ada, subject="claimed low", priority=Priority.LOW, **claimed)
    make.ticket(customer=eve, subject="closed high", priority=Priority.HIGH, **closed)
    make.ticket(customer=eve, subject="open low", priority=Priority.LOW)
    return {"ada": ada.id, "eve": eve.id}


@pytest.mark.parametrize(
    ("customer", "filters", "subjects"),
    [
        (None, {"status": "open"}, ["open low", "open high"]),
        (None, {"status": "claimed"}, ["claimed low"]),
        (None, {"status": "closed"}, ["closed high"]),
        (None, {"priority": "low"}, ["open low", "claimed low"]),
        ("ada", {}, ["claimed low", "open high"]),
        (None, {"status": "open", "priority": "high"}, ["open high"]),
        ("eve", {"priority": "high"}, ["closed high"]),
        ("eve", {"status": "open", "priority": "low"}, ["open low"]),
        ("ada", {"status": "closed"}, []),
    ],
)
def test_filters_narrow_the_list_together(
    customer: str | None,
    filters: dict[str, str],
    subjects: list[str],
    client: TestClient,
    mixed: dict[str, int],
) -> None:
    query: dict[str, str | int] = {**filters}
    if customer is not None:
        query["customer_id"] = mixed[customer]

    tickets = client.get("/tickets", params=query).json()["items"]

    assert [ticket["subject"] for ticket in tickets] == subjects


def test_a_customer_that_does_not_exist_has_no_tickets(client: TestClient, make: Factory) -> None:
    make.ticket()

    assert listed(client, customer_id=2**31 - 1) == []


def test_pages_keep_to_the_filters(client: TestClient, make: Factory) -> None:
    ids = [make.ticket(priority=priority).id for _ in range(3) for priority in Priority]

    for start, priority in enumerate(Priority):
        assert listed(client, priority=priority, limit=2) == ids[start :: len(Priority)][::-1]
