"""What to do about errors of the tiers that are rolled back, where a library's own words don't say it."""

from collections.abc import Generator

import pytest

from pytest_tiers.tiers import tier_of

INSTEAD = "belongs in the committed tier, or takes `committed_db`."
PARALLEL = (
    "A request began while another one was under way, on the one connection that is rolled back.\n"
    "In production each has a connection, and a transaction, of its own.\n"
    f"What runs in parallel {INSTEAD}"
)
SECOND_CONNECTION = (
    "The test opened another connection to the database, whose work couldn't be rolled back.\n"
    f"Use db_session's; what needs several connections {INSTEAD}"
)
IN_TRANSACTION = (
    f"The test runs in a transaction, which is rolled back.\nWhat needs a transaction of its own {INSTEAD}"
)
WAITED = (
    "A statement waited for a lock that another open session of the same test holds, and would have waited for ever.\n"
    "In production it would wait until that session ends; on the one connection that is rolled back nobody waits.\n"
    'End that session first, or declare the difference: @pytest.mark.differs(reason="…").'
)
NO_SYNTAX = "SQLite doesn't know this. If PostgreSQL does, the test belongs in the integration tier."
REMEDIES = {
    "is not currently accepting connections": SECOND_CONNECTION,
    "QueuePool limit of size 1 overflow 0 reached": SECOND_CONNECTION,
    "is already in progress and this would cause an unexpected state change": PARALLEL,
    "cannot run inside a transaction block": IN_TRANSACTION,
    "invalid transaction termination": IN_TRANSACTION,
    "must be called before any query": IN_TRANSACTION,
    "Connection is already established for the given bind; execution_options ignored": IN_TRANSACTION,
    "canceling statement due to lock timeout": WAITED,
    "no such function: ": NO_SYNTAX,
    "no such collation sequence: ": NO_SYNTAX,
    "can't render element of type": NO_SYNTAX,
    "(sqlite3.OperationalError) near ": NO_SYNTAX,
}
"""What to say, by the words that tell the error."""
ROLLED_BACK = pytest.StashKey[bool]()
"""Set for a test around which there is a transaction, in whichever tier, and in suites without tiers."""
TIERS = frozenset({"unit", "integration"})


class RollbackRemedies:
    """Adds them to the reports of tests that are rolled back."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add words where others' don't do."""
        report = yield
        if report.failed and (ROLLED_BACK in item.stash or tier_of(item) in TIERS):
            said = report.longreprtext + "".join(text for _, text in report.sections)
            remedies = {remedy for words, remedy in REMEDIES.items() if words in said}
            report.sections += [("What to do", remedy) for remedy in sorted(remedies)]
        return report
