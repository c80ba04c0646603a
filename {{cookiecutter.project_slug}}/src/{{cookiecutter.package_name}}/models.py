"""The tables."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, always in UTC: databases without time zones would give back naive values."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store in UTC. Raises ValueError for a naive value, which could mean any time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return in UTC, whatever the connection's time zone is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables of the service."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime}


class Status(StrEnum):
    """Where a ticket stands."""

    OPEN = "open"
    CLAIMED = "claimed"
    CLOSED = "closed"


class Priority(StrEnum):
    """How urgent a ticket is, in the customer's words."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


def _text_enum(enum: type[StrEnum], name: str) -> Enum:
    # Text and a check constraint: a native enum can't lose a value without rewriting the table.
    return Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


class Customer(Base):
    """Somebody who asks for help."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(320), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    tickets: Mapped[list["Ticket"]] = relationship(back_populates="customer")


class Ticket(Base):
    """A request for help, from opened over claimed to closed."""

    __tablename__ = "tickets"
    __table_args__ = (
        # An agent may close what nobody claimed, so only a claimed ticket has to have an agent.
        CheckConstraint("status <> 'claimed' OR claimed_by IS NOT NULL", name="claimed_by_somebody"),
        CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_at_a_time"),
        Index(None, "status", "created_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[Status] = mapped_column(_text_enum(Status, "status"), default=Status.OPEN)
    priority: Mapped[Priority] = mapped_column(_text_enum(Priority, "priority"), default=Priority.NORMAL)
    claimed_by: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    claimed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    customer: Mapped[Customer] = relationship(back_populates="tickets")

    def close(self, at: datetime) -> None:
        """Close the ticket. Raises ValueError if it is closed already."""
        if self.status is Status.CLOSED:
            raise ValueError(f"ticket {self.id} was closed at {self.closed_at}")
        self.status = Status.CLOSED
        self.closed_at = at

    def claim(self, agent: str, at: datetime) -> None:
        """Give the ticket to `agent`. Raises ValueError unless it is open."""
        if self.status is not Status.OPEN:
            raise ValueError(f"ticket {self.id} is {self.status}")
        self.status = Status.CLAIMED
        self.claimed_by = agent
        self.claimed_at = at
