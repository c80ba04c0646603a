"""What isolation costs, in round trips, which are the same on any machine."""

import pytest
from psycopg import Connection
from sqlalchemy import text
from sqlalchemy.orm import Session
from tier_engines import Make, Tier, add


class Trips:
    """Counts what is sent to the server."""

    def __init__(self, tier: Tier) -> None:
        raw: Connection[tuple[object, ...]] = tier.line.raw
        self.driver = tier.line.open().driver
        self.count = 0
        self._run = self.driver._run  # type: ignore[attr-defined]
        self._wait = raw.wait
        self.driver._run = self._counted  # type: ignore[attr-defined]
        raw.wait = self._waited  # type: ignore[method-assign,assignment]

    def _counted(self, query: str) -> object:
        self.count += 1
        return self._run(query)

    def _waited(self, *arguments: object, **options: object) -> object:
        self.count += 1
        return self._wait(*arguments, **options)  # type: ignore[arg-type]

    def since(self) -> int:
        """Return how many there were since this was asked last."""
        count, self.count = self.count, 0
        return count


@pytest.fixture
def warm(on_postgresql: Make) -> tuple[Tier, Trips]:
    """An engine that was used before."""
    tier = on_postgresql()
    for _ in range(2):
        with tier.scope():
            tier.names()
    trips = Trips(tier)
    trips.since()
    return tier, trips


def test_a_test_without_a_database_sends_nothing(warm: tuple[Tier, Trips]) -> None:
    tier, trips = warm
    with tier.scope("module"), tier.scope("class"), tier.scope():
        pass
    assert trips.since() == 0


def test_taking_a_session_sends_nothing(warm: tuple[Tier, Trips]) -> None:
    tier, trips = warm
    with tier.scope(), Session(tier.engine):
        pass
    assert trips.since() == 0


def test_a_statement_costs_two_in_all(warm: tuple[Tier, Trips]) -> None:
    tier, trips = warm
    for _ in range(2):
        with tier.scope("module"), tier.scope(), Session(tier.engine) as session:
            session.execute(text("SELECT 1"))
        assert trips.since() == 2  # what begins the test takes back the one before


def test_a_commit_costs_none_of_its_own(warm: tuple[Tier, Trips]) -> None:
    tier, trips = warm
    with tier.scope(), Session(tier.engine) as session:
        add(session, "a")
        session.commit()
        add(session, "b")
        session.commit()
        session.scalar(text("SELECT count(*) FROM items"))
    assert (
        trips.since() <= 6
    )  # three statements, and one before each; the constraints are looked up with one of them
