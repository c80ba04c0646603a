"""What ends with a transaction in production, and doesn't end with a savepoint: settings, cursors, tables, deferred checks."""

from typing import TYPE_CHECKING

from pytest_tiers.databases.engines.transactions import Transaction

if TYPE_CHECKING:
    from pytest_tiers.databases.engines.stack import Stack


def check_constraints(transaction: Transaction, stack: "Stack") -> None:
    """Check what is deferred to the commit, and what is deferred from now on as at the beginning. Raises the driver's error."""
    if stack.deferred is None:
        stack.deferred = stack.driver.deferred(stack.take())
    if not stack.deferred and not transaction.constraints:
        return
    again = [f"SET CONSTRAINTS {stack.deferred} DEFERRED"] if stack.deferred else []
    stack.driver.send([*stack.take(), "SET CONSTRAINTS ALL IMMEDIATE", *again])


def before(transaction: Transaction, stack: "Stack") -> list[str]:
    """Return what has to be sent before a transaction ends: its cursors are closed."""
    if not transaction.cursors or stack.driver.state() != "open":
        return []
    still_open = transaction.cursors & stack.driver.open_cursors(stack.take())
    return [f"CLOSE {_quoted(name)}" for name in sorted(still_open)]


def after(transaction: Transaction) -> list[str]:
    """Return what has to be sent when it has ended: what it set is as before, and its tables are gone. It hasn't begun, then."""
    statements = [
        f"SELECT set_config({_literal(name)}, {_literal(value)}, true)"
        for name, value in transaction.settings.items()
    ]
    for name, what in transaction.temporary:
        dropped = what == "DROP"
        statements.append(f"DROP TABLE IF EXISTS pg_temp.{name}" if dropped else f"TRUNCATE pg_temp.{name}")
    transaction.clear()
    return statements


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
