"""The one connection of a tier: opened when it is first needed, used by one thread at a time, made anew when it was lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_tiers.databases.engines import messages
from pytest_tiers.databases.engines.drivers import Driver, PsycopgDriver, SqliteDriver
from pytest_tiers.databases.engines.messages import check_author, say
from pytest_tiers.databases.engines.notes import note
from pytest_tiers.databases.engines.scopes import Scope, Scopes
from pytest_tiers.databases.engines.stack import Stack
from pytest_tiers.databases.engines.statements import NOTHING, Meaning
from pytest_tiers.databases.engines.transactions import Transaction

if TYPE_CHECKING:
    from pytest_tiers.databases.engines.checkout import Checkout

Result = TypeVar("Result")
PATIENCE = 5.0
"""Seconds that the end of a transaction waits for a statement of another thread."""


class Line:
    """What all checkouts of a tier share."""

    def __init__(self, connect: Callable[[], Driver], scopes: Scopes) -> None:
        """Take a function that opens the connection, to a database in its first state each time."""
        self._connect = connect
        self._scopes = scopes
        self._stack: Stack | None = None
        self._busy = threading.Lock()
        self._by: int | None = None
        self._abandoned: list[Transaction] = []
        self._gone: dict[Scope, str] = {}
        """Scopes whose rows were lost, and with which test."""
        self._isolation: Any = None
        self.left_out: dict[str, str] = {}
        """Tables that the database can't hold, and why."""
        self.openings = 0
        """How often the connection was opened."""

    # Who may use it

    def _take(self, *, patience: float = 0) -> bool:
        """Take the connection for this thread. Returns whether that could be had; a thread that has it can't have it twice."""
        me = threading.get_ident()
        if self._by == me:
            return False
        taken = self._busy.acquire(timeout=patience) if patience else self._busy.acquire(blocking=False)
        if taken:
            self._by = me
        return taken

    def _leave(self) -> None:
        if self._by is not None:  # else it was abandoned meanwhile
            self._by = None
            self._busy.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Have the connection for one statement. Refuses if another one is under way."""
        __tracebackhide__ = True
        taken = self._take()
        if not taken:
            say(messages.PARALLEL)
            taken = self._take(patience=PATIENCE)
        try:
            yield
        finally:
            if taken:
                self._leave()

    def open(self) -> Stack:
        """Return the stack of savepoints on the open connection."""
        if self._stack is None:
            driver = self._connect()
            driver.opened()
            self._stack = Stack(driver)
            self._stack.deferred = driver.deferred([])
            self.openings += 1
        return self._stack

    @property
    def raw(self) -> Any:
        """The driver's own connection."""
        return self.open().driver.raw

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, or else PostgreSQL."""
        return isinstance(self.open().driver, SqliteDriver)

    @property
    def age(self) -> tuple[int, int]:
        """What changes when the connection is opened again, and when its transaction is rolled back."""
        return self.openings, self.open().resets

    def settle(self) -> bool:
        """Return whether no transaction is open, once what is pending is sent."""
        stack = self.open()
        if stack.begun:
            return False
        stack.flush()
        return True

    # Statements

    def run(
        self, checkout: "Checkout", what: Meaning, call: Callable[[], Result], text: Callable[[], str] = str
    ) -> Result:
        """Run a statement of a checkout in its transaction; `call` sends it, `text` gives it with its parameters in it."""
        __tracebackhide__ = True
        with self._alone():
            return self._run(checkout, what, call, text)

    def _run(
        self, checkout: "Checkout", what: Meaning, call: Callable[[], Result], text: Callable[[], str]
    ) -> Result:
        __tracebackhide__ = True
        stack = self.open()
        below = self._enter(checkout, stack, what, text)
        guard = stack.guard() if below else None
        if guard is not None:
            stack.flush()
        done = False
        try:
            result = call()
            done = True
        finally:
            if not self._is_well(stack):
                pass
            elif guard is not None:
                stack.end_guard(guard, checkout.work, done=done, refused=below == "sessions")
            elif checkout.commits_each:
                (stack.commit if done else stack.rollback)(checkout.work)
        return result

    def _enter(self, checkout: "Checkout", stack: Stack, what: Meaning, text: Callable[[], str]) -> str:
        """Send what has to come before a statement; return what its transaction lies below."""
        __tracebackhide__ = True
        transaction = checkout.work
        if transaction.failed:
            raise checkout.in_failed_transaction()
        check_author()
        scope = self._scopes.current
        self._check_gone(scope)
        for abandoned in self._abandoned:
            stack.rollback(abandoned)
        self._abandoned.clear()
        transaction.read_only |= checkout.reads_only
        below = stack.enter(transaction, scope)
        if what is not NOTHING:
            note(what, stack, transaction, text)
        stack.flush()
        return below

    def _is_well(self, stack: Stack) -> bool:
        """Tell whether the transaction around the test is still there; if not, let go of the connection."""
        __tracebackhide__ = True
        state = stack.driver.state()
        if state in ("open", "failed"):
            return True
        if state == "none":
            said = messages.ENDED.format(what="past the engine")
        elif state == "unread":
            said = messages.UNREAD
        else:
            said = messages.LOST_CONNECTION.format(why="")
        self.abandon(said)
        return False

    def abandon(self, said: str) -> None:
        """Let go of the connection, and blame the test that runs."""
        stack, self._stack = self._stack, None
        test = self.blame(said)
        if stack is None:
            return
        for savepoint in stack.savepoints:
            if isinstance(savepoint.owner, Scope):
                self._gone[savepoint.owner] = test
            elif savepoint.owner is not None:
                savepoint.owner.clear()
        with suppress(Exception):  # it is lost
            stack.driver.close()

    def blame(self, said: str) -> str:
        """Fail the test that runs, and return its name."""
        return messages.blame(said)

    def _check_gone(self, scope: Scope) -> None:
        __tracebackhide__ = True
        if not self._gone:
            return
        for lost, test in list(self._gone.items()):
            if lost.closed:
                del self._gone[lost]
            elif scope.narrower_than(lost) and lost.kind != "test":
                say(messages.GONE.format(scope=lost, test=test))

    @contextmanager
    def holding(self, checkout: "Checkout", what: Meaning) -> Iterator[None]:
        """Keep the connection in a checkout's transaction for what takes several steps: COPY, a stream."""
        __tracebackhide__ = True
        with self._alone():
            stack, done = self.open(), False
            self._enter(checkout, stack, what, str)
            try:
                yield
                done = True
            finally:
                if self._is_well(stack) and checkout.commits_each:
                    (stack.commit if done else stack.rollback)(checkout.work)

    def send_and(self, call: Callable[[], Result]) -> Result:
        """Do what needs the connection, but no transaction of its own: fetch from a cursor on the server."""
        __tracebackhide__ = True
        with self._alone():
            self.open().flush()
            return call()

    @property
    def isolation(self) -> Any:
        """The isolation level of all transactions, as the driver has it; None for the server's default."""
        return self._isolation

    def begin_with(self, level: Any) -> None:
        """Take the isolation level of all transactions to come."""
        self._isolation = level
        name = "" if level is None else level.name.replace("_", " ")
        stack = self.open()
        stack.driver.isolation = f" ISOLATION LEVEL {name}" if name else ""
        if name and not stack.begun:  # SQLAlchemy asks for it outside of a transaction
            stack.driver.send([f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {name}"])

    def check_begin(self, how: str) -> None:
        """Refuse a BEGIN that asks for another isolation level than the transaction around it has."""
        __tracebackhide__ = True
        asked = " ".join(how.upper().split())
        now = self.open().driver.isolation.replace("ISOLATION LEVEL", "").strip() or "READ COMMITTED"
        if "ISOLATION LEVEL" in asked and now not in asked:
            say(messages.ISOLATION.format(what=asked, now=now))

    def failed_in(self, transaction: Transaction) -> bool:
        """Tell whether a statement has failed in a transaction, which is the innermost."""
        stack = self.open()
        innermost = bool(stack.savepoints) and stack.savepoints[-1].owner is transaction
        return innermost and stack.driver.state() == "failed"

    # Ends

    def end(self, checkout: "Checkout", how: Callable[[Stack], None]) -> None:
        """End a transaction of a checkout, or a savepoint of it."""
        __tracebackhide__ = True
        begun = checkout.work.savepoints or checkout.work.ended_with is not None
        if self._stack is None or not begun:
            return
        if not self._take(patience=PATIENCE):
            self._abandoned.append(checkout.renounce())
            return
        try:
            how(self._stack)
        finally:
            self._leave()

    def holds(self, scope: Scope) -> bool:
        """Tell whether there is a layer for a scope."""
        return self._stack is not None and any(one.owner is scope for one in self._stack.savepoints)

    def end_scope(self, scope: Scope) -> None:
        """Note that a scope has ended: what was done in it is taken back, with the next statement."""
        scope.closed = True
        stack = self._stack
        if stack is None or not any(one.owner is scope for one in stack.savepoints):
            return
        if not self._take(patience=PATIENCE):
            # A COPY that was begun and never ended, in this thread or in one that goes on.
            self._busy, self._by = threading.Lock(), None
            self.abandon(messages.UNREAD)
            return
        try:
            if self._is_well(stack):
                stack.end_scope(scope)
                if not stack.begun and isinstance(stack.driver, PsycopgDriver) and stack.driver.deallocate:
                    stack.flush()
                if not stack.begun and isinstance(stack.driver, PsycopgDriver):
                    stack.driver.put_back()
        finally:
            self._leave()

    def close(self) -> None:
        """Close the connection, at the end of the run."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            stack.driver.close()
