"""Rollback per test, for any database that has savepoints.

What would end the transaction around a test is refused where it happens: COMMIT in raw SQL, `connection.commit()`, sessions
that don't nest. What gets past that, such as a commit on the driver's own connection, takes a savepoint along that is looked
for at the end. Either way that test fails by name, and the next one finds a right database.

Not seen here: a second connection. SQLite's pool and PostgreSQL, which is told to, refuse it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from pytest_tiers.databases.remedies import INSTEAD, PARALLEL, ROLLED_BACK
from pytest_tiers.guards import current, refuse, running

ENDED = (
    "The test ended the transaction around it: {what}.\n"
    "Use the session's commit() and rollback(), which work in a savepoint, so that nothing is left;\n"
    f"what must really commit {INSTEAD}"
)
INTERLEAVED = (
    "Two sessions on the one connection that is rolled back don't nest: one ended while a later one was open.\n"
    "In production each has a connection, and a transaction, of its own.\n"
    f"End the later one first; what interleaves {INSTEAD}"
)
WATCHED = re.compile(
    r"\s*(?:(?P<end>COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO))\b"
    r"|(?P<back>RELEASE |ROLLBACK TO )?SAVEPOINT (?P<savepoint>sa_savepoint_\d+))",
    re.IGNORECASE,
)
"""What ends a transaction, and the savepoints that stand for the transactions of SQLAlchemy's sessions."""
_REQUEST = "pytest_tiers.request"
"""Under this name a connection has the lock of the request that uses it."""


class Rollback(ABC):
    """Gives each test a transaction on the one connection of `engine`, and takes it back."""

    def __init__(self, engine: Engine) -> None:
        """Watch `engine`."""
        self._engine = engine
        self._watching = False
        self._savepoints: list[str] = []
        event.listen(engine, "before_cursor_execute", self._before_execute)
        event.listen(engine, "commit", self._before_end)
        event.listen(engine, "rollback", self._before_end)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is rolled back at the end.

        Sessions on it that were made with `join_transaction_mode="create_savepoint"` may commit and roll back as they
        like. One at a time: they share the connection, so they have to nest, as a request does within a test.

        Fails the test if something of it couldn't be rolled back; the database was made anew then. Under
        `unguarded("rollback")` nothing is refused, and the database is made anew just the same.
        """
        guarded = running("rollback") is not None
        if (run := current()) and run.item:
            run.item.stash[ROLLED_BACK] = True
        with self._connect() as connection:
            driver = connection.connection.driver_connection
            self._savepoints.clear()
            self._watching = guarded
            yield connection
            self._watching = False
            leaked = self.end(driver)
            if leaked:
                with suppress(SQLAlchemyError):  # the test has closed it
                    connection.invalidate()
        if leaked:
            self._engine.dispose()
            self.rebuild()
            if guarded:
                pytest.fail(leaked, pytrace=False)

    @contextmanager
    def sessions(
        self, factory: Callable[[Connection], sessionmaker[Session]] = sessionmaker
    ) -> Iterator[sessionmaker[Session]]:
        """Give what opens sessions in such a transaction: what `factory`, the project's own, makes of the connection.

        Fails the test as `transaction` does.
        """
        with self.transaction() as connection:
            sessions = factory(connection)
            sessions.configure(join_transaction_mode="create_savepoint")
            yield sessions

    @abstractmethod
    def rebuild(self) -> None:
        """Make the database anew, after a test has leaked or the connection was lost."""

    def begin(self, driver: Any) -> None:
        """Set the savepoint that tells, at the end, whether the transaction is still the same."""
        driver.execute("SAVEPOINT guard")

    def end(self, driver: Any) -> str | None:
        """Roll back. Returns what couldn't be; None if all is well."""
        try:
            driver.execute("ROLLBACK TO SAVEPOINT guard")
            driver.execute("ROLLBACK")
        except Exception as error:
            return ENDED.format(what=str(error).strip())
        return None

    def _connect(self) -> Connection:
        """Return a connection in its transaction."""
        try:
            return self._begun()
        except Exception:
            # The connection was lost between two tests, and the database lets nobody in any more.
            self._engine.dispose()
            self.rebuild()
            return self._begun()

    def _begun(self) -> Connection:
        connection = self._engine.connect()
        try:
            connection.begin()
            self.begin(connection.connection.driver_connection)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        connection.info[_REQUEST] = Lock()
        return connection

    def _before_execute(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        __tracebackhide__ = True
        found = WATCHED.match(statement)
        if not found or not self._watching:
            return
        if found["end"]:
            refuse(ENDED.format(what=statement.strip()))
        if not found["back"]:
            self._savepoints.append(found["savepoint"])
        elif self._savepoints.pop() != found["savepoint"]:
            self._watching = False  # nothing fits any more, and it is said already
            refuse(INTERLEAVED)

    def _before_end(self, _connection: object) -> None:
        __tracebackhide__ = True
        if self._watching:
            refuse(ENDED.format(what="commit(), rollback() or close() of its connection"))


@contextmanager
def one_at_a_time(sessions: sessionmaker[Session]) -> Iterator[None]:
    """Refuse a request while another one is under way, if `sessions` share a connection. Raises GuardError."""
    connection = sessions.kw["bind"]
    if not isinstance(connection, Connection):
        yield
        return
    lock: Lock = connection.info[_REQUEST]
    alone = lock.acquire(blocking=False)
    if not alone and running("rollback"):
        refuse(PARALLEL)
    try:
        yield
    finally:
        if alone:
            lock.release()
