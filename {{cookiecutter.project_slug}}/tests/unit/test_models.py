from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Priority, Status, Ticket

from tests.factories import Factory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_new_ticket_is_open_and_of_normal_priority(db_session: Session, make: Factory) -> None:
    before = datetime.now(UTC)
    ticket = Ticket(customer=make.customer(), subject="No sound", body="Silence.")
    db_session.add(ticket)
    db_session.flush()

    assert (ticket.status, ticket.priority) == (Status.OPEN, Priority.NORMAL)
    assert (ticket.claimed_by, ticket.claimed_at, ticket.closed_at) == (None, None, None)
    assert before <= ticket.created_at <= datetime.now(UTC)


def test_claiming_notes_who_and_when() -> None:
    ticket = Ticket(status=Status.OPEN)

    ticket.claim("grace", NOON)

    assert (ticket.status, ticket.claimed_by, ticket.claimed_at) == (Status.CLAIMED, "grace", NOON)


@pytest.mark.parametrize("status", [Status.CLAIMED, Status.CLOSED])
def test_only_an_open_ticket_can_be_claimed(status: Status) -> None:
    ticket = Ticket(status=status, claimed_by="ada", claimed_at=NOON)

    with pytest.raises(ValueError, match=str(status)):
        ticket.claim("grace", NOON + timedelta(hours=1))

    assert (ticket.status, ticket.claimed_by, ticket.claimed_at) == (status, "ada", NOON)


@pytest.mark.parametrize(("status", "agent"), [(Status.OPEN, None), (Status.CLAIMED, "ada")])
def test_closing_notes_when_and_keeps_the_agent(status: Status, agent: str | None) -> None:
    ticket = Ticket(status=status, claimed_by=agent)

    ticket.close(NOON)

    assert (ticket.status, ticket.closed_at, ticket.claimed_by) == (Status.CLOSED, NOON, agent)


def test_a_ticket_can_not_be_closed_twice() -> None:
    ticket = Ticket(status=Status.CLOSED, closed_at=NOON)

    with pytest.raises(ValueError, match="closed at 2026-01-02"):
        ticket.close(NOON + timedelta(hours=1))

    assert ticket.closed_at == NOON


def test_a_time_comes_back_in_utc_whatever_zone_it_was_given_in(db_session: Session, make: Factory) -> None:
    ticket = make.ticket(created_at=NOON.astimezone(timezone(timedelta(hours=5, minutes=30))))
    db_session.expire(ticket)

    assert ticket.created_at == NOON
    assert ticket.created_at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(db_session: Session, make: Factory) -> None:
    with pytest.raises(StatementError, match="has no time zone"):
        make.ticket(created_at=NOON.replace(tzinfo=None))
    db_session.rollback()


def test_a_customer_has_its_tickets(db_session: Session, make: Factory) -> None:
    customer = make.customer()
    tickets = [make.ticket(customer=customer), make.ticket(customer=customer)]
    make.ticket()
    db_session.expire_all()

    assert customer.tickets == tickets
