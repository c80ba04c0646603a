"""What the pool hands out in place of a driver's connection: its transactions are savepoints of the tier's one connection.

It passes `isinstance` of the driver's class. Statements are seen at the driver's cursors, whoever sends them: SQLAlchemy, raw
SQL, a library that was given the connection.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_tiers.databases.engines import messages
from pytest_tiers.databases.engines.messages import say
from pytest_tiers.databases.engines.statements import NOTHING, Meaning, meaning
from pytest_tiers.databases.engines.transactions import Transaction

if TYPE_CHECKING:
    from pytest_tiers.databases.engines.line import Line

Result = TypeVar("Result")
_OWN = frozenset({"work", "autocommits", "explicit", "starting", "ended", "born"})


class Checkout(ABC):
    """A connection, as its user sees it. What is the same for each driver; see `on_psycopg` and `on_sqlite`."""

    reads_only = False
    """Whether its transactions are read-only ones."""
    own: frozenset[str] = frozenset()
    """Attributes that are this checkout's, not the one connection's."""

    def __init__(self, line: "Line") -> None:
        """Begin nothing."""
        set_ = object.__setattr__
        set_(self, "line", line)
        set_(self, "work", Transaction())
        set_(self, "autocommits", False)
        set_(self, "explicit", False)  # whether BEGIN was said
        set_(self, "starting", False)  # while listeners to "connect" set it up, outside of any transaction
        set_(self, "ended", False)
        set_(self, "outside", line.settle())
        set_(self, "born", line.age)

    if TYPE_CHECKING:
        line: Line
        work: Transaction
        autocommits: bool
        explicit: bool
        starting: bool
        ended: bool
        outside: bool
        """Whether it began outside of any transaction."""
        born: tuple[int, int]

    @property
    def commits_each(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return self.autocommits and not self.explicit

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.line.raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.line.raw, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN or name in type(self).own:
            object.__setattr__(self, name, value)
        else:
            setattr(self.line.raw, name, value)

    def __enter__(self) -> "Checkout":
        return self

    # Statements

    def perform(
        self, statement: str, call: Callable[[], Result], text: Callable[[], str] = str
    ) -> Result | None:
        """Do a statement; `call` sends it, `text` gives it with its parameters. None where it only sets or ends savepoints."""
        __tracebackhide__ = True
        if self.ended:
            raise self.closed_error()
        if self.starting:
            return call()
        what = meaning(statement)
        if what.control:
            if self._control(what):
                return None
            what = NOTHING
        return self.line.run(self, what, call, text)

    def _control(self, what: Meaning) -> bool:
        """Do what controls the transaction; return whether that is all."""
        __tracebackhide__ = True
        transaction = self.work
        if what.control == "two_phase":
            say(messages.TWO_PHASE)
        elif what.control == "begin":
            self.line.check_begin(what.how)
            self.explicit = True
            self.line.run(self, NOTHING, lambda: None)
        elif what.control in ("commit", "rollback"):
            (self.commit if what.control == "commit" else self.rollback)()
            self.explicit = what.chain
        elif what.control == "savepoint":
            if transaction.failed or self.line.failed_in(transaction):
                return False
            self.line.run(self, NOTHING, lambda: None)
            self.line.end(self, lambda stack: stack.set_savepoint(transaction, what.name))
        else:
            return self._to_savepoint(what)
        return True

    def _to_savepoint(self, what: Meaning) -> bool:
        __tracebackhide__ = True
        transaction = self.work
        labels = [savepoint.label for savepoint in transaction.savepoints]
        if what.name not in labels[1:]:
            return False  # the server says it
        position = len(labels) - 1 - labels[::-1].index(what.name)
        if what.control == "release":
            if self.line.failed_in(transaction):
                return False
            self.line.end(self, lambda stack: stack.release(transaction, position))
        else:
            self.line.end(self, lambda stack: stack.rollback_to(transaction, position))
        return True

    # Its end

    def commit(self) -> None:
        """Release the savepoint. Raises the driver's error where a deferred constraint refuses it."""
        __tracebackhide__ = True
        self._check_open()
        self.explicit = False
        self.line.end(self, lambda stack: stack.commit(self.work))

    def rollback(self) -> None:
        """Go back to the savepoint."""
        __tracebackhide__ = True
        self._check_open()
        self.explicit = False
        self.line.end(self, lambda stack: stack.rollback(self.work))

    def close(self) -> None:
        """Roll back, as the end of a connection does."""
        __tracebackhide__ = True
        if not self.ended:
            self.line.end(self, lambda stack: stack.rollback(self.work))
            self.ended = True

    def renounce(self) -> Transaction:
        """Give away the transaction, to be rolled back later, and begin without."""
        work, self.work = self.work, Transaction()
        return work

    def _check_open(self) -> None:
        if self.ended:
            raise self.closed_error()

    @abstractmethod
    def closed_error(self) -> Exception:
        """Return what the driver raises on a closed connection."""

    @abstractmethod
    def in_failed_transaction(self) -> Exception:
        """Return what the driver raises in a transaction in which a statement has failed."""

    def _refuse_two_phase(self, *_: object, **__: object) -> None:
        __tracebackhide__ = True
        say(messages.TWO_PHASE)

    tpc_begin = tpc_prepare = tpc_commit = tpc_rollback = tpc_recover = _refuse_two_phase

    def is_usable(self) -> bool:
        """Tell whether what listeners set on it is still there."""
        return self.born[0] == self.line.age[0] if self.outside else self.born == self.line.age
