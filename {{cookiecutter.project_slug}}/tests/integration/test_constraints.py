"""What the database refuses, whoever writes to it."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Customer, Status

from tests.factories import Factory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def refusal(error: DBAPIError) -> psycopg.errors.Diagnostic:
    """Return what PostgreSQL said."""
    assert isinstance(error.orig, psycopg.Error)
    return error.orig.diag


def test_an_address_is_unique(make: Factory) -> None:
    make.customer(email="ada@example.com")

    with pytest.raises(IntegrityError) as error:
        make.customer(email="ada@example.com")

    assert refusal(error.value).constraint_name == "uq_customers_email"


def test_a_ticket_belongs_to_a_customer_that_exists(make: Factory) -> None:
    with pytest.raises(IntegrityError) as error:
        make.ticket(customer_id=make.customer().id + 1)

    assert refusal(error.value).constraint_name == "fk_tickets_customer_id"


def test_a_customer_with_tickets_can_not_be_removed(db_session: Session, make: Factory) -> None:
    customer_id = make.ticket().customer_id

    with pytest.raises(IntegrityError) as error:
        db_session.execute(delete(Customer).where(Customer.id == customer_id))

    assert refusal(error.value).constraint_name == "fk_tickets_customer_id"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'lost'", "ck_tickets_status"),
        ("status = 'OPEN'", "ck_tickets_status"),
        ("priority = 'urgent'", "ck_tickets_priority"),
        ("status = 'claimed'", "ck_tickets_claimed_by_somebody"),
        ("status = 'closed'", "ck_tickets_closed_at_a_time"),
        ("closed_at = now()", "ck_tickets_closed_at_a_time"),
    ],
)
def test_a_ticket_is_consistent(change: str, constraint: str, db_session: Session, make: Factory) -> None:
    """Plain SQL: the models would refuse some of it before the database sees it."""
    make.ticket()

    with pytest.raises(IntegrityError) as error:
        db_session.execute(text(f"UPDATE tickets SET {change}"))  # noqa: S608

    assert refusal(error.value).constraint_name == constraint


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"status": Status.CLOSED, "closed_at": NOON}, id="closed, never claimed"),
        pytest.param(
            {"status": Status.CLOSED, "closed_at": NOON, "claimed_by": "ada"}, id="claimed and closed"
        ),
        pytest.param({"status": Status.OPEN, "claimed_by": "ada"}, id="given back"),
    ],
)
def test_every_course_of_a_ticket_is_possible(values: dict[str, Any], make: Factory) -> None:
    assert make.ticket(**values).id is not None


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("customers", "name"),
        ("customers", "email"),
        ("customers", "created_at"),
        ("tickets", "customer_id"),
        ("tickets", "subject"),
        ("tickets", "body"),
        ("tickets", "status"),
        ("tickets", "priority"),
        ("tickets", "created_at"),
    ],
)
def test_a_required_value_is_not_null(table: str, column: str, db_session: Session, make: Factory) -> None:
    make.ticket()

    with pytest.raises(IntegrityError) as error:
        db_session.execute(text(f"UPDATE {table} SET {column} = NULL"))  # noqa: S608

    assert refusal(error.value).column_name == column


@pytest.mark.parametrize(("column", "length"), [("name", 200), ("email", 320)])
def test_text_that_is_too_long_is_an_error_and_not_cut(column: str, length: int, make: Factory) -> None:
    assert getattr(make.customer(**{column: "x" * length}), column) == "x" * length

    with pytest.raises(DataError, match="value too long"):
        make.customer(**{column: "y" * (length + 1)})


def test_text_can_not_hold_nul(make: Factory) -> None:
    """Why the interface refuses it."""
    with pytest.raises(DataError, match="NUL"):
        make.customer(name="A\0da")


def test_after_a_refusal_the_session_goes_on(db_session: Session, make: Factory) -> None:
    kept = make.customer(email="ada@example.com")
    db_session.commit()
    with pytest.raises(IntegrityError):
        make.customer(email="ada@example.com")

    db_session.rollback()

    assert db_session.get(Customer, kept.id) is kept
    assert make.customer(email="eve@example.com").id > kept.id
