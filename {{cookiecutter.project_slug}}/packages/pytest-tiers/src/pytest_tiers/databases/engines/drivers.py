"""The one real connection of a tier, as the stack of savepoints needs it: what is sent, and what the server is asked.

The driver is in autocommit mode: BEGIN, SAVEPOINT and ROLLBACK are sent as they stand.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import sqlite3

    import psycopg


class Level(Protocol):
    """A savepoint, as a driver sees it."""

    baseline: Any
    wrote: bool


class Driver(ABC):
    """One connection."""

    isolation: str = ""
    """What the transaction around a test begins with, if that isn't the server's default."""

    def __init__(self, raw: Any) -> None:
        """Take the driver's connection."""
        self.raw = raw

    @abstractmethod
    def send(self, statements: Sequence[str]) -> None:
        """Send statements in one round trip. Raises the driver's errors."""

    @abstractmethod
    def written(self, levels: Sequence[Level], pending: Sequence[str]) -> int:
        """Send what is pending, and return how many of the savepoints, from the outermost, have written since they were set."""

    @abstractmethod
    def state(self) -> str:
        """Return how the transaction is, without asking the server: open, none, failed, unread or lost."""

    def baseline(self) -> Any:
        """Return what a savepoint is compared with later."""
        return None

    @property
    @abstractmethod
    def undo(self) -> list[str]:
        """What puts back what a rollback leaves."""

    def deferred(self, pending: Sequence[str]) -> str:
        """Send what is pending, and return the names of the constraints that are checked at a commit, as a list in SQL."""
        self.send(pending)
        return ""

    def open_cursors(self, pending: Sequence[str]) -> set[str]:
        """Send what is pending, and return the names of the cursors that end with their transaction."""
        self.send(pending)
        return set()

    def opened(self) -> None:  # noqa: B027 - there may be nothing to look at
        """Look at the database before its first transaction."""

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()


class SqliteDriver(Driver):
    """SQLite: what is changed is counted by the connection itself."""

    raw: "sqlite3.Connection"

    def send(self, statements: Sequence[str]) -> None:
        """Run them, one after the other: there is no way to a server."""
        for statement in statements:
            self.raw.execute(statement)

    def written(self, levels: Sequence[Level], pending: Sequence[str]) -> int:
        """Compare the changes so far with those when each savepoint was set."""
        self.send(pending)
        changes = self.raw.total_changes
        for index, level in enumerate(levels):
            if level.baseline == changes and not any(inner.wrote for inner in levels[index:]):
                return index
        return len(levels)

    def state(self) -> str:
        """Tell by the connection's own attribute; a closed one has none."""
        try:
            return "open" if self.raw.in_transaction else "none"
        except Exception:  # sqlite3.ProgrammingError: closed
            return "lost"

    def baseline(self) -> int:
        """Return how many rows were changed so far."""
        return self.raw.total_changes

    @property
    def undo(self) -> list[str]:
        """Nothing: SQLite has no state of the session that tests would change."""
        return []


_SET_CONFIG = re.compile(
    r"""\bset_config\s*\(\s*E?'(?P<name>(?:[^']|'')+)'(?:::\w+)?\s*,
    \s*(?:E?'(?:[^']|'')*'|[^,'()]*)(?:::\w+)?\s*,\s*(?:is_local\s*=>\s*)?(?:true|'t(?:rue)?')\b""",
    re.IGNORECASE | re.VERBOSE,
)
LEVELS = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND pid = pg_backend_pid()"
"""How many levels of the transaction have an id of their own, which they get when they first write, the outer ones first."""
DEFERRED = """SELECT string_agg(format('%I.%I', nspname, conname), ', ') FROM pg_constraint
    JOIN pg_namespace ON pg_namespace.oid = connamespace WHERE condeferred"""
SEQUENCES = """SELECT string_agg(format('SELECT setval(%L, %s, %L)', format('%I.%I', schemaname, sequencename),
    coalesce(last_value, start_value), last_value IS NOT NULL), '; ') FROM pg_sequences
    WHERE has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'UPDATE')"""
SHORT = " AND max_value <= 40000"
"""Sequences that tests could use up."""


class PsycopgDriver(Driver):
    """PostgreSQL through psycopg. What savepoints need goes past psycopg's cursors, which would take three times as long."""

    raw: "psycopg.Connection[Any]"

    def __init__(self, raw: Any) -> None:
        """Take a connection in autocommit mode."""
        super().__init__(raw)
        from psycopg.errors import error_from_result
        from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus

        self._error = error_from_result
        self._fatal = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)
        self._no_pipeline = PipelineStatus.OFF
        self._states: dict[int, str] = {
            TransactionStatus.IDLE: "none",
            TransactionStatus.INTRANS: "open",
            TransactionStatus.INERROR: "failed",
            TransactionStatus.ACTIVE: "unread",
            TransactionStatus.UNKNOWN: "lost",
        }
        self.restore_sequences = ""
        """What puts sequences back after a test."""
        self.deallocate = False
        """Whether a test has prepared statements of its own, or changed what psycopg's depend on."""
        self._short = ""
        self._deallocated = count(1)

    def opened(self) -> None:
        """Note the sequences that a test could use up."""
        self._short = self.restore_sequences = self.ask([], SEQUENCES + SHORT) or ""

    def send(self, statements: Sequence[str]) -> None:
        """Send them as one query."""
        if not statements:
            return
        if self.raw.pgconn.pipeline_status != self._no_pipeline:
            for statement in statements:
                self.raw.execute(statement, prepare=False)
            return
        self._run("; ".join(statements))

    def _run(self, query: str) -> Any:
        result = self.raw.pgconn.exec_(query.encode())
        if result.status in self._fatal:
            raise self._error(result, self.raw.info.encoding)
        return result

    def ask(self, pending: Sequence[str], query: str) -> str | None:
        """Send what is pending, and return the one value of a query as a text."""
        if self.raw.pgconn.pipeline_status != self._no_pipeline:
            self.send(pending)
            row = self.raw.execute(query, prepare=False).fetchone()
            return None if row is None or row[0] is None else str(row[0])
        value = self._run("; ".join([*pending, query])).get_value(0, 0)
        return None if value is None else value.decode()

    def written(self, levels: Sequence[Level], pending: Sequence[str]) -> int:  # noqa: ARG002 - the server knows them
        """Ask how many levels have an id; the transaction itself is the first."""
        return max(0, int(self.ask(pending, LEVELS) or 0) - 1)

    def state(self) -> str:
        """Tell by what libpq knows, which is nothing yet in a pipeline."""
        if self.raw.pgconn.pipeline_status != self._no_pipeline:
            return "open"
        return self._states[self.raw.pgconn.transaction_status]

    @property
    def undo(self) -> list[str]:
        """Locks of the session, what currval() says, sequences, and statements that were prepared."""
        undo = ["SELECT pg_advisory_unlock_all()", "DISCARD SEQUENCES"]
        if self.restore_sequences:
            undo += [self.restore_sequences, "DISCARD SEQUENCES"]
        return undo

    def keep_sequences(self, pending: Sequence[str]) -> None:
        """Note where sequences are, before a test sets one."""
        if self.restore_sequences == self._short:
            self.restore_sequences = self.ask(pending, SEQUENCES) or ""
        else:
            self.send(pending)

    def put_back(self) -> None:
        """Do what can't wait for the next test's first statement, because psycopg has to know of it."""
        self.restore_sequences = self._short
        if self.deallocate:
            self.deallocate = False
            # psycopg looks at what a statement did only where its text is new.
            self.raw.execute(f"DEALLOCATE ALL /* {next(self._deallocated)} */", prepare=False)

    def set_for_transaction(self, text: str) -> list[str]:
        """Return the names that calls of set_config() set for the transaction only."""
        return [found["name"] for found in _SET_CONFIG.finditer(text)]

    def setting(self, pending: Sequence[str], name: str) -> str:
        """Send what is pending, and return the value of a setting; empty if there is none."""
        quoted = name.replace("'", "''")
        return self.ask(pending, f"SELECT current_setting('{quoted}', true)") or ""

    def open_cursors(self, pending: Sequence[str]) -> set[str]:
        """Ask for them."""
        names = self.ask(pending, "SELECT string_agg(name, chr(1)) FROM pg_cursors WHERE NOT is_holdable")
        return set(names.split("\x01")) if names else set()

    def deferred(self, pending: Sequence[str]) -> str:
        """Ask the catalogue."""
        return self.ask(pending, DEFERRED) or ""
