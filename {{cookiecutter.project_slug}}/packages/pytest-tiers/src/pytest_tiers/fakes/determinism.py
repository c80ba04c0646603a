"""Time that stands still and randomness that repeats, for tests that ask for them."""

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pytest_tiers.fakes.extras import need

if TYPE_CHECKING:
    from time_machine import Traveller

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""Where `frozen_time` begins."""

Follower = Callable[[timedelta], object]
_FOLLOWERS = pytest.StashKey[list[Follower]]()


def followers_of(config: pytest.Config) -> list[Follower]:
    """Return what is called with every step of a run's frozen time: what has a clock of its own, and can follow it."""
    return config.stash.setdefault(_FOLLOWERS, [])


class FrozenTime:
    """The time of the test: it stands still until it is moved."""

    def __init__(self, traveller: "Traveller", followers: list[Follower]) -> None:
        """Take what time-machine gave, and what is to follow."""
        self._traveller, self._followers = traveller, followers

    def shift(self, seconds: float | timedelta) -> None:
        """Move by so many seconds; back if they are negative."""
        step = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        self._traveller.shift(step)
        for follow in self._followers:
            follow(step)

    def move_to(self, instant: datetime) -> None:
        """Move to an instant, which has a time zone."""
        self.shift(instant - datetime.now(UTC))


@pytest.fixture
def frozen_time(pytestconfig: pytest.Config) -> Iterator[FrozenTime]:
    """The time stands still at 2026-03-02 09:30 UTC until the test moves it: `frozen_time.shift(60)`, `frozen_time.move_to(…)`.

    All of Python sees it: `datetime`, `time.time`, each thread, log lines, and the time to live in Redis. It doesn't cover
    what measures intervals (`time.monotonic`, `time.perf_counter`), `time.sleep`, which really waits, or the clocks of servers:
    `now()` and CURRENT_TIMESTAMP of the database, and a real Redis's TIME and EXPIREAT. What waits for a time that
    never comes hangs: BLPOP with a time-out on fakeredis, for one. Step past the end of a time to live, not right onto it.
    """
    need("time", "time_machine")
    import time_machine  # here, since few runs need it: 30 ms

    # When a test ran is a matter of the real time, in each report.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("_pytest.timing.time", time_machine.escape_hatch.time.time)
        with time_machine.travel(NOW, tick=False) as traveller:
            yield FrozenTime(traveller, followers_of(pytestconfig))


@pytest.fixture
def seeded_random(request: pytest.FixtureRequest) -> Iterator[random.Random]:
    """Randomness that is the same in each run and each worker, and another for each test: the seed is the test's node id.

    Covers `random`, `uuid.uuid4`, `secrets` and `os.urandom`; gives the generator behind the last three, which the test may draw
    from. It doesn't cover `random.Random()` without a seed, libraries with generators of their own, TLS, or the
    database's random(). Where several threads draw, it is chance who comes first.
    """
    generator = random.Random(request.node.nodeid)  # noqa: S311 - repeatable is what it has to be
    state = random.getstate()
    random.seed(request.node.nodeid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", generator.randbytes)
        patch.setattr(random, "_urandom", generator.randbytes)  # SystemRandom's, and so that of secrets
        yield generator
    random.setstate(state)
