"""Several agents and customers at once. Who waits for whom is arranged with locks, so that nothing hangs on timing."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import takewhile
from threading import Barrier
from time import monotonic

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.database import get_session
from {{ cookiecutter.package_name }}.models import Customer, Status, Ticket
from {{ cookiecutter.package_name }}.tickets import oldest_open_ticket

from tests.factories import Factory

ADA = {"name": "Ada", "email": "ada@example.com"}
PATIENCE = 10
"""Seconds after which something that waits has failed; only a defect takes so long."""


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that run at once."""
    with ThreadPoolExecutor(max_workers=8) as executor:
        yield executor


@pytest.fixture
def other(
    sessions: sessionmaker[Session],
    executor: ThreadPoolExecutor,  # noqa: ARG001 - it waits for requests that may wait for this session
) -> Iterator[Session]:
    """Somebody else's session: requests commit `db_session`, and leave this one's transaction open."""
    with sessions() as session:
        yield session


def wait_for_blocked(engine: Engine, count: int) -> None:
    """Return when so many sessions wait for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = monotonic() + PATIENCE
    # In one transaction PostgreSQL would show the same picture again and again.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(query) != count:
            assert monotonic() < deadline, f"there were never {count} sessions that wait for a lock"


def statuses(requests: list[Future[httpx2.Response]]) -> list[int]:
    """Return the status codes of all answers, sorted."""
    return sorted(request.result(PATIENCE).status_code for request in requests)


def test_a_ticket_that_is_being_claimed_is_passed_over(
    client: TestClient,
    db_session: Session,
    make: Factory,
    other: Session,
    executor: ThreadPoolExecutor,
) -> None:
    first, second = make.ticket().id, make.ticket().id
    db_session.commit()
    held = other.scalar(oldest_open_ticket())
    assert held is not None

    request = executor.submit(client.post, "/agents/grace/claim")

    assert (held.id, request.result(PATIENCE).json()["id"]) == (first, second)


def test_there_is_nothing_to_claim_while_the_only_ticket_is_being_claimed(
    client: TestClient,
    db_session: Session,
    make: Factory,
    other: Session,
    executor: ThreadPoolExecutor,
) -> None:
    make.ticket()
    db_session.commit()
    other.scalar(oldest_open_ticket())

    request = executor.submit(client.post, "/agents/grace/claim")

    assert request.result(PATIENCE).status_code == 204


def test_many_agents_at_once_get_each_ticket_exactly_once(
    client: TestClient, db_session: Session, make: Factory, executor: ThreadPoolExecutor
) -> None:
    customer = make.customer()
    ids = [make.ticket(customer=customer).id for _ in range(24)]
    db_session.commit()
    agents = [f"agent-{number}" for number in range(4)]
    start = Barrier(len(agents))

    def work(agent: str) -> list[int]:
        start.wait(PATIENCE)
        # One more than there are, so that a service which gives tickets out again doesn't keep us busy for ever.
        answers = (client.post(f"/agents/{agent}/claim") for _ in range(len(ids) + 1))
        return [answer.json()["id"] for answer in takewhile(lambda each: each.status_code == 200, answers)]

    claimed = dict(zip(agents, executor.map(work, agents), strict=True))

    assert sorted(ticket_id for each in claimed.values() for ticket_id in each) == ids
    stored = {ticket.id: ticket.claimed_by for ticket in db_session.scalars(select(Ticket))}
    assert stored == {ticket_id: agent for agent, each in claimed.items() for ticket_id in each}


def test_a_claim_that_fails_leaves_the_ticket_to_the_next_agent(
    app: FastAPI,
    client: TestClient,
    db_session: Session,
    make: Factory,
    sessions: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticket = make.ticket()
    db_session.commit()

    def breaking() -> Iterator[Session]:
        with sessions() as session:

            @event.listens_for(session, "before_commit")
            def _lose_connection(session: Session) -> None:
                session.flush()
                raise ConnectionError("lost while committing")

            yield session

    with monkeypatch.context() as patch:
        patch.setitem(app.dependency_overrides, get_session, breaking)
        with pytest.raises(ConnectionError):
            client.post("/agents/ada/claim")
    db_session.refresh(ticket)
    assert (ticket.status, ticket.claimed_by) == (Status.OPEN, None)

    assert client.post("/agents/grace/claim").json()["id"] == ticket.id


def test_of_two_who_close_a_ticket_at_once_one_is_told_that_it_is_closed(
    client: TestClient,
    db_session: Session,
    make: Factory,
    engine: Engine,
    other: Session,
    executor: ThreadPoolExecutor,
) -> None:
    ticket_id = make.ticket().id
    db_session.commit()
    other.get_one(Ticket, ticket_id, with_for_update=True)

    requests = [executor.submit(client.post, f"/tickets/{ticket_id}/close") for _ in range(2)]
    wait_for_blocked(engine, 2)
    other.rollback()

    assert statuses(requests) == [200, 409]


def test_of_two_customers_with_one_address_at_once_one_is_created(
    client: TestClient, db_session: Session, engine: Engine, other: Session, executor: ThreadPoolExecutor
) -> None:
    other.execute(text("LOCK TABLE customers IN SHARE MODE"))

    requests = [executor.submit(client.post, "/customers", json=ADA) for _ in range(2)]
    wait_for_blocked(engine, 2)
    other.rollback()

    assert statuses(requests) == [201, 409]
    assert db_session.scalar(select(func.count()).select_from(Customer)) == 1


@pytest.mark.parametrize(("end", "status"), [("commit", 409), ("rollback", 201)])
def test_an_address_is_taken_once_its_customer_is_committed(
    end: str, status: int, client: TestClient, engine: Engine, other: Session, executor: ThreadPoolExecutor
) -> None:
    Factory(other).customer(email="ada@example.com")

    request = executor.submit(client.post, "/customers", json=ADA)
    wait_for_blocked(engine, 1)
    getattr(other, end)()

    assert request.result(PATIENCE).status_code == status
