"""A test that lies in no tier: no session runs it for what it is, and no guard knows what it may touch."""

import pytest

from pytest_tiers.guards.lifting import how_to_lift, lifted
from pytest_tiers.tiers import tier_of, tiers_of

NO_TIER = (
    "The test lies in no tier, so that no session runs it for what it is, and no guard knows what it may touch.\n"
    "Move it to {unit} if it needs no PostgreSQL, else to {integration}; to {committed} if it must commit."
)


class Placement:
    """Fails such tests with `--ci`, in a suite that has tiers."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Look where the test lies."""
        tiers = tiers_of(item.config)
        if (
            tiers.configured
            and item.config.option.tiers_ci
            and tier_of(item) is None
            and not lifted(item, "tier")
        ):
            places = {tier: tiers.place(tier) for tier in ("unit", "integration", "committed")}
            pytest.fail(NO_TIER.format(**places) + how_to_lift("tier"), pytrace=False)
