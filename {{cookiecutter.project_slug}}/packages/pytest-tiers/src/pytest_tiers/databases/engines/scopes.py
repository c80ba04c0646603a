"""The scopes of fixtures that are open in a run: run, package, module, class, test."""

from dataclasses import dataclass

WIDTHS = ("run", "package", "module", "class", "test")
"""From the widest."""


@dataclass(eq=False)
class Scope:
    """One scope: a certain module, class or test."""

    kind: str
    name: str
    closed: bool = False
    within: "Scope | None" = None
    """The scope that this is a part of: that of a module, for a parametrised fixture in it."""
    owner: object = None
    """That fixture."""
    covered: bool = False
    """Whether others of that scope worked on top of this."""

    def narrower_than(self, other: "Scope") -> bool:
        """Tell whether this lies in `other`."""
        return WIDTHS.index(self.kind) > WIDTHS.index(other.kind)

    def __str__(self) -> str:
        """Say it in a message."""
        return f"the {self.kind} {self.name}" if self.kind != "run" else "the run"


class Scopes:
    """Those that are open now, and the one whose code runs. Hooks tell; nothing is sent."""

    def __init__(self) -> None:
        """Begin in the run."""
        self.run = Scope("run", "")
        self.open = [self.run]
        self.working: list[Scope] = []
        """The scopes of the fixtures that are being set up or torn down, the innermost last."""

    @property
    def current(self) -> Scope:
        """The scope whose code runs: that of a fixture, else the narrowest that is open."""
        return self.working[-1] if self.working else self.open[-1]
