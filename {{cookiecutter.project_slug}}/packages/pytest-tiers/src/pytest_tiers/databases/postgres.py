"""Rollback per test on PostgreSQL."""

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus

from pytest_tiers.databases.preparation import reported
from pytest_tiers.databases.rollback import ENDED, Rollback

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from pytest_tiers.databases.templates import Databases

DEFERRED = (
    "The test committed what a deferred constraint refuses:\n{error}\n"
    "In production commit() would fail. To test that, use the committed tier, or `committed_db`."
)
UNDO = (
    "ROLLBACK TO SAVEPOINT guard; ROLLBACK;"
    # What a rollback leaves: locks of the session, PREPARE, and what currval() says.
    " SELECT pg_advisory_unlock_all(); DEALLOCATE ALL; DISCARD SEQUENCES"
)


class PostgresRollback(Rollback):
    """Rollback on PostgreSQL: checks deferred constraints, and puts back what a rollback leaves.

    Two trips to the server for each test: what they carry costs less than each further trip, by way of SQLAlchemy, would.
    """

    def __init__(self, engine: "Engine", databases: "Databases") -> None:
        """Watch `engine`, on the worker's database, and close that to everybody else."""
        super().__init__(engine)
        self._databases = databases
        with reported():
            databases.close_behind(engine)

    def rebuild(self) -> None:
        """Make the worker's database anew."""
        with reported():
            self._databases.replace(self._engine)

    def begin(self, driver: psycopg.Connection[Any]) -> None:
        """Begin the transaction, and set the savepoint that tells whether it is still the same."""
        if driver.pgconn.exec_(b"BEGIN; SAVEPOINT guard").status != ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError(driver.pgconn.error_message.decode(errors="replace"))

    def end(self, driver: psycopg.Connection[Any]) -> str | None:
        """Roll back. Returns what couldn't be, or what a deferred constraint refuses; None if all is well."""
        failed = driver.info.transaction_status == TransactionStatus.INERROR
        try:
            driver.execute(UNDO if failed else f"SET CONSTRAINTS ALL IMMEDIATE; {UNDO}", prepare=False)
        except psycopg.errors.InvalidSavepointSpecification:
            return ENDED.format(what="COMMIT or ROLLBACK on the driver's own connection")
        except psycopg.OperationalError as error:
            return f"The connection to the worker's database was lost: {str(error).strip()}"
        except psycopg.Error as error:
            return DEFERRED.format(error=str(error).strip().partition("\n")[0])
        return None
