"""What a test may not do, and state that outlives it: refused where it happens, named, put back.

Promises that a green run touched nothing but its own databases, and left nothing behind. Costs less than 0.1 ms of processor time
per test. What isn't seen stands in docs/guards.md: what other processes do, above all, and what libraries do in C.
"""

from typing import TYPE_CHECKING

from pytest_tiers.guards.lifting import GUARDS, how_to_lift, lifted
from pytest_tiers.guards.runs import (
    GuardError,
    Run,
    SecretError,
    UnreachableError,
    current,
    refuse,
    running,
    unwatch,
    watched,
)

if TYPE_CHECKING:
    import pytest

__all__ = [
    "GUARDS",
    "GuardError",
    "Run",
    "SecretError",
    "UnreachableError",
    "current",
    "how_to_lift",
    "lifted",
    "plugins",
    "refuse",
    "running",
    "unwatch",
    "watched",
]


def plugins(config: "pytest.Config") -> dict[str, object]:
    """Return the plugins of this room by name; the run is watched, and secrets are gone, from now on."""
    from pytest_tiers.guards import leftovers
    from pytest_tiers.guards.imports import Imports
    from pytest_tiers.guards.late import LateWork
    from pytest_tiers.guards.leftovers import Leftovers
    from pytest_tiers.guards.lifting import Markers
    from pytest_tiers.guards.network import Network
    from pytest_tiers.guards.placement import Placement
    from pytest_tiers.guards.secrets import Secrets
    from pytest_tiers.tiers import TierMarkers

    run = Run(config)
    run.begin()
    config.add_cleanup(run.end)
    left = Leftovers(config, run)
    return {
        "tiers-run": run,
        "tiers-late": LateWork(config, run),
        "tiers-markers": Markers(),
        "tiers-secrets": Secrets(config, run),
        "tiers-network": Network(config, run),
        "tiers-leftovers": left,
        "tiers-nothing-left": leftovers,
        "tiers-imports": Imports(config, run, left),
        "tiers-placement": Placement(),
        "tiers-tiers": TierMarkers(config),
    }
