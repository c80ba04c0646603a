"""What keeps the tests of a rendered service apart: proven by tests that would disturb each other, and by breaking it."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DISTURB = """
import pytest
from sqlalchemy import func, select, text

from helpdesk.models import Customer


def count(db_session):
    return db_session.scalar(select(func.count()).select_from(Customer))


def write(client, db_session, make):
    assert client.post("/customers", json={{"name": "Ada", "email": "ada@example.com"}}).status_code == 201
    assert client.post("/customers", json={{"name": "Ada", "email": "ada@example.com"}}).status_code == 409
    make.customer()
    db_session.commit()
    db_session.execute(text("UPDATE customers SET name = 'Grace'"))
    db_session.commit()
    assert count(db_session) == 2


@pytest.mark.parametrize("turn", range(4))
def test_a(client, db_session, make, turn):
    {a}


@pytest.mark.parametrize("turn", range(4))
def test_b(client, db_session, make, turn):
    {b}
"""
WRITE = "write(client, db_session, make)"
FIND_NOTHING = "assert count(db_session) == 0"


def pytest_(service, *arguments: str, status: int = 0, **environment: str):
    return service.run("uv", "run", "--locked", "pytest", *arguments, status=status, **environment)


def put_pairs(service) -> list[str]:
    """Write tests that write, and tests that find nothing, in both orders, into each tier; return their files."""
    files = []
    for tier in "unit", "integration", "committed":
        for order, bodies in {
            "write_first": (WRITE, FIND_NOTHING),
            "find_first": (FIND_NOTHING, WRITE),
        }.items():
            file = f"tests/{tier}/test_{order}.py"
            (service.folder / file).write_text(DISTURB.format(a=bodies[0], b=bodies[1]))
            files.append(file)
    return files


def test_what_a_test_commits_is_gone_for_the_next_in_either_order_and_in_any_number_of_workers(clone_service):
    service = clone_service()
    files = put_pairs(service)
    for workers in "0", "1", "2":
        assert pytest_(service, "-n", workers, *files).counts == [{"passed": 8 * len(files)}]

    # The same tests see the leak when there is one.
    rollback = service.folder / "tests/plugins/rollback.py"
    broken = rollback.read_text().replace('driver.execute("ROLLBACK")', 'driver.execute("COMMIT")')
    rollback.write_text(broken.replace('"ROLLBACK TO SAVEPOINT guard"', '"RELEASE SAVEPOINT guard"'))
    postgres = service.folder / "tests/plugins/postgres.py"
    postgres.write_text(
        postgres.read_text().replace(
            "ROLLBACK TO SAVEPOINT guard; ROLLBACK;", "RELEASE SAVEPOINT guard; COMMIT;"
        )
    )
    for tier in "unit", "integration":
        done = pytest_(service, f"tests/{tier}/test_write_first.py", status=1)
        assert done.counts[0]["failed"] >= 4, tier


LEAKS = """
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import func, select, text

from helpdesk.models import Customer

ADA = {"name": "Ada", "email": "ada@example.com"}
ADD = text("INSERT INTO customers (name, email, created_at) VALUES ('a', 'a', CURRENT_TIMESTAMP)")


@pytest.fixture(autouse=True)
def nothing_is_left(db_session):
    assert db_session.scalar(select(func.count()).select_from(Customer)) == 0


def test_raw_commit(db_session):
    db_session.execute(ADD)
    db_session.execute(text("COMMIT"))


def test_swallowed_commit(db_session):
    with suppress(Exception):
        db_session.execute(text(" end transaction"))


def test_raw_rollback(client, db_session):
    client.post("/customers", json=ADA)
    db_session.execute(text("ROLLBACK"))


def test_connection_commit(db_session):
    db_session.connection().execute(ADD)
    db_session.connection().commit()


def test_connection_rollback(client, db_session):
    client.post("/customers", json=ADA)
    db_session.connection().rollback()


def test_connection_close(client, db_session):
    client.post("/customers", json=ADA)
    with suppress(Exception):
        db_session.connection().close()


def test_driver_commit(db_session):
    db_session.connection().execute(ADD)
    db_session.connection().connection.driver_connection.commit()


def test_driver_commit_and_begin(db_session):
    db_session.connection().execute(ADD)
    driver = db_session.connection().connection.driver_connection
    driver.commit()
    driver.execute("BEGIN" if "sqlite" in type(driver).__module__ else "SELECT 1")


def test_interleaved(sessions):
    with sessions() as one, sessions() as two:
        one.execute(ADD)
        two.execute(select(Customer))
        one.commit()


def test_swallowed_interleaving(sessions):
    with sessions() as one, sessions() as two:
        one.execute(ADD)
        two.execute(select(Customer))
        with suppress(Exception):
            one.commit()


def test_parallel(client):
    with ThreadPoolExecutor(8) as executor:
        for answer in [executor.submit(client.get, "/tickets") for _ in range(16)]:
            answer.result()


def test_pool(db_session, engine):
    engine.connect()


def test_innocent(client, db_session):
    assert client.post("/customers", json=ADA).status_code == 201
    with pytest.raises(Exception, match="nonsense"):
        db_session.execute(text("SELECT nonsense"))
"""
POSTGRES_LEAKS = """


def connect(engine):
    import psycopg

    psycopg.connect(host=engine.url.query["host"], dbname=engine.url.database, user=engine.url.username)


def test_second_connection(db_session, engine):
    connect(engine)


def test_thread(db_session, engine):
    thread = threading.Thread(target=connect, args=[engine])
    thread.start()
    thread.join()


def test_logged_connection(db_session, engine):
    import logging

    try:
        connect(engine)
    except Exception as error:
        logging.warning("it said: %s", error)
        assert not "connected"


def test_concurrently(db_session):
    db_session.execute(text("CREATE INDEX CONCURRENTLY names ON customers (name)"))


def test_serializable(db_session):
    db_session.execute(text("SELECT 1"))
    db_session.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))


def test_deferred(db_session):
    db_session.execute(text("CREATE TABLE late (id int PRIMARY KEY, up int REFERENCES late INITIALLY DEFERRED)"))
    db_session.execute(text("INSERT INTO late VALUES (1, 7)"))
    db_session.commit()


def test_uncommitted(db_session):
    db_session.execute(text("CREATE TABLE late (id int PRIMARY KEY, up int REFERENCES late INITIALLY DEFERRED)"))
    db_session.execute(text("INSERT INTO late VALUES (1, 7)"))


def test_terminated(db_session):
    with suppress(Exception):
        db_session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_innocent_after_all(client):
    assert client.post("/customers", json=ADA).status_code == 201
"""
ENDED = "The test ended the transaction around it: "
INTERLEAVED = "Two sessions on the one connection that is rolled back don't nest"
SECOND = "The test opened another connection to the database"
IN_TRANSACTION = "The test runs in a transaction, which is rolled back."
# What fails and with which words; the rest passes.
FAILING = {
    "raw_commit": f"{ENDED}COMMIT.",
    "swallowed_commit": f"{ENDED}end transaction.",
    "raw_rollback": f"{ENDED}ROLLBACK.",
    "connection_commit": f"{ENDED}commit(), rollback() or close() of its connection.",
    "connection_rollback": f"{ENDED}commit(), rollback() or close() of its connection.",
    "connection_close": f"{ENDED}commit(), rollback() or close() of its connection.",
    "driver_commit": ENDED,
    "driver_commit_and_begin": ENDED,
    "interleaved": INTERLEAVED,
    "swallowed_interleaving": INTERLEAVED,
    "parallel": "A request began while another one was under way",
    "pool": SECOND,
}
FAILING_ON_POSTGRES = {
    "second_connection": SECOND,
    "thread": SECOND,
    "logged_connection": SECOND,
    "concurrently": IN_TRANSACTION,
    "serializable": IN_TRANSACTION,
    "deferred": "The test committed what a deferred constraint refuses:\ninsert or update on table",
    "terminated": "The connection to the worker's database was lost",
}


@pytest.mark.parametrize(
    ("tier", "leaks", "failing"),
    [
        ("unit", LEAKS, FAILING),
        ("integration", LEAKS + POSTGRES_LEAKS, FAILING | FAILING_ON_POSTGRES),
    ],
    ids=["unit", "integration"],
)
def test_a_test_that_leaks_fails_by_name_and_the_next_one_is_right(clone_service, tier, leaks, failing):
    service = clone_service()
    (service.folder / f"tests/{tier}/test_leaks.py").write_text(leaks)
    done = pytest_(service, "--tb=short", f"tests/{tier}/test_leaks.py", status=1)
    parts = re.split(r"^_{3,} (?:ERROR at \w+ of )?test_(\w+) _{3,}$", done.stdout, flags=re.MULTILINE)
    said: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        said[name] = said.get(name, "") + text.partition("short test summary info")[0]
    assert said.keys() == failing.keys()
    for name, message in failing.items():
        assert message in said[name], name
        if name != "terminated":  # not a matter of what the test may do
            assert "tests/committed, or" in said[name], name
            assert "`committed_db`" in said[name], name


def test_editors_and_the_debugger_get_the_same_tiers_and_isolation(clone_service):
    service = clone_service()
    put_pairs(service)
    tests = [
        f"tests/{tier}/test_write_first.py::test_{x}[0]" for tier in ("unit", "integration") for x in "ab"
    ]
    assert pytest_(service, *tests).counts == [{"passed": 4}]
    # As editors call it: absolute paths, from another folder.
    absolute = [str(service.folder / test) for test in tests]
    done = service.run(
        *("uv", "run", "--locked", "--directory", "src", "python", "-m", "pytest", *absolute, "--no-header")
    )
    assert done.counts == [{"passed": 4}]

    # The debugger stops within the transaction; its end of input ends the run.
    broken = service.folder / "tests/integration/test_broken.py"
    broken.write_text(DISTURB.format(a=f"{WRITE}\n    assert turn", b=FIND_NOTHING))
    done = pytest_(service, "--pdb", "tests/integration/test_broken.py", status=2)
    assert "entering PDB" in done.stdout
    broken.unlink()
    assert pytest_(service, *tests).counts == [{"passed": 4}]


def test_two_runs_at_once_in_one_checkout_leave_each_other_alone(machinery):
    (machinery.service.folder / "tests/committed/test_own.py").write_text(
        "import pytest\n\n\n"
        "@pytest.mark.parametrize('turn', range(4))\n"
        "def test_own(turn, sessions):\n    pass\n"
    )
    command = ("-m", "pytest", "-n", "1", "tests/integration", "tests/committed")
    with machinery.started(*command) as first, machinery.started(*command) as second:
        for process in first, second:
            stdout, stderr = process.communicate()
            assert "6 passed" in stdout, stdout + stderr


def test_no_secret_of_the_real_environment_reaches_a_test(clone_service):
    service = clone_service()
    (service.folder / "tests/unit/test_secrets.py").write_text(
        "import os\n\n\ndef test_secrets():\n    assert not [value for value in os.environ.values() if 'real' in value]\n"
    )
    names = (
        "OPENAI_API_KEY DOPPLER_TOKEN DATABASE_URL PROD_DATABASE_URL SQLALCHEMY_DATABASE_URI REDIS_URL PGPASSWORD DB_PASS"
        " AWS_SECRET_ACCESS_KEY STRIPE_KEY SSH_PRIVATE_KEY GITHUB_PAT SENTRY_DSN SERVICE_CREDENTIALS"
    )
    secrets = dict.fromkeys(names.split(), "real") | {"BROKER": "amqp://real:hunter2@localhost"}
    for workers in "0", "1":
        pytest_(service, "-n", workers, "tests/unit/test_secrets.py", **secrets)
    done = pytest_(service, "tests/unit/test_secrets.py", status=1, HARMLESS="real")
    assert "'real'" in done.stdout


def test_an_existing_server_is_used_and_left_as_it_was(machinery):
    cache = machinery.cache / "other"
    cache.mkdir()
    with machinery.server("CREATE TABLE precious (id int)", XDG_CACHE_HOME=str(cache)) as host:
        # SQLAlchemy's form of the URL is taken, too, and so are the options of pytest-postgresql.
        for scheme in "postgresql", "postgresql+psycopg":
            machinery.pytest(TEST_DATABASE_URL=f"{scheme}://postgres@/postgres?host={host}")
        options = ("--postgresql-host", host, "--postgresql-user", "postgres")
        machinery.pytest("-n", "1", "tests/integration", *options)
        assert not [*machinery.cache.glob("helpdesk-tests/data-*")], "the embedded server was started"

        def ask(query: str) -> str:
            program = (
                "import psycopg\n"
                f"with psycopg.connect(host={host!r}, user='postgres') as connection:\n"
                f"    print(connection.execute({query!r}).fetchall())\n"
            )
            return machinery.program(program).stdout

        databases = ask("SELECT datname FROM pg_database WHERE NOT datistemplate")
        assert re.fullmatch(r"\[\('postgres',\), \('helpdesk_tests_template_\w+',\)\]\n", databases), (
            databases
        )
        assert ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == "[('precious',)]\n"


def test_a_trap_in_the_temporary_folder_is_not_stepped_into(service):
    program = "from tools.embedded_postgres import EmbeddedPostgres\nwith EmbeddedPostgres() as server:\n    print(server.host)\n"
    with tempfile.TemporaryDirectory(prefix="cache-") as cache:
        Path(cache).chmod(0o755)
        folders = {name: Path(cache, name) for name in ("temporary", "victim")}
        for folder in folders.values():
            folder.mkdir()
        command = ("uv", "run", "--locked", "python", "-c", program)
        environment = {"XDG_CACHE_HOME": cache, "TMPDIR": str(folders["temporary"])}
        socket = Path(service.run(*command, **environment).stdout.strip())
        assert socket.parent == folders["temporary"]

        # Its name is known now. Whoever may write to the temporary folder could put this there.
        shutil.rmtree(socket)
        socket.symlink_to(folders["victim"])
        done = service.run(*command, status=1, **environment)
        assert "belongs to somebody else: remove it" in done.stderr
        assert folders["victim"].stat().st_uid == os.geteuid()
        assert list(folders["victim"].iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ann:hunter2@localhost:1/postgres", "Connection refused"),
        ("postgresql://ann:hunter2@database.invalid/postgres", "resolve host"),
        ("mysql://ann:hunter2@localhost/postgres", "is not a URL of PostgreSQL"),
        ("postgresql://ann:hunter2@localhost:port/postgres", "is not a URL of PostgreSQL"),
    ],
)
def test_a_server_that_cant_be_used_is_explained_without_the_password(machinery, url, message):
    done = machinery.pytest(status=1, TEST_DATABASE_URL=url)
    assert message in done.stdout
    assert "Correct it, or unset it to use the embedded server" in done.stdout
    assert "hunter2" not in done.output
    assert done.counts[0].keys() == {"errors"}, "nothing is skipped for want of a server"
