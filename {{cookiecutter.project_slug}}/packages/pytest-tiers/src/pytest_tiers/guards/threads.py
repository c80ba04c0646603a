"""Work that goes on when its test has ended: threads, and what it gave to an event loop or a pool."""

import re
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_tiers.guards.authors import Author
from pytest_tiers.guards.owners import PATIENCE, has_begun, started_by, unfinished
from pytest_tiers.guards.probes import Accept, Change, Probe

if TYPE_CHECKING:
    from pytest_tiers.guards.lifting import Node

OWN_THREADS = "pytest_tiers"
"""How the names of the machinery's own threads begin."""


class Threads(Probe):
    """Threads that run, and tasks and jobs that aren't done.

    The threads of a pool that lives on wait for the next job, whichever test had the first one.
    """

    advice = (
        "left threads or tasks running: {}.\n"
        "Join or cancel them in a fixture; name those that may go on in `expected_threads` of [tool.tiers]."
    )

    def __init__(self, expected: Iterable[str]) -> None:
        """Take regular expressions for the names of threads, tasks and jobs that may go on."""
        self._expected = re.compile("|".join([re.escape(OWN_THREADS), *expected]))
        self.node: Node | None = None
        """The test that ends, or the module that was imported."""

    @staticmethod
    def _now() -> frozenset[threading.Thread]:
        return frozenset(threading.enumerate())

    def take(self) -> None:
        """Remember them."""
        self._known = self._now()

    def changed(self) -> bool:
        """Tell whether there are new ones, or work that may not be done."""
        return has_begun() or not self._now() <= self._known

    def renew(self) -> None:
        """Remember them; those that have ended as well, since a thread's number may be used again."""
        self.take()

    def meant(self) -> Accept:
        """Accept the threads that begin."""
        before = self._now()

        def accept(author: Author | None = None) -> list[Change]:
            del author
            self._known |= self._now() - before
            return []

        return accept

    def changes(self, author: Author | None = None) -> list[Change]:
        """Return what runs on after a second."""
        del author
        left = [thread for thread in self._now() - self._known if self._counts(thread)]
        for thread in left:
            thread.join(PATIENCE)  # it may be about to end
        names = sorted(thread.name for thread in left if thread.is_alive())
        if self.node is not None:
            names += unfinished(self.node, self._expected.match)
        return [Change(name, undo=_nothing, still=lambda: True, recall=_nothing) for name in names]

    def _counts(self, thread: threading.Thread) -> bool:
        if (
            self._expected.match(thread.name)
            or isinstance(thread, threading._DummyThread)
            or _waits_in_pool(thread)
        ):
            return False
        # What another test or a fixture of a wider scope has begun goes on starting threads.
        return started_by(thread) in (None, self.node)


def _waits_in_pool(thread: threading.Thread) -> bool:
    """Tell whether a thread is one of a pool that lives on; its jobs are looked at by themselves."""
    pools = sys.modules.get("concurrent.futures.thread")
    if pools is not None and thread in pools._threads_queues:
        reference = next(iter(getattr(thread, "_args", ())), None)
        return reference is not None and reference() is not None
    if type(thread).__module__ == "anyio._backends._asyncio":
        loop = getattr(thread, "loop", None)
        return loop is not None and not loop.is_closed()
    return False


def _nothing() -> None:
    """Nobody can end them."""
