"""What is said where one connection can't be right, and how: three lines that end with what to do."""

from pytest_tiers.guards import GuardError, current, lifted, refuse, running, watched

_INSTEAD = "belongs in the committed tier, or takes `committed_db`."
LOST = (
    "Another session committed while this one was open with rows of its own, and this one is rolled back: in production the\n"
    "commit stays, on the one connection that is rolled back it would be lost.\n"
    f"Commit or close the outer session first; what nests so {_INSTEAD}"
)
INTERLEAVED = (
    "Two sessions on the one connection that is rolled back don't nest: one went on or ended while a later one had written.\n"
    "In production each has a connection, and a transaction, of its own.\n"
    f"End the later one first; what interleaves {_INSTEAD}"
)
PARALLEL = (
    "A request began while another one was under way, on the one connection that is rolled back.\n"
    "In production each has a connection, and a transaction, of its own.\n"
    f"What runs in parallel {_INSTEAD}"
)
ENDED = (
    "The test ended the transaction around it: {what}.\n"
    "Use the session's commit() and rollback(), which work in a savepoint, so that nothing is left;\n"
    f"what must really commit {_INSTEAD}"
)
LOST_CONNECTION = (
    "The connection to the worker's database was lost{why}.\n"
    "What the test and its wider fixtures wrote is gone; the next test gets a new one.\n"
    f"What ends connections {_INSTEAD}"
)
GONE = (
    "What fixtures of {scope} wrote is gone since {test}, which broke the connection that they are rolled back on.\n"
    "Mend that test first; this one is right without it."
)
UNREAD = (
    "The connection is busy with something that wasn't read to its end: a COPY, or a stream.\n"
    "Use it in a with statement and read it to the end; the worker's database is made anew.\n"
    f"What gives up half-way {_INSTEAD}"
)
TWO_PHASE = (
    f"PREPARE TRANSACTION and two-phase commits can't be rolled back.\nWhat prepares transactions {_INSTEAD}"
)
ISOLATION = (
    "The test asks for {what}, and the transaction around it has begun already as {now}.\n"
    "Give that to create_engine() if all transactions are to have it;\n"
    f"what needs an isolation level of its own {_INSTEAD}"
)
CLUSTER = (
    "The test changes what belongs to the whole server, not to its database: {what}.\n"
    "It would be seen by other workers and other checkouts while the test runs.\n"
    f"What changes roles, databases or the server's settings {_INSTEAD}"
)
LISTENS = (
    "LISTEN on the connection that is rolled back never hears anything: notifications are sent by a real commit.\n"
    f"What listens {_INSTEAD}"
)
OUTLIVED = (
    "A session that was open when {scope} ended is used again, and what it hadn't committed was rolled back with that.\n"
    "Commit or close it before its test ends; make one for each test, or commit in the fixture that makes it."
)
WIDER = (
    "A session that a fixture of {scope} left open with rows of its own is ended by a test: it would take the test's rows along.\n"
    "Commit in the fixture, before it yields; or let the test have a session of its own."
)
LATE = (
    "A fixture of {scope} works on the database only now, when rows of {narrower} are there already: its own would go with those.\n"
    "Let the test or fixture take it before those that write: first among its parameters, or with pytest.mark.usefixtures;\n"
    "or give both the same scope."
)
OUTLIVING = (
    "The rows of the parametrised fixture {fixture} would outlive it: others of {scope} were written after them.\n"
    "Let {fixture} be asked for last, give it a narrower scope, or let it delete its rows in the end."
)
OTHER_ENGINE = (
    "The fixture {fixture} of {where} was set up with `{engine}` of {other}, and this test has that of {here}:\n"
    "what it made is in another database.\n"
    "Define it in each tier's conftest.py, or give it a scope that lies in one tier: package, module."
)
GOES_ON = (
    "A thread or task of this test worked on the database after the test had ended.\n"
    "The connection that is rolled back was the next test's by then: wait for it, or stop it, before the test ends."
)
NOT_IN_UNIT = (
    "The test used {engine}, an engine for PostgreSQL, and the unit tier has SQLite in memory.\n"
    "Let it use db_session; what needs that engine belongs in the integration tier."
)
NO_ENGINE = (
    '[tool.tiers] engine = {name!r}: {why}. It takes "module:engine", where the application keeps an Engine'
)
UNSUPPORTED = f"{{what}} isn't to be had on the one connection that is rolled back.\nWhat needs it {_INSTEAD}"
DEFERRED = (
    "The test committed what a deferred constraint refuses:\n{error}\n"
    "In production commit() would fail. To test that, use tests/committed, or `committed_db`."
)


def say(message: str) -> None:
    """Refuse what is said, unless `unguarded("rollback")` lifts that for the test, or the machinery itself does it."""
    __tracebackhide__ = True
    run = current()
    if not watched() or (run is not None and run.item is not None and lifted(run.item, "rollback")):
        return
    refuse(message)


def blame(said: str) -> str:
    """Fail the test that runs, without stopping it, and return its name."""
    run = current()
    if run is None:
        return "an earlier test"
    run.blame(GuardError(said))
    return run.item.nodeid if run.item is not None else "a fixture"


def check_author() -> None:
    """Refuse what goes on after its test, on the connection that is the next test's by now."""
    __tracebackhide__ = True
    run = current()
    if run is not None and run.item is not None:
        author = running("rollback")
        if author is not None and author is not run.item:
            say(GOES_ON)
