"""The stack of savepoints on the one connection of a tier: layers, the transactions of checkouts, and their own savepoints.

Each transaction is a savepoint and has to lie where what it writes can be kept or taken back alone. What has only read needs
no place: its savepoint is taken away (it *floats*) when another transaction begins, and set again on top when it goes on. So
a commit inside a session that has only read survives whatever that does. Whether a transaction has written is asked of the
server, and only where two are open.

Nothing is sent before it has to be: what is pending goes along with the next statement.
"""

from pytest_tiers.databases.engines import endings, messages
from pytest_tiers.databases.engines.messages import say
from pytest_tiers.databases.engines.scopes import Scope
from pytest_tiers.databases.engines.transactions import Savepoint, Transaction
from pytest_tiers.databases.engines.wire import Wire


class Stack(Wire):
    """The savepoints on a connection, outermost first. Its methods are called by one thread at a time; see `line`."""

    # Layers

    def end_scope(self, scope: Scope) -> bool:
        """Roll back what was done in a scope; return whether there was anything."""
        index = next((i for i, one in enumerate(self.savepoints) if one.owner is scope), None)
        if index is None:
            return False
        left = [
            (i, one.owner)
            for i, one in enumerate(self.savepoints)
            if i > index and isinstance(one.owner, Transaction)
        ]
        if left:
            # What has failed is lost in production as well.
            written = self.written() if self.driver.state() != "failed" else 0
            for i, transaction in left:
                transaction.lost |= i < written
        if index == 0:
            self._reset()
        else:
            self._pop(index, back=True)
        for _, transaction in left:
            transaction.ended_with = scope
        return True

    def layer(self, scope: Scope) -> None:
        """Put a layer for `scope` on top, or lay open the one that is there. Refuses where rows of narrower scopes lie on it."""
        __tracebackhide__ = True
        there = [i for i, one in enumerate(self.savepoints) if one.owner is scope]
        for one in self.savepoints:
            if isinstance(one.owner, Scope) and one.owner.within is scope:
                one.owner.covered = True
        narrower = [
            i
            for i, one in enumerate(self.savepoints)
            if isinstance(one.owner, Scope) and one.owner.narrower_than(scope)
        ]
        if narrower:
            self._mend()
            if self.written() > narrower[0]:
                owner = self.savepoints[narrower[0]].owner
                say(messages.LATE.format(scope=scope, narrower=owner))
                return
            self._pop(narrower[0], back=True)
        elif not there:
            self._float(above_layers(self.savepoints))
        if not there:
            self._push(Savepoint("", scope, layer=True))

    # Transactions

    def _mend(self) -> None:
        """Make the connection usable for others where a statement of the innermost transaction has failed."""
        if self.savepoints and self.driver.state() == "failed":
            top = self.savepoints[-1]
            top.failed = True
            self.pending.append(f"ROLLBACK TO SAVEPOINT {top.name}")
            self.flush()

    def _float(self, index: int) -> None:
        """Take away the savepoints from `index` on that have only read, from the innermost on."""
        if index >= len(self.savepoints):
            return
        self._mend()
        keep = max(index, self.written())
        # What failed is kept in mind, not on the server.
        if keep < len(self.savepoints):
            read_only = any(
                isinstance(one.owner, Transaction) and one.owner.read_only for one in self.savepoints[keep:]
            )
            self._pop(keep, back=read_only)

    def enter(self, transaction: Transaction, scope: Scope) -> str:
        """Make a transaction the innermost one, begun if it isn't.

        Returns what it lies below, and can't be had from: sessions that have written, the layer of a narrower scope; or nothing.
        """
        __tracebackhide__ = True
        top = self.savepoints[-1] if self.savepoints else None
        layer = next((one.owner for one in reversed(self.savepoints) if one.layer), None)
        if layer is not scope:
            self.layer(scope)
        elif top is not None and transaction.savepoints and top is transaction.savepoints[-1]:
            return ""
        self._outlived(transaction)
        placed = [one for one in transaction.savepoints if one.placed]
        first = self.savepoints.index(placed[-1]) + 1 if placed else above_layers(self.savepoints)
        if first < len(self.savepoints):
            self._float(max(first, above_layers(self.savepoints)))
        above = self.savepoints[first:] if placed else []
        below = "layer" if any(one.layer for one in above) else "sessions" if above else ""
        if not transaction.savepoints:
            transaction.savepoints.append(Savepoint("", transaction))
        for savepoint in transaction.savepoints:
            if not savepoint.placed:
                self._push(savepoint)
        return below

    def guard(self) -> Savepoint:
        """Set a savepoint around one statement."""
        savepoint = Savepoint("", None)
        self._push(savepoint)
        return savepoint

    def end_guard(self, guard: Savepoint, transaction: Transaction, *, done: bool, refused: bool) -> None:
        """End it, whether the statement could be done. Refuses what has written, if that is to be."""
        __tracebackhide__ = True
        index = self.savepoints.index(guard)
        wrote = done and refused and self.written() > index
        self._pop(index, back=not done or wrote)
        transaction.savepoints[-1].failed = not done
        if wrote:
            say(messages.INTERLEAVED)

    def set_savepoint(self, transaction: Transaction, label: str) -> None:
        """Set a savepoint of the user's in a transaction that was entered."""
        savepoint = Savepoint("", transaction, label)
        transaction.savepoints.append(savepoint)
        self._push(savepoint)

    def commit(self, transaction: Transaction) -> None:
        """End a transaction for good. Raises the driver's error where a deferred constraint refuses it."""
        __tracebackhide__ = True
        self._outlived(transaction)
        index = self._to_end(transaction)
        if index is None:
            self.pending += endings.after(transaction)
        elif self.driver.state() == "failed" or transaction.failed:
            self._back(transaction, index)
        else:
            parent = self.savepoints[index - 1]
            if not parent.layer and self.written() > index:
                parent.inside += 1
            try:
                endings.check_constraints(transaction, self)
            except Exception:
                self._back(transaction, index)
                raise
            self.pending += endings.before(transaction, self)
            parent.inside += self._pop(index, back=transaction.read_only)
            self.pending += endings.after(transaction)

    def rollback(self, transaction: Transaction) -> None:
        """Take back a transaction. Refuses if others that have committed would be lost."""
        __tracebackhide__ = True
        index = self._to_end(transaction)
        if index is None:
            self.pending += endings.after(transaction)
        else:
            self._back(transaction, index)

    def _outlived(self, transaction: Transaction) -> None:
        __tracebackhide__ = True
        if transaction.ended_with is not None:
            ended, lost = transaction.ended_with, transaction.lost
            transaction.clear()
            if lost:
                say(messages.OUTLIVED.format(scope=ended))

    def _back(self, transaction: Transaction, index: int) -> None:
        __tracebackhide__ = True
        self.pending += endings.before(transaction, self)
        inside = self._pop(index, back=True)
        self.pending += endings.after(transaction)
        if inside:
            say(messages.LOST)

    def _to_end(self, transaction: Transaction, position: int = 0) -> int | None:
        """Return where savepoints of a transaction begin on the stack, with nothing of others above; None if none is there."""
        __tracebackhide__ = True
        placed = [one for one in transaction.savepoints[position:] if one.placed]
        if not placed:
            return None
        index, last = (self.savepoints.index(one) for one in (placed[0], placed[-1]))
        if last + 1 < len(self.savepoints):
            self._float(max(last + 1, above_layers(self.savepoints)))
        others = [
            one for one in self.savepoints[index:] if one.owner is not transaction and one.owner is not None
        ]
        if not others:
            return index
        layer = next((i for i, one in enumerate(self.savepoints) if one.layer and one in others), None)
        for savepoint in transaction.savepoints:
            savepoint.owner = None  # nobody ends it any more: it goes with what it lies in
        transaction.clear()
        if layer is None:
            say(messages.INTERLEAVED)
        else:
            say(
                messages.WIDER.format(
                    scope=next(one.owner for one in reversed(self.savepoints[:layer]) if one.layer)
                )
            )
        return None

    def release(self, transaction: Transaction, position: int) -> None:
        """Let go of a savepoint of the user's, the one at `position` of the transaction's, and of those within."""
        __tracebackhide__ = True
        index = self._to_end(transaction, position)
        del transaction.savepoints[position:]
        if index is not None:
            inside = self._pop(index, back=False)
            self.savepoints[-1].inside += inside

    def rollback_to(self, transaction: Transaction, position: int) -> None:
        """Go back to a savepoint of the user's, which stays. Refuses if others that have committed would be lost."""
        __tracebackhide__ = True
        index = self._to_end(transaction, position)
        savepoint = transaction.savepoints[position]
        del transaction.savepoints[position + 1 :]
        savepoint.failed = False
        if index is None:
            return
        inside = self._pop(index, back=True)
        savepoint.inside = 0
        self._push(savepoint)
        if inside:
            say(messages.LOST)


def above_layers(savepoints: list[Savepoint]) -> int:
    """Return where the first savepoint is that lies above all layers."""
    return next((i + 1 for i in range(len(savepoints) - 1, -1, -1) if savepoints[i].layer), 0)
