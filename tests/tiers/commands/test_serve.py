"""`tiers serve`: a command gets what isn't configured, its signals, and has its own exit code."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from pytest_tiers.commands import serve

MIGRATED = {
    "src/shop/__init__.py": "",
    "src/shop/tables.py": (
        "from sqlalchemy import Column, Integer, MetaData, Table\n\n"
        "metadata = MetaData()\nTable('customers', metadata, Column('id', Integer, primary_key=True))\n"
    ),
}
TIERS = 'metadata = "shop.tables:metadata"'
# What a service does: it goes where its settings lead it.
COMMAND = """
import json, os, sys
import psycopg, redis

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("INSERT INTO customers DEFAULT VALUES")
    count = connection.execute("SELECT count(*) FROM customers").fetchone()[0]
    name = connection.info.dbname
with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
    client.incr("visits")
    visits = int(client.get("visits"))
libpq = sorted(name for name in os.environ if name.startswith("PG"))
print(json.dumps({"name": name, "customers": count, "visits": visits, "libpq": libpq, "arguments": sys.argv[1:]}))
"""
CONFIGURED = ("DATABASE_URL", "REDIS_URL", "DOPPLER_TOKEN", "TEST_DATABASE_URL")


@pytest.fixture(autouse=True)
def nothing_is_configured(monkeypatch):
    for name in CONFIGURED:
        monkeypatch.delenv(name, raising=False)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def python(code, *arguments):
    return [sys.executable, "-c", code, *arguments]


def test_what_isnt_configured_is_provided_and_what_is_stored_lasts(suite, tiers, monkeypatch):
    suite(MIGRATED, tiers=TIERS)
    monkeypatch.setenv("PGDATABASE", "elsewhere")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    for turn, separator in ((1, ["--"]), (2, [])):
        out = tiers("serve", *separator, *python(COMMAND, "--port", "1")).out
        database, redis, said = out.splitlines()
        url = re.fullmatch(
            r"export DATABASE_URL='(postgresql://.*)'  # embedded, until the machine restarts", database
        )
        assert "/shop-development?host=" in url[1]
        assert re.fullmatch(
            r"export REDIS_URL='redis://127\.0\.0\.1:\d+/0'  # fake, until the command ends", redis
        )
        assert json.loads(said) == {
            "name": "shop-development",
            "customers": turn,
            "visits": 1,
            "libpq": [],
            "arguments": ["--port", "1"],
        }
    # As it was: the tests' own process and its server.
    assert os.environ["PGDATABASE"] == "elsewhere"


SHOW = """
import os
print(*(f"{name}={os.environ.get(name)}" for name in ("DATABASE_URL", "REDIS_URL", "PGHOST")))
"""


@pytest.mark.parametrize(
    ("given", "provided"),
    [
        ({"DOPPLER_TOKEN": "dp.st.x", "PGHOST": "h"}, "DATABASE_URL=None REDIS_URL=None PGHOST=h"),
        ({"DATABASE_URL": "x", "REDIS_URL": "y", "PGHOST": "h"}, "DATABASE_URL=x REDIS_URL=y PGHOST=h"),
        (
            {"DATABASE_URL": "x", "PGHOST": "h"},
            r"DATABASE_URL=x REDIS_URL=redis://127\.0\.0\.1:\d+/0 PGHOST=h",
        ),
        ({"REDIS_URL": "y", "PGHOST": "h"}, r"DATABASE_URL=postgresql://\S+ REDIS_URL=y PGHOST=None"),
    ],
)
def test_what_is_configured_stays(suite, tiers, monkeypatch, given, provided):
    suite({})
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    lines = tiers("serve", *python(SHOW)).out.splitlines()
    assert re.fullmatch(provided, lines[-1])
    assert len(lines) == 1 + sum(name not in given for name in ("DATABASE_URL", "REDIS_URL")) * (
        "DOPPLER_TOKEN" not in given
    )


def test_what_isnt_installed_is_not_provided(suite, tiers, monkeypatch):
    suite({})
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    assert tiers("serve", *python(SHOW)).out == "DATABASE_URL=None REDIS_URL=None PGHOST=None\n"


@pytest.fixture
def configured(suite, monkeypatch):
    """A suite that needs nothing of what could be provided."""
    monkeypatch.setenv("DOPPLER_TOKEN", "x")
    return suite({})


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(0)", 0), ("raise SystemExit(7)", 7)])
def test_the_exit_code_is_the_commands(configured, tiers, code, status):
    tiers("serve", *python(code), status=status)


def test_a_command_that_a_signal_ended_has_the_shells_exit_code(configured, tiers):
    tiers("serve", *python("import os; os.kill(os.getpid(), 9)"), status=137)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "which command?"),
        (["--"], 2, "which command?"),
        (["--nonsense"], 2, "unrecognized arguments: --nonsense"),
        (["./nowhere"], 127, "./nowhere can't be run: No such file or directory"),
    ],
)
def test_without_a_command_it_says_so(configured, tiers, arguments, status, words):
    done = tiers("serve", *arguments, status=status)
    assert words in done.err
    assert "Traceback" not in done.err


WAITS = """
import os, signal, sys
caught = []
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, _: caught.append(number))
with open({pipe!r}, "w") as pipe:
    print("here", file=pipe)
while not caught:
    signal.pause()
sys.exit(100 + caught[0])
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_signals_are_passed_on(configured, start, pipe, name):
    number = getattr(signal, name)
    command = python(WAITS.format(pipe=str(pipe.path)))
    # In a session of its own there is no terminal that would have sent it to both.
    code = "import os, sys; os.setsid(); from pytest_tiers.commands import main; sys.exit(main(['serve', *sys.argv[1:]]))"
    with subprocess.Popen(python(code, *command), cwd=configured.path) as process:
        pipe.heard(process)
        process.send_signal(number)
        assert process.wait(60) == 100 + number


def test_what_the_terminal_sends_to_the_command_as_well_isnt_passed_on(configured, monkeypatch):
    monkeypatch.setattr(serve, "_in_foreground", lambda: True)
    code = (
        "import os, signal\n"
        "caught = []\n"
        "signal.signal(signal.SIGINT, lambda *_: caught.append('INT'))\n"
        "signal.signal(signal.SIGTERM, lambda *_: caught.append('TERM'))\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "while 'TERM' not in caught:\n    signal.pause()\n"
        "raise SystemExit(len(caught))\n"
    )
    before = [signal.getsignal(number) for number in serve.PASSED_ON]
    assert serve.run(python(code), os.environ) == 1
    assert [signal.getsignal(number) for number in serve.PASSED_ON] == before


def test_a_terminal_is_told_from_none(tmp_path):
    code = "import os, sys; {}from pytest_tiers.commands.serve import _in_foreground; print(_in_foreground())"
    alone = subprocess.run(python(code.format("os.setsid(); ")), capture_output=True, text=True, check=True)
    assert alone.stdout == "False\n"
    # In a terminal of its own, where it is in the foreground, and where it is not.
    for command, said in (("", b"True"), ("os.setpgid(0, 0); ", b"False")):
        pid, terminal = os.forkpty()
        if pid == 0:
            inner = code.format(command)
            if command:  # the leader of a session can't leave its group: a child of it can
                inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
            os.execv(sys.executable, [sys.executable, "-c", inner])
        read = b""
        while said not in read:
            try:
                chunk = os.read(terminal, 1000)
            except OSError:  # its end
                break
            read += chunk
        os.waitpid(pid, 0)
        os.close(terminal)
        assert said in read


def test_a_termination_before_the_command_runs_lets_go_of_what_was_provided(suite, pipe):
    path = suite({}).path
    code = (
        "import signal, sys\n"
        "from pytest_tiers.commands import main, serve\n\n"
        "def environment_for(settings, stack):\n"
        f"    stack.callback(print, 'let go of', flush=True)\n    with open({str(pipe.path)!r}, 'w') as pipe:\n        print('here', file=pipe)\n    signal.pause()\n\n"
        "serve.environment_for = environment_for\n"
        "sys.exit(main(['serve', 'true']))\n"
    )
    with subprocess.Popen(python(code), cwd=path, stdout=subprocess.PIPE, text=True) as process:
        pipe.heard(process)
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "let go of\n")


def test_migrations_that_fail_are_said_and_leave_no_half(suite, tiers):
    broken = {"src/shop/tables.py": "raise ValueError('not today')\n", "src/shop/__init__.py": ""}
    suite(broken, tiers=TIERS, pyproject="")
    for _ in range(2):
        err = tiers("serve", "true", status=2).err
        assert err.startswith("The development database can't be migrated: ")
        assert "not today" in err
        assert err.endswith("\nStart with an empty one: tiers clean\n")
        assert "Traceback" not in err


def test_a_function_that_makes_the_tables_runs_once(suite, tiers, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "x")
    making = (
        "from sqlalchemy import text\n\n\n"
        "def make(connection):\n    connection.execute(text('CREATE TABLE once (id int)'))\n\n\n"
        "def seed(connection):\n    raise ValueError('the seed is for tests')\n"
    )
    more = 'migrations = "shop.tables:make"\nseed = "shop.tables:seed"'
    path = suite({"src/shop/__init__.py": "", "src/shop/tables.py": making}, tiers=more).path
    project = path / "pyproject.toml"
    project.write_text(project.read_text().replace('name = "shop"', 'name = "once"'))
    code = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT FROM once')"
    for _ in range(2):
        assert "/once-development?" in tiers("serve", *python(code)).out


def test_without_a_server_it_says_what_to_set(suite, tiers, monkeypatch):
    suite({})
    from pytest_tiers.databases import embedded
    from pytest_tiers.databases.address import ServerError

    class Unavailable:
        def __init__(self, name):
            raise ServerError(f"no folder for {name}")

    monkeypatch.setattr(embedded, "EmbeddedPostgres", Unavailable)
    assert tiers("serve", "true", status=2).err == "no folder for shop; or set DATABASE_URL\n"
