"""What the HTTP interface takes and gives."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from {{ cookiecutter.package_name }}.models import Priority, Status

# A larger number isn't an id, and PostgreSQL's integer can't hold it.
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
# PostgreSQL's text can't hold NUL: refused here, it is the client's error and not a crash of the database driver.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")
]
Prose = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")
]
# Two spellings of one address are one customer.
Email = Annotated[EmailStr, AfterValidator(str.lower)]


class CustomerIn(BaseModel):
    """A customer to create."""

    name: Line
    email: Email


class CustomerOut(BaseModel):
    """A customer."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    email: str
    created_at: datetime


class TicketIn(BaseModel):
    """A ticket to open."""

    customer_id: Id
    subject: Line
    body: Prose
    priority: Priority = Priority.NORMAL


class TicketOut(BaseModel):
    """A ticket."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    customer_id: int
    subject: str
    body: str
    status: Status
    priority: Priority
    claimed_by: str | None
    created_at: datetime
    claimed_at: datetime | None
    closed_at: datetime | None


class TicketPage(BaseModel):
    """Some tickets, newest first, and the cursor that gives the next ones; null on the last page."""

    items: list[TicketOut]
    next_cursor: str | None


class SummaryOut(BaseModel):
    """A ticket in a few sentences."""

    ticket_id: int
    summary: str
    cached: bool


class HealthOut(BaseModel):
    """How the service's dependencies are: `ok`, `down`, or `off` for one that isn't configured."""

    status: str
    database: str
    redis: str
