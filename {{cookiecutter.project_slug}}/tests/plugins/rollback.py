# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Rollback per test, for any database that has savepoints.

What would end the transaction around a test is refused where it happens: COMMIT in raw SQL, `connection.commit()`, sessions
that don't nest. What gets past that, such as a commit on the driver's own connection, takes a savepoint along that is looked
for at the end. Either way that test fails by name, and the next one finds a right database.

Not seen here: a second connection. SQLite's pool and PostgreSQL, which is told to, refuse it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from tests.plugins.guards import refuse, running

_INSTEAD = "belongs in tests/committed, or takes `committed_db`."
ENDED = (
    "The test ended the transaction around it: {what}.\n"
    "Use the session's commit() and rollback(), which work in a savepoint, so that nothing is left;\n"
    f"what must really commit {_INSTEAD}"
)
INTERLEAVED = (
    "Two sessions on the one connection that is rolled back don't nest: one ended while a later one was open.\n"
    "In production each has a connection, and a transaction, of its own.\n"
    f"End the later one first; what interleaves {_INSTEAD}"
)
PARALLEL = (
    "A request began while another one was under way, on the one connection that is rolled back.\n"
    "In production each has a connection, and a transaction, of its own.\n"
    f"What runs in parallel {_INSTEAD}"
)
SECOND_CONNECTION = (
    "The test opened another connection to the database, whose work couldn't be rolled back.\n"
    f"Use db_session's; what needs several connections {_INSTEAD}"
)
IN_TRANSACTION = (
    f"The test runs in a transaction, which is rolled back.\nWhat needs a transaction of its own {_INSTEAD}"
)
REMEDIES = {
    "is not currently accepting connections": SECOND_CONNECTION,
    "QueuePool limit of size 1 overflow 0 reached": SECOND_CONNECTION,
    "is already in progress and this would cause an unexpected state change": PARALLEL,
    "cannot run inside a transaction block": IN_TRANSACTION,
    "invalid transaction termination": IN_TRANSACTION,
    "must be called before any query": IN_TRANSACTION,
    "Connection is already established for the given bind; execution_options ignored": IN_TRANSACTION,
}
"""What to say where a library's own words, which are the keys, don't."""
WATCHED = re.compile(
    r"\s*(?:(?P<end>COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO))\b"
    r"|(?P<back>RELEASE |ROLLBACK TO )?SAVEPOINT (?P<savepoint>sa_savepoint_\d+))",
    re.IGNORECASE,
)
"""What ends a transaction, and the savepoints that stand for the transactions of SQLAlchemy's sessions."""

_request = Lock()


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
        with self._connect() as connection:
            connection.begin()
            driver = connection.connection.driver_connection
            self.begin(driver)
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
        try:
            return self._engine.connect()
        except SQLAlchemyError:
            # The connection was lost between two tests, and the database lets nobody in any more.
            self.rebuild()
            return self._engine.connect()

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
    if isinstance(sessions.kw["bind"], Engine):
        yield
        return
    alone = _request.acquire(blocking=False)
    if not alone and running("rollback"):
        refuse(PARALLEL)
    try:
        yield
    finally:
        if alone:
            _request.release()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add words where others' don't do."""
    report = yield
    if report.failed and item.get_closest_marker("committed") is None:
        said = report.longreprtext + "".join(text for _, text in report.sections)
        remedies = {remedy for words, remedy in REMEDIES.items() if words in said}
        report.sections += [("What to do", remedy) for remedy in remedies]
    return report
