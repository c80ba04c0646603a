"""What tests have in place of the world: Redis, OpenAI and Doppler without the network, a clock, randomness, shared resources.

Promises that a test scripts everything that is answered, that what nobody scripted fails the test, and that nothing of one test
reaches the next. Costs nothing where no test asks: what a fixture needs is imported when it is first used, fakeredis in 0.3 s and
the SDK of OpenAI in 1 s. Doesn't fake a provider's behaviour beyond the answers that are scripted.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def plugins(config: "pytest.Config") -> dict[str, object]:
    """Return what a run registers of this room, by name."""
    del config
    from pytest_tiers.fakes import determinism, providers, redis_server, shared

    return {
        "tiers-redis": redis_server,
        "tiers-providers": providers,
        providers.OUTCOMES: providers.Outcomes(),
        "tiers-determinism": determinism,
        "tiers-shared": shared,
        "tiers-builds": shared.BuildErrors(),
    }
