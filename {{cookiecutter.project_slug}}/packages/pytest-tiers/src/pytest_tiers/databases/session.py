"""`db_session`, for suites that have no such fixture."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker


@pytest.fixture
def db_session(sessions: "sessionmaker[Session]") -> Iterator["Session"]:
    """A session of SQLAlchemy on the tier's database, from `sessions` of the tier's conftest."""
    from sqlalchemy.exc import SAWarning, SQLAlchemyError

    session = sessions()
    yield session
    # It can't where the test ended the transaction around it, which `sessions` reports.
    with suppress(SQLAlchemyError, SAWarning):
        session.close()
