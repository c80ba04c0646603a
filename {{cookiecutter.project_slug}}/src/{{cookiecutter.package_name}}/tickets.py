"""Tickets, and the agents who claim them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Select, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.ai import AIUnavailableError, RequestSummarizer
from {{ cookiecutter.package_name }}.cache import RequestCache
from {{ cookiecutter.package_name }}.database import RequestSession
from {{ cookiecutter.package_name }}.models import Priority, Status, Ticket
from {{ cookiecutter.package_name }}.pagination import Cursor, InvalidCursorError
from {{ cookiecutter.package_name }}.problems import Problem
from {{ cookiecutter.package_name }}.schemas import Id, SummaryOut, TicketIn, TicketOut, TicketPage

router = APIRouter()

AgentName = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")]


@router.post("/tickets", status_code=201, response_model=TicketOut, tags=["tickets"])
def open_ticket(ticket_in: TicketIn, session: RequestSession, response: Response) -> Ticket:
    """Open a ticket. 422 if there is no such customer."""
    ticket = Ticket(**ticket_in.model_dump())
    session.add(ticket)
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise Problem(422, "unknown-customer", f"There is no customer {ticket_in.customer_id}.") from error
    response.headers["Location"] = f"/tickets/{ticket.id}"
    return ticket


@router.get("/tickets", tags=["tickets"])
def list_tickets(
    session: RequestSession,
    status: Status | None = None,
    priority: Priority | None = None,
    customer_id: Id | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
) -> TicketPage:
    """List tickets, newest first, a page at a time."""
    query = ticket_page(limit, _decode(cursor) if cursor is not None else None)
    if status is not None:
        query = query.where(Ticket.status == status)
    if priority is not None:
        query = query.where(Ticket.priority == priority)
    if customer_id is not None:
        query = query.where(Ticket.customer_id == customer_id)
    tickets = list(session.scalars(query))
    page, more = tickets[:limit], len(tickets) > limit
    return TicketPage(
        items=[TicketOut.model_validate(ticket) for ticket in page],
        next_cursor=Cursor(page[-1].created_at, page[-1].id).encode() if more else None,
    )


@router.get("/tickets/{ticket_id}", response_model=TicketOut, tags=["tickets"])
def read_ticket(ticket_id: Id, session: RequestSession) -> Ticket:
    """Return one ticket."""
    return _get(session, ticket_id)


@router.post("/tickets/{ticket_id}/close", response_model=TicketOut, tags=["tickets"])
def close_ticket(ticket_id: Id, session: RequestSession) -> Ticket:
    """Close a ticket, claimed or not. 409 if it is closed already."""
    # Locked, so that of two requests at once the second sees what the first did.
    ticket = _get(session, ticket_id, lock=True)
    try:
        ticket.close(datetime.now(UTC))
    except ValueError as error:
        raise Problem(409, "already-closed", f"Ticket {ticket_id} is closed already.") from error
    session.commit()
    return ticket


@router.post("/tickets/{ticket_id}/summary", tags=["tickets"])
def summarize_ticket(
    ticket_id: Id, session: RequestSession, cache: RequestCache, summarizer: RequestSummarizer
) -> SummaryOut:
    """Summarise a ticket. 503 with Retry-After if the AI provider is down and no summary is kept."""
    ticket = _get(session, ticket_id)
    kept = cache.get(ticket_id)
    if kept is not None:
        return SummaryOut(ticket_id=ticket_id, summary=kept, cached=True)
    subject, body = ticket.subject, ticket.body
    # The provider takes seconds; the connection goes back to the pool meanwhile.
    session.commit()
    try:
        summary = summarizer.summarize(subject, body)
    except AIUnavailableError as error:
        headers = {"Retry-After": str(error.retry_after)}
        raise Problem(503, "summary-unavailable", str(error), headers=headers) from error
    cache.put(ticket_id, summary)
    return SummaryOut(ticket_id=ticket_id, summary=summary, cached=False)


@router.post(
    "/agents/{name}/claim",
    response_model=TicketOut,
    responses={204: {"description": "Nothing is open."}},
    tags=["agents"],
)
def claim_ticket(name: AgentName, session: RequestSession) -> Ticket | Response:
    """Give the oldest open ticket to an agent. Two agents never get the same one."""
    ticket = session.scalar(oldest_open_ticket())
    if ticket is None:
        return Response(status_code=204)
    ticket.claim(name, datetime.now(UTC))
    session.commit()
    return ticket


def ticket_page(limit: int, after: Cursor | None) -> Select[Ticket]:
    """Return the query for `limit` tickets behind `after`, newest first, and one more that tells if others follow."""
    query = select(Ticket).order_by(Ticket.created_at.desc(), Ticket.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(Ticket.created_at, Ticket.id) < tuple_(after.created_at, after.id))
    return query


def oldest_open_ticket() -> Select[Ticket]:
    """Return the query for the ticket that is claimed next; tickets being claimed elsewhere are passed over."""
    return (
        select(Ticket)
        .where(Ticket.status == Status.OPEN)
        .order_by(Ticket.created_at, Ticket.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _get(session: Session, ticket_id: int, *, lock: bool = False) -> Ticket:
    ticket = session.get(Ticket, ticket_id, with_for_update=lock or None)
    if ticket is None:
        raise Problem(404, "unknown-ticket", f"There is no ticket {ticket_id}.")
    return ticket


def _decode(cursor: str) -> Cursor:
    try:
        return Cursor.decode(cursor)
    except InvalidCursorError as error:
        raise Problem(
            422, "invalid-cursor", "The cursor is not one that this service gave; start without one."
        ) from error
