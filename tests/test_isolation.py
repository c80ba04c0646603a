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
    broken = rollback.read_text().replace("transaction.rollback()", "transaction.commit()")
    rollback.write_text(broken.replace('"ROLLBACK TO SAVEPOINT guard"', '"RELEASE SAVEPOINT guard"'))
    for tier in "unit", "integration":
        done = pytest_(service, f"tests/{tier}/test_write_first.py", status=1)
        assert done.counts[0]["failed"] >= 4, tier


LEAKS = """
import pytest
from sqlalchemy import func, select, text

from helpdesk.models import Customer

ADD = text("INSERT INTO customers (name, email, created_at) VALUES ('a', 'a', CURRENT_TIMESTAMP)")


@pytest.fixture(autouse=True)
def nothing_is_left(request, db_session):
    assert db_session.scalar(select(func.count()).select_from(Customer)) == 0


def test_raw_commit(db_session):
    db_session.execute(ADD)
    db_session.execute(text("COMMIT"))


def test_commit_and_begin(db_session):
    db_session.execute(ADD)
    db_session.execute(text("COMMIT"))
    db_session.execute(text("BEGIN"))


def test_connection_commit(db_session):
    db_session.connection().execute(ADD)
    db_session.connection().commit()


def test_driver_commit(db_session):
    db_session.connection().execute(ADD)
    db_session.connection().connection.driver_connection.commit()


def test_raw_rollback(client, db_session):
    client.post("/customers", json={"name": "Ada", "email": "ada@example.com"})
    db_session.execute(text("ROLLBACK"))


def test_innocent(client, db_session):
    client.post("/customers", json={"name": "Ada", "email": "ada@example.com"})
    with pytest.raises(Exception, match="nonsense"):
        db_session.execute(text("SELECT nonsense"))


def test_second_connection(db_session, engine):
    import psycopg

    psycopg.connect(host=engine.url.query["host"], dbname=engine.url.database, user=engine.url.username)


def test_innocent_after_all(client, db_session):
    assert client.post("/customers", json={"name": "Ada", "email": "ada@example.com"}).status_code == 201
"""


@pytest.mark.parametrize("tier", ["unit", "integration"])
def test_a_test_that_leaks_fails_by_name_and_the_next_one_is_right(clone_service, tier):
    service = clone_service()
    (service.folder / f"tests/{tier}/test_leaks.py").write_text(LEAKS)
    selected = ("-k", "not second_connection") if tier == "unit" else ()
    done = pytest_(service, f"tests/{tier}/test_leaks.py", *selected, status=1)
    leaky = ["raw_commit", "commit_and_begin", "connection_commit", "driver_commit", "raw_rollback"]
    named = re.findall(r"ERROR at teardown of test_(\w+) _+\nThe test ended the transaction", done.stdout)
    assert named == leaky
    assert done.stdout.count("what must really commit belongs in tests/committed") == len(leaky)
    failed = re.findall(r"^FAILED tests/\w+/test_leaks.py::test_(\w+)", done.stdout, re.MULTILINE)
    assert failed == ([] if tier == "unit" else ["second_connection"])
    assert done.stdout.count("what needs several connections belongs in tests/committed") == len(failed)


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


def test_two_runs_at_once_in_one_checkout_leave_each_other_alone(clone_service):
    service = clone_service()
    files = put_pairs(service)
    command = ("uv", "run", "--locked", "pytest", "-n", "1", *files)
    service.run("uv", "sync", "--locked")
    with service.started(*command) as first, service.started(*command) as second:
        for process in first, second:
            stdout, stderr = process.communicate()
            assert f"{8 * len(files)} passed" in stdout, stdout + stderr


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


def test_the_unit_tier_has_no_network(clone_service):
    service = clone_service()
    for tier in "unit", "integration":
        (service.folder / f"tests/{tier}/test_network.py").write_text(
            "import socket\n\n\ndef test_network():\n    socket.socket(socket.AF_INET).close()\n"
        )
    assert (
        "A test tried to use socket.socket" in pytest_(service, "tests/unit/test_network.py", status=1).stdout
    )
    pytest_(service, "tests/integration/test_network.py")


@pytest.fixture
def other_server(service):
    """The folder of a second server's socket, started apart from the one that the tests start by themselves."""
    program = (
        "import signal\n"
        "from tools.embedded_postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres() as server:\n"
        "    with server.connect() as connection:\n"
        "        connection.execute('CREATE ROLE poor LOGIN')\n"
        "        connection.execute('CREATE TABLE precious (id int)')\n"
        "    print(server.host, flush=True)\n"
        "    signal.pause()\n"
    )
    with tempfile.TemporaryDirectory(prefix="cache-") as cache:
        Path(cache).chmod(0o755)  # as root, the server is another user
        python = ("uv", "run", "--locked", "python", "-c", program)
        with service.started(*python, XDG_CACHE_HOME=cache) as process:
            host = process.stdout.readline().strip()
            assert host, process.communicate()
            yield host


def test_an_existing_server_is_used_and_left_as_it_was(service, other_server):
    def ask(statement):
        program = (
            "import sys, psycopg\n"
            f"with psycopg.connect(host={other_server!r}, user='postgres', dbname='postgres') as connection:\n"
            f"    print(connection.execute({statement!r}).fetchall())\n"
        )
        return service.run("uv", "run", "--locked", "python", "-c", program).stdout

    # SQLAlchemy's form of the URL is taken, too.
    for scheme in "postgresql", "postgresql+psycopg":
        url = f"{scheme}://postgres@/postgres?host={other_server}"
        tests = ["tests/integration/test_constraints.py", "tests/committed/test_concurrency.py"]
        done = pytest_(service, "-n", "2", *tests, TEST_DATABASE_URL=url)
        assert done.counts[0].keys() == {"passed"}
    # So are the options of pytest-postgresql.
    options = ("--postgresql-host", other_server, "--postgresql-user", "postgres")
    assert pytest_(service, "-n", "1", "tests/integration/test_constraints.py", *options).counts[
        0
    ].keys() == {"passed"}
    databases = ask("SELECT datname FROM pg_database WHERE NOT datistemplate")
    assert re.fullmatch(r"\[\('postgres',\), \('helpdesk_tests_template_\w+',\)\]\n", databases), databases
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
def test_a_server_that_cant_be_used_is_explained_without_the_password(service, url, message):
    done = pytest_(service, "tests/integration/test_constraints.py", status=1, TEST_DATABASE_URL=url)
    assert message in done.stdout
    assert "Correct it, or unset it to use the embedded server" in done.stdout
    assert "hunter2" not in done.output
    assert done.counts[0].keys() == {"errors"}, "nothing is skipped for want of a server"


def test_a_user_who_may_not_create_databases_is_told_so(service, other_server):
    url = f"postgresql://poor@/postgres?host={other_server}"
    done = pytest_(service, "tests/integration/test_constraints.py", status=1, TEST_DATABASE_URL=url)
    assert "user poor may not create databases" in done.stdout
