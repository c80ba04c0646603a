"""Measured time: each run measures its tests, `.cache/tests/` keeps that, and what follows from it is decided.

Promises the markers `fast`, `medium` and `slow`, as many workers as pay, long tests first, balanced shards, budgets, and a record
of each run. Costs some 0.1 ms of processor time per test, and 10 ms at the end of a run. Doesn't tell why a test is slow, and
isn't exact: what tests take varies, so the middle of the last runs counts.
"""

import pytest


def plugins(config: pytest.Config) -> dict[str, object]:
    """Return what takes part in a run, by name, in the order in which it is to be registered.

    Of several hooks that are to be tried first, the one registered last is: a shard leaves tests out before they are marked.
    """
    from pytest_tiers.timing.auto_workers import AutoWorkers
    from pytest_tiers.timing.budget_checks import BudgetChecks
    from pytest_tiers.timing.bytecode import Bytecode
    from pytest_tiers.timing.details import details_of
    from pytest_tiers.timing.order import Order
    from pytest_tiers.timing.quarantine import Quarantine
    from pytest_tiers.timing.recorder import Recorder
    from pytest_tiers.timing.shards import Shards
    from pytest_tiers.timing.speed import Speed
    from pytest_tiers.timing.stopwatch import stopwatch_of

    return {
        "tiers-stopwatch": stopwatch_of(config),
        "tiers-details": details_of(config),
        "tiers-speed": Speed(config),
        "tiers-budgets": BudgetChecks(config),
        "tiers-quarantine": Quarantine(config),
        "tiers-auto-workers": AutoWorkers(),
        "tiers-recorder": Recorder(),
        "tiers-bytecode": Bytecode(),
        "tiers-shards": Shards(),
        "tiers-order": Order(),
    }
