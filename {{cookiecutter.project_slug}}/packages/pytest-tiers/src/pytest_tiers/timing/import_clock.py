"""The seconds that tests spend in imports, which say nothing of the test that happened to come first."""

import builtins
import threading
from time import perf_counter
from typing import Any

from pytest_tiers.guards import watched


class ImportClock:
    """Adds up the seconds that tests spend in imports, also in their threads.

    Not in those of the machinery: what they import meanwhile, no test waits for. A run inside a run counts for both.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.seconds = 0.0
        self._running = False
        self._import = builtins.__import__
        self._inside = threading.local()
        self._now = perf_counter  # here, where nothing that freezes time looks for it

    def start(self) -> None:
        """Count from now on."""
        self._running, self._import = True, builtins.__import__
        builtins.__import__ = self._timed

    def stop(self) -> None:
        """Count no longer."""
        self._running = False
        if builtins.__import__ == self._timed:  # else somebody else's calls this one
            builtins.__import__ = self._import

    def _timed(self, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # an import that fails does so in the test
        if not self._running or getattr(self._inside, "import_", False) or not watched():
            return self._import(*args, **kwargs)
        self._inside.import_ = True
        started = self._now()
        try:
            return self._import(*args, **kwargs)
        finally:
            self._inside.import_ = False
            self.seconds += self._now() - started
