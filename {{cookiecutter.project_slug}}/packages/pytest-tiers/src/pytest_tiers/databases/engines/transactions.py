"""Savepoints, and the transactions of checkouts that they stand for."""

from dataclasses import dataclass, field
from typing import Any

from pytest_tiers.databases.engines.scopes import Scope


@dataclass(eq=False)
class Savepoint:
    """A savepoint, on the server or floating."""

    name: str
    owner: "Transaction | Scope | None"
    """Whose it is; None for what nobody will end any more."""
    label: str = ""
    """The name that the user gave it."""
    layer: bool = False
    inside: int = 0
    """How many others have committed within it."""
    failed: bool = False
    """Whether a statement failed in it and others needed the connection, so that it was rolled back before its owner did."""
    placed: bool = False
    """Whether it is on the stack."""
    baseline: Any = None
    wrote: bool = False


@dataclass(eq=False)
class Transaction:
    """What a checkout has begun: its savepoint, and those that the user sets in it."""

    savepoints: list[Savepoint] = field(default_factory=list)
    ended_with: Scope | None = None
    """The test, or the wider scope, that ended while this was open."""
    lost: bool = False
    """Whether it had written then."""
    read_only: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    """What SET LOCAL changed, and what it was before."""
    constraints: bool = False
    cursors: set[str] = field(default_factory=set)
    temporary: list[tuple[str, str]] = field(default_factory=list)

    def clear(self) -> None:
        """Be as one that hasn't begun."""
        self.__init__()  # type: ignore[misc]

    @property
    def failed(self) -> bool:
        """Whether a statement failed in it, and all but its rollback is refused."""
        return any(savepoint.failed for savepoint in self.savepoints)
