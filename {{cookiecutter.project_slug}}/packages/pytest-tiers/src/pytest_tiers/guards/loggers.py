"""The configuration of logging, and of structlog if that is imported."""

import logging
import sys
from operator import attrgetter
from typing import Any

from pytest_tiers.config import Settings
from pytest_tiers.guards.authors import Author
from pytest_tiers.guards.probes import GONE, Change, Values

CONFIGURING = frozenset(
    {
        "setLevel",
        "addHandler",
        "removeHandler",
        "addFilter",
        "removeFilter",
        "basicConfig",
        "dictConfig",
        "fileConfig",
    }
    | {"captureWarnings", "disable", "configure", "configure_once", "reset_defaults"}
    | {"bind_contextvars", "clear_contextvars", "unbind_contextvars"}
)
"""What code names that configures logging."""
ATTRIBUTES = ("level", "propagate", "disabled", "handlers", "filters")
DISABLE, STRUCTLOG, CONTEXT = "logging.disable()", "structlog", "context of structlog"

_state = attrgetter(*ATTRIBUTES)
_UNTOUCHED: tuple[Any, ...] = (logging.NOTSET, True, False, [], [])


class Loggers(Values):
    """What each logger is set to.

    An application may configure logging when it starts, in whichever test that is: then it is put back without a word.
    """

    advice = (
        "left the configuration of logging changed: {}.\nUse caplog.set_level(), or put it back in a fixture."
    )

    def __init__(self, settings: Settings) -> None:
        """Take the settings: loggers of libraries, which make them when they are first used, are let be."""
        self._own = settings.of_packages

    def take(self) -> None:
        """Remember it, lists as copies."""
        self._nodes = list(logging.root.manager.loggerDict.values())
        self._known = self.now()
        self._was_configured = STRUCTLOG in self._known and sys.modules["structlog"].is_configured()
        self._list()

    def _list(self) -> None:
        """Prepare what is compared: the loggers by themselves, of which there are some hundred, in C."""
        named = logging.root.manager.loggerDict
        pairs = [(named.get(name), state) for name, state in self._known.items()]
        found = [(logger, state) for logger, state in pairs if isinstance(logger, logging.Logger)]
        self._loggers, self._states = [logger for logger, _ in found], [state for _, state in found]

    def now(self) -> dict[Any, Any]:
        """Return the state of all loggers by name, and what is set for all of them."""
        named = {
            name: logger
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger)
        }
        states = {name: _copied(_state(logger)) for name, logger in named.items()}
        return {"root": _of_root(), **states, **_of_all()}

    def changed(self) -> bool:
        """Compare."""
        return (
            [*map(_state, self._loggers)] != self._states
            or _of_root() != self._known["root"]
            or [*logging.root.manager.loggerDict.values()] != self._nodes
            or any(self._known.get(name, value) != value for name, value in _of_all().items())
        )

    def changes(self, author: Author | None = None) -> list[Change]:
        """Return what differs; of new loggers those of the project, and those that a test or fixture has touched."""
        found = []
        meant = author is None or author.mentions(*CONFIGURING) or any(map(author.sets, ATTRIBUTES))
        for change in super().changes(author):
            name, is_new = change.name, change.name not in self._known
            if is_new and (
                self._is_untouched(name)
                or self._is_of_library(name)
                or (not meant and not self._own.match(name))
            ):
                continue
            change.blamed = meant
            found.append(change)
        if author is not None and not found:
            self.take()
        return found

    def _is_untouched(self, name: str) -> bool:
        """Tell whether nobody has configured it: one that was made, or structlog when it is imported."""
        if name in (DISABLE, STRUCTLOG, CONTEXT):
            return True
        logger = logging.root.manager.loggerDict.get(name)
        return isinstance(logger, logging.Logger) and _state(logger) == _UNTOUCHED

    def _is_of_library(self, name: str) -> bool:
        return name.partition(".")[0] in sys.modules and not self._own.match(name)

    def put(self, name: Any, value: Any) -> None:
        """Set it again."""
        if name == DISABLE:
            logging.disable(value)
        elif name == STRUCTLOG:
            structlog = sys.modules["structlog"]
            structlog.configure(**value) if self._was_configured else structlog.reset_defaults()
        elif name == CONTEXT:
            context = sys.modules["structlog"].contextvars
            context.clear_contextvars()
            context.bind_contextvars(**value)
        else:
            logger = logging.root if name == "root" else logging.getLogger(name)
            level, logger.propagate, logger.disabled, handlers, filters = (
                _UNTOUCHED if value is GONE else value
            )
            logger.setLevel(level)  # which empties a cache
            logger.handlers[:] = [*filter(_is_pytests, logger.handlers), *handlers]
            logger.filters[:] = filters

    def _change(self, name: Any, old: Any, new: Any) -> Change:
        change = super()._change(name, old, new)
        recall = change.recall

        def recall_and_list() -> None:
            recall()
            self._list()

        change.recall = recall_and_list
        return change


def _copied(state: Any) -> tuple[Any, ...]:
    level, propagate, disabled, handlers, filters = state
    return level, propagate, disabled, [*handlers], [*filters]


def _is_pytests(handler: object) -> bool:
    """Tell whether pytest adds it anew in each phase of a test, which an application may have removed."""
    return type(handler).__module__ == "_pytest.logging"


def _of_root() -> tuple[Any, ...]:
    root = logging.root
    handlers = [handler for handler in root.handlers if type(handler).__module__ != "_pytest.logging"]
    return root.level, root.propagate, root.disabled, handlers, [*root.filters]


def _of_all() -> dict[str, Any]:
    values: dict[str, Any] = {DISABLE: logging.root.manager.disable}
    structlog: Any = sys.modules.get("structlog")
    if structlog and hasattr(structlog, "get_config") and hasattr(structlog, "contextvars"):
        # Whether it is configured at all is no change: who puts back what `get_config` gave has configured it since.
        values |= {STRUCTLOG: structlog.get_config(), CONTEXT: structlog.contextvars.get_contextvars()}
    return values
