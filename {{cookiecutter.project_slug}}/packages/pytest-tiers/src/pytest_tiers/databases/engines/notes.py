"""What a statement means beside what it does: what is refused, and what has to be put back later."""

from collections.abc import Callable

from pytest_tiers.databases.engines import messages
from pytest_tiers.databases.engines.drivers import PsycopgDriver
from pytest_tiers.databases.engines.messages import say
from pytest_tiers.databases.engines.stack import Stack
from pytest_tiers.databases.engines.statements import Meaning
from pytest_tiers.databases.engines.transactions import Transaction


def note(what: Meaning, stack: Stack, transaction: Transaction, text: Callable[[], str]) -> None:
    """Refuse what can't be, and keep in mind what has to be put back with the transaction or the test."""
    __tracebackhide__ = True
    driver = stack.driver
    if what.cluster:
        say(messages.CLUSTER.format(what=what.cluster))
    if what.listens:
        say(messages.LISTENS)
    transaction.cursors.update(what.cursors)
    transaction.temporary += what.temporary
    transaction.constraints |= what.constraints
    transaction.read_only |= what.read_only
    if what.defines:
        stack.deferred = None
        stack.savepoints[-1].wrote = True
    if not isinstance(driver, PsycopgDriver):
        return
    driver.deallocate |= what.prepares or what.defines
    if what.sets_sequence:
        driver.keep_sequences(stack.take())
    names = list(what.settings)
    if what.set_config:
        names += driver.set_for_transaction(text())
    for name in names:
        if name not in transaction.settings:
            transaction.settings[name] = driver.setting(stack.take(), name)
