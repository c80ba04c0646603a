"""Rows for tests: every column has a sensible value, so that a test names only those it is about."""

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Customer, Ticket


class Factory:
    """Adds rows to a session and flushes them, so that they have their ids."""

    def __init__(self, session: Session) -> None:
        """Take the session to add to."""
        self._session = session
        self._numbers = itertools.count(1)

    def customer(self, **values: Any) -> Customer:
        """Add a customer with an e-mail address of its own."""
        number = next(self._numbers)
        defaults = {"name": f"Customer {number}", "email": f"customer{number}@example.com"}
        customer = Customer(**defaults | values)
        self._session.add(customer)
        self._session.flush()
        return customer

    def ticket(self, **values: Any) -> Ticket:
        """Add an open ticket, for a new customer unless one is given. Each is a second younger than the last."""
        number = next(self._numbers)
        if "customer" not in values and "customer_id" not in values:
            values["customer"] = self.customer()
        created_at = datetime.fromtimestamp(1_767_225_600 + number, UTC)
        defaults = {"subject": f"Subject {number}", "body": f"Body {number}", "created_at": created_at}
        ticket = Ticket(**defaults | values)
        self._session.add(ticket)
        self._session.flush()
        return ticket
