"""What goes to the server of the stack of savepoints: nothing before it has to."""

from itertools import count

from pytest_tiers.databases.engines.drivers import Driver
from pytest_tiers.databases.engines.transactions import Savepoint, Transaction


class Wire:
    """What is set and taken away on a connection, and what of it is sent already."""

    def __init__(self, driver: Driver) -> None:
        """Begin with nothing on it."""
        self.driver = driver
        self.savepoints: list[Savepoint] = []
        self.pending: list[str] = []
        self._undoing: list[str] = []
        """What takes back the transaction before this one, if that isn't sent yet."""
        self.begun = False
        """Whether a transaction is open on the server, or will be with what is pending."""
        self.sent = False
        """Whether it is open on the server."""
        self.deferred: str | None = None
        """The constraints that are checked at a commit; None if that isn't known."""
        self.resets = 0
        """How many transactions around tests were rolled back."""
        self._names = count(1)

    def flush(self) -> None:
        """Send what is pending."""
        if self.pending or self._undoing:
            self.driver.send(self.take())

    def take(self) -> list[str]:
        """Return what is pending, to be sent now."""
        pending = self._undoing + self.pending
        self._undoing, self.pending = [], []
        self.sent = self.begun
        return pending

    def written(self) -> int:
        """Return how many of the savepoints have written, from the outermost; sends what is pending."""
        return self.driver.written(self.savepoints, self.take())

    def _push(self, savepoint: Savepoint) -> None:
        if not self.begun:
            self.pending.append(f"BEGIN{self.driver.isolation}")
            self.begun = True
        savepoint.name = f"t{next(self._names)}"
        savepoint.placed = True
        savepoint.baseline = self.driver.baseline()
        self.pending.append(f"SAVEPOINT {savepoint.name}")
        self.savepoints.append(savepoint)
        owner = savepoint.owner
        if isinstance(owner, Transaction) and owner.read_only and owner.savepoints[0] is savepoint:
            self.pending.append("SET LOCAL transaction_read_only = on")

    def _pop(self, index: int, *, back: bool) -> int:
        """Take away the savepoints from `index` on, with or without what was done in them; return the commits within."""
        gone = self.savepoints[index:]
        del self.savepoints[index:]
        for savepoint in gone:
            savepoint.placed = False
        name = gone[0].name
        waiting = f"SAVEPOINT {name}"
        if waiting in self.pending:
            del self.pending[self.pending.index(waiting) :]  # nothing was sent since
        else:
            self.pending += [f"ROLLBACK TO SAVEPOINT {name}"] * back + [f"RELEASE SAVEPOINT {name}"]
            if back and self.driver.state() == "failed":
                self.flush()
        return sum(savepoint.inside for savepoint in gone)

    def _reset(self) -> None:
        """Roll back everything, and put back what a rollback leaves."""
        for one in self.savepoints:
            one.placed = False
        self.savepoints = []
        self.pending = []
        if self.sent:
            # The first savepoint tells whether the transaction is still the same.
            self._undoing = ["ROLLBACK TO SAVEPOINT t1", "ROLLBACK", *self.driver.undo]
        self.begun = self.sent = False
        self.resets += 1
        self._names = count(1)
