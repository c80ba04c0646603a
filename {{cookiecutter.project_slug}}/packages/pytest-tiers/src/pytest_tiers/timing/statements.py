"""Statements that a test executes on SQLAlchemy's engines, counted by their shape: the text without its values.

SQLAlchemy isn't imported for this: once the suite has imported it, its engines are listened to.
"""

import re
import sys
from hashlib import blake2s
from time import perf_counter
from typing import Any

MOST = 2_000
"""How many texts are remembered: a suite that writes values into its statements has no end of them."""
LONGEST = 2_000
"""How much of a statement is kept."""
VALUE = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
LIST = re.compile(
    r"\(\s*(?:\?|%s|%\(\w+\)s|:\w+|\$\d+)(?:::\w+)?(?:\s*,\s*(?:\?|%s|%\(\w+\)s|:\w+|\$\d+)(?:::\w+)?)+\s*\)"
)
SPACE = re.compile(r"\s+")
EVENTS = ("before_cursor_execute", "after_cursor_execute")


def shape_of(statement: str) -> str:
    """Return a statement without its values, and with lists of parameters of any length alike."""
    return SPACE.sub(" ", LIST.sub("(...)", VALUE.sub("?", statement[:LONGEST]))).strip()


class Statements:
    """Counts what the test that runs executes."""

    def __init__(self) -> None:
        """Wait for SQLAlchemy."""
        self.counted: dict[str, list[Any]] = {}
        """Of each shape, by its key: how often, and how many seconds."""
        self.shapes: dict[str, str] = {}
        """The text of each shape."""
        self._keys: dict[str, str] = {}
        self._listening: Any = None
        self._now = perf_counter

    def begin(self) -> None:
        """Begin a test."""
        if self.counted:
            self.counted = {}
        if self._listening is None and "sqlalchemy.engine" in sys.modules:
            self._listen()

    def stop(self) -> None:
        """Listen no longer."""
        if self._listening is not None:
            from sqlalchemy import event

            for name in EVENTS:
                if event.contains(self._listening, name, getattr(self, f"_{name}")):
                    event.remove(self._listening, name, getattr(self, f"_{name}"))
            self._listening = None

    def _listen(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self._listening = Engine
        for name in EVENTS:
            event.listen(Engine, name, getattr(self, f"_{name}"))

    def _before_cursor_execute(self, *arguments: Any) -> None:
        context = arguments[4]
        if context is not None:
            context._tiers_began = self._now()

    def _after_cursor_execute(self, *arguments: Any) -> None:
        _connection, _cursor, statement, _parameters, context, _executemany = arguments
        seconds = self._now() - getattr(context, "_tiers_began", self._now())
        key = self._keys.get(statement) or self._key(statement)
        if counted := self.counted.get(key):
            counted[0] += 1
            counted[1] += seconds
        else:
            self.counted[key] = [1, seconds]

    def _key(self, statement: str) -> str:
        shape = shape_of(statement)
        key = blake2s(shape.encode(errors="replace"), digest_size=4).hexdigest()
        if len(self.shapes) < MOST:
            self.shapes[key] = shape
        if len(self._keys) < MOST:
            self._keys[statement] = key
        return key
