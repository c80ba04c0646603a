"""A suite of any size in a realistic mix: `python -m tests.bench.generate 1882`.

Seven of ten tests lie in tests/unit (half of them logic, the others on SQLite), a quarter in tests/integration, one in twenty is
slower: a database of its own, something computed, something waited for. Twenty tests a file, as people write them.
"""

import sys
from itertools import count
from pathlib import Path

HEAD = '''"""{title} {number}, generated."""

import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from helpdesk.models import Customer, Priority, Status, Ticket
from helpdesk.pagination import Cursor, InvalidCursorError
from helpdesk.schemas import TicketIn
from pydantic import ValidationError
from sqlalchemy import func, select

NOON = datetime(2026, 1, 1 + {number} % 28, 12, tzinfo=UTC)
SUBJECT = "Subject {number}"
'''
LOGIC = """

@pytest.mark.parametrize("number", range(4))
def test_a_cursor_comes_back_as_it_went(number):
    cursor = Cursor(NOON + timedelta(seconds=number), {number} + number)
    assert Cursor.decode(cursor.encode()) == cursor


@pytest.mark.parametrize("number", range(3))
def test_a_valid_ticket_is_taken(number):
    ticket = TicketIn.model_validate({{"customer_id": 1 + number, "subject": f" {{SUBJECT}} ", "body": "Help!"}})
    assert ticket.subject == SUBJECT
    assert ticket.priority is Priority.NORMAL


def test_a_broken_cursor_is_refused():
    with pytest.raises(InvalidCursorError):
        Cursor.decode(f"{{SUBJECT}}|")


def test_an_invalid_ticket_is_refused():
    with pytest.raises(ValidationError) as refused:
        TicketIn.model_validate({{"customer_id": 0, "subject": "", "body": "x" * 20_001}})
    assert {{error["loc"][0] for error in refused.value.errors()}} == {{"customer_id", "subject", "body"}}


def test_a_ticket_is_closed_once():
    ticket = Ticket(subject=SUBJECT, status=Status.OPEN)
    ticket.close(NOON)
    assert (ticket.status, ticket.closed_at) == (Status.CLOSED, NOON)
    with pytest.raises(ValueError, match="was closed"):
        ticket.close(NOON)
"""
ROWS = """

@pytest.mark.parametrize("number", range({queries}))
def test_tickets_are_counted_by_status(number, db_session, make):
    customer = make.customer(name=f"Customer {{number}}")
    for status in (Status.OPEN, Status.OPEN, Status.CLAIMED):
        make.ticket(customer=customer, subject=SUBJECT, status=status, claimed_by="ada")
    db_session.commit()
    query = select(Ticket.status, func.count()).group_by(Ticket.status)
    assert dict(db_session.execute(query).all()) == {{Status.OPEN: 2, Status.CLAIMED: 1}}
    assert db_session.scalar(select(func.count()).select_from(Customer)) == 1


@pytest.mark.parametrize("number", range({pages}))
def test_tickets_are_listed(number, client, make):
    first, second = make.ticket(subject=SUBJECT), make.ticket(subject=f"{{SUBJECT}}, again")
    page = client.get("/tickets", params={{"limit": 1 + number % 2}}).json()
    assert page["items"][0]["id"] == second.id
    assert (page["next_cursor"] is None) == bool(number % 2), first.id


def test_a_ticket_is_opened_and_closed(client, make):
    opened = client.post(
        "/tickets", json={{"customer_id": make.customer().id, "subject": SUBJECT, "body": "Please."}}
    ).json()
    closed = client.post(f"/tickets/{{opened['id']}}/close")
    assert closed.status_code == 200
    assert closed.json()["status"] == "closed"
"""
OWN_DATABASE = """

@pytest.mark.parametrize("number", range({tests}))
def test_two_sessions_see_what_was_committed(number, sessions):
    with sessions() as one, sessions() as other:
        one.add(Customer(name=SUBJECT, email=f"customer{{number}}@example.com"))
        one.commit()
        assert other.scalar(select(func.count()).select_from(Customer)) == 1
"""
LONG = """

@pytest.mark.parametrize("number", range({computes}))
def test_something_is_computed(number):
    digest = hashlib.pbkdf2_hmac("sha256", b"{number}", bytes([number]), 60_000)
    assert len(digest) == 32


@pytest.mark.parametrize("number", range({waits}))
def test_something_is_waited_for(number):
    time.sleep(0.1)
    assert number >= 0
"""


def files(tests: int) -> dict[str, str]:
    """Return the files of a suite of so many tests, by path."""
    numbers, found = count(), {}

    def add(tier: str, title: str, body: str, **sizes: int) -> None:
        number = next(numbers)
        text = (HEAD + body).format(title=title, number=number, **sizes)
        found[f"tests/{tier}/test_generated_{number:04}.py"] = text

    slower = round(tests * 0.05)
    integration = round(tests * 0.25)
    unit = tests - slower - integration
    for _ in range(unit // 20):
        add("unit", "Logic and requests", LOGIC + ROWS, queries=6, pages=3)
    if unit % 20 > 1:
        add("unit", "Requests", ROWS, queries=unit % 20 // 2, pages=unit % 20 - unit % 20 // 2 - 1)
    for _ in range(integration // 20):
        add("integration", "Queries and requests", ROWS, queries=12, pages=7)
    if integration % 20 > 1:
        rest = integration % 20
        add("integration", "Queries", ROWS, queries=rest // 2, pages=rest - rest // 2 - 1)
    for begun in range(0, slower, 20):
        here = min(20, slower - begun)
        add("committed", "Commits", OWN_DATABASE, tests=here // 2)
        add("unit", "Long ones", LONG, computes=(here + 1) // 4, waits=here - here // 2 - (here + 1) // 4)
    return found


def main(tests: int) -> None:
    """Write the files into the service that this lies in, and remove those of a suite before."""
    root = Path(__file__).parents[2]
    for old in root.glob("tests/*/test_generated_*.py"):
        old.unlink()
    for path, text in files(tests).items():
        (root / path).write_text(text)


if __name__ == "__main__":
    main(int(sys.argv[1]))
