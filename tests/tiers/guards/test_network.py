"""Network and databases: refused by whatever way, in each tier as far as it goes; what is the run's own or of this process is not."""

from pathlib import Path

import pytest
from watched import Case, Done, file_of, run

HEAD = """
import asyncio, http.server, ipaddress, multiprocessing, socket, subprocess, sys, threading, urllib.request
from contextlib import suppress
from socket import socket as early_socket

import httpx2
import psycopg
import pytest
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError


def try_to_connect():
    with suppress(Exception):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


async def connect():
    await asyncio.open_connection("127.0.0.1", 9)


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port = opened.getsockname()[1]
    return port
"""
CONNECT = "with suppress(OSError):\n    socket.create_connection(('127.0.0.1', 9), timeout=1)"
PSYCOPG = (
    "with suppress(psycopg.Error):\n    psycopg.connect('host=127.0.0.1 port=9 dbname=x', connect_timeout=1)"
)
UNIT = "tests/unit has no network. Let a fake answer: fake_ai, redis_client, or httpx2.MockTransport"
ELSEWHERE = (
    "only the database and the Redis of this run may be reached. Use db_session, committed_db or redis_client; "
    "let a fake answer; or name the server in `allowed_servers` of [tool.tiers]."
)
NO_DATABASE = "The test connected to PostgreSQL, and tests/unit has SQLite in memory. Use db_session; what needs PostgreSQL"
OTHER = "The test connected to another PostgreSQL server than that of this run: 127.0.0.1:9. Use db_session or committed_db"
UNIT_CASES = [
    Case("opens a connection", CONNECT, f"The test opened a connection to 127.0.0.1:9, and {UNIT}"),
    Case(
        "swallows everything",
        "try:\n    httpx2.get('http://127.0.0.1:9')\nexcept BaseException:\n    pass",
        UNIT,
    ),
    Case("raises", "socket.create_connection(('127.0.0.1', 9), timeout=1)", UNIT),
    Case("connects through asyncio", "with suppress(OSError):\n    asyncio.run(connect())", UNIT),
    Case(
        "connects in a thread",
        "thread = threading.Thread(target=try_to_connect)\nthread.start()\nthread.join()",
        UNIT,
    ),
    Case(
        "got hold of sockets early",
        "with suppress(OSError), early_socket() as opened:\n    opened.connect(('127.0.0.1', 9))",
        UNIT,
    ),
    Case(
        "connects by a number",
        "with early_socket() as opened:\n    assert opened.connect_ex(('127.0.0.1', 9))",
        UNIT,
    ),
    Case(
        "sends a datagram",
        "with socket.socket(type=socket.SOCK_DGRAM) as opened:\n    opened.sendto(b'', ('127.0.0.1', 9))",
        UNIT,
    ),
    Case(
        "connects to a socket file",
        "with suppress(OSError), socket.socket(socket.AF_UNIX) as opened:\n    opened.connect('/nowhere/redis.sock')",
        f"opened a connection to /nowhere/redis.sock, and {UNIT}",
    ),
    Case(
        "connects to it in bytes",
        "with suppress(OSError), socket.socket(socket.AF_UNIX) as opened:\n    opened.connect(b'/nowhere/redis.sock')",
        f"opened a connection to /nowhere/redis.sock, and {UNIT}",
    ),
    Case(
        "connects with IPv6",
        "with suppress(OSError), socket.socket(socket.AF_INET6) as opened:\n    opened.connect(('::1', 9))",
        f"opened a connection to ::1:9, and {UNIT}",
    ),
    Case(
        "looks up a name",
        "with suppress(OSError):\n    socket.getaddrinfo('localhost', 80)",
        f"The test looked up localhost, and {UNIT}",
    ),
    Case(
        "looks up a name in bytes",
        "with suppress(OSError):\n    socket.getaddrinfo(b'localhost', 80)",
        f"looked up localhost, and {UNIT}",
    ),
    Case(
        "looks up a host",
        "with suppress(OSError):\n    socket.gethostbyname('localhost')",
        f"looked up localhost, and {UNIT}",
    ),
    Case(
        "looks up a host and more",
        "with suppress(OSError):\n    socket.gethostbyname_ex('localhost')",
        f"looked up localhost, and {UNIT}",
    ),
    Case(
        "looks up an address",
        "with suppress(OSError):\n    socket.gethostbyaddr('192.0.2.1')",
        f"looked up 192.0.2.1, and {UNIT}",
    ),
    Case(
        "looks up the name of an address",
        "with suppress(OSError):\n    socket.getnameinfo(('192.0.2.1', 80), 0)",
        f"looked up 192.0.2.1, and {UNIT}",
    ),
    Case(
        "connects a Redis client",
        "with suppress(RedisError), Redis('127.0.0.1', 9, retry=Retry(NoBackoff(), 0)) as client:\n    client.ping()",
        UNIT,
    ),
    Case(
        "asks a server of its own",
        "with suppress(OSError):\n    urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}').read()",
        UNIT,
        "server",
    ),
    Case(
        "asks an allowed server",
        "with suppress(OSError), early_socket() as opened:\n    opened.connect(('127.0.0.1', 10))",
        UNIT,
    ),
    Case(
        "looks up an allowed server",
        "with suppress(OSError):\n    socket.gethostbyname('allowed.invalid')",
        "looked up allowed.invalid",
    ),
    Case("connects with psycopg", PSYCOPG, NO_DATABASE),
    Case(
        "connects to an allowed database",
        "with suppress(psycopg.Error):\n    psycopg.connect('host=127.0.0.1 port=10', connect_timeout=1)",
        NO_DATABASE,
    ),
    Case(
        "connects with SQLAlchemy",
        "engine = create_engine('postgresql+psycopg://127.0.0.1:9/x', connect_args={'connect_timeout': 1})\nwith suppress(SQLAlchemyError), engine.connect():\n    pass",
        NO_DATABASE,
    ),
    Case(
        "connects with psycopg and asyncio",
        "with suppress(psycopg.Error):\n    asyncio.run(psycopg.AsyncConnection.connect('host=127.0.0.1 port=9 dbname=x', connect_timeout=1))",
        NO_DATABASE,
    ),
]
ELSEWHERE_CASES = [
    Case("opens a connection elsewhere", CONNECT, f"opened a connection to 127.0.0.1:9, and {ELSEWHERE}"),
    Case(
        "looks up a name elsewhere",
        "with suppress(OSError):\n    socket.gethostbyname('localhost')",
        f"looked up localhost, and {ELSEWHERE}",
    ),
    Case(
        "connects where nobody listens any more",
        "with suppress(OSError):\n    socket.create_connection(('127.0.0.1', closed_port), 1)",
        ELSEWHERE,
        "closed_port",
    ),
    Case(
        "connects beside its server",
        "with suppress(OSError):\n    socket.create_connection(('192.0.2.1', server.server_port), 0.1)",
        ELSEWHERE,
        "server",
    ),
    Case("connects to another server", PSYCOPG, OTHER),
    Case(
        "connects to another port",
        "with suppress(OSError):\n    socket.create_connection(('127.0.0.1', 11), 1)",
        ELSEWHERE,
    ),
]
INNOCENT = [
    Case(
        "has a pair of sockets",
        "one, other = socket.socketpair()\none.send(b'a')\nassert other.recv(1) == b'a'\none.close()\nother.close()",
    ),
    Case("runs asyncio", "asyncio.run(asyncio.sleep(0))"),
    Case(
        "parses an address",
        "assert socket.getaddrinfo('127.0.0.1', 80) and socket.gethostbyname('127.0.0.1') == '127.0.0.1'",
    ),
    Case(
        "listens",
        "with socket.create_server(('127.0.0.1', 0)) as listening:\n    assert listening.getsockname()[1]",
    ),
    Case("starts a server", "assert server.server_port and server.server_name", takes="server"),
    Case("asks for its own name", "assert socket.gethostname()"),
    Case(
        "has a fake transport",
        "transport = httpx2.MockTransport(lambda request: httpx2.Response(204))\nassert httpx2.Client(transport=transport).get('http://somewhere.invalid').status_code == 204",
    ),
    Case(
        "has a manager", "with multiprocessing.Manager() as manager:\n    assert manager.dict(a=1)['a'] == 1"
    ),
    Case(
        "has another way to start processes",
        "context = multiprocessing.get_context('forkserver')\nprocess = context.Process(target=int)\nprocess.start()\nprocess.join()\nassert process.exitcode == 0",
    ),
    Case(
        "has a queue",
        "context = multiprocessing.get_context('fork')\nqueue = context.SimpleQueue()\nqueue.put(1)\nassert queue.get() == 1",
    ),
    Case("starts a process", "assert subprocess.run([sys.executable, '-c', ''], check=True)"),
    Case(
        "may connect",
        "with pytest.raises(ConnectionRefusedError):\n    socket.create_connection(('127.0.0.1', 9), 1)",
        marks="@pytest.mark.unguarded('network', reason='to see')\n",
    ),
    Case(
        "may connect with psycopg",
        "with pytest.raises(psycopg.OperationalError):\n    psycopg.connect('host=127.0.0.1 port=9', connect_timeout=1)",
        marks="@pytest.mark.unguarded('database', 'network', reason='to see')\n",
    ),
]
INNOCENT_ELSEWHERE = [
    Case(
        "asks its own server",
        "assert urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}').status == 200",
        takes="server",
    ),
    Case(
        "asks it by its name",
        "assert socket.create_connection(('localhost', server.server_port), 5).close() is None",
        takes="server",
    ),
    Case(
        "connects to an allowed server",
        "with pytest.raises(ConnectionRefusedError):\n    socket.create_connection(('127.0.0.1', 10), 1)",
    ),
    Case(
        "connects to an allowed host",
        "with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_INET6) as opened:\n    opened.connect(('::1', 12))",
    ),
    Case(
        "looks up an allowed name",
        "with pytest.raises(socket.gaierror):\n    socket.gethostbyname('allowed.invalid')",
    ),
    Case(
        "connects to another allowed database",
        "with pytest.raises(psycopg.OperationalError):\n    psycopg.connect('host=127.0.0.1 port=10', connect_timeout=1)",
    ),
]
ALLOWED = 'allowed_servers = ["127.0.0.1:10", "[::1]", "allowed.invalid:5432"]'


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them, with servers that are allowed."""
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": "",
            "tests/unit/test_a_unit.py": file_of(HEAD, [*UNIT_CASES, *INNOCENT]),
            "tests/integration/test_b_elsewhere.py": file_of(HEAD, [*ELSEWHERE_CASES, *INNOCENT_ELSEWHERE]),
        },
        tiers=ALLOWED,
    )


@pytest.mark.parametrize("case", [*UNIT_CASES, *ELSEWHERE_CASES], ids=lambda case: case.does)
def test_what_may_not_be_reached_is_refused(done: Done, case: Case) -> None:
    said = done.of(case.name)
    assert case.says in said
    guard = "database" if "connected to" in case.says or "PostgreSQL" in case.says else "network"
    assert f'If it is meant: @pytest.mark.unguarded("{guard}", reason="…")' in said


def test_nothing_else_fails(done: Done) -> None:
    refused = {case.name for case in [*UNIT_CASES, *ELSEWHERE_CASES]}
    assert {name: done.of(name) for name in done.failed - refused} == {}
    assert len(done.outcomes) == len([*UNIT_CASES, *ELSEWHERE_CASES, *INNOCENT, *INNOCENT_ELSEWHERE])


def test_psycopg_is_guarded_where_a_test_imports_it_first(tmp_path: Path) -> None:
    body = "import psycopg\npsycopg.connect('host=127.0.0.1 port=9', connect_timeout=1)"
    done = run(
        tmp_path,
        {"tests/unit/test_late.py": file_of("", [Case("imports it late", body)])},
        "-p",
        "no:postgresql",
    )
    assert NO_DATABASE in done.of("test_imports_it_late")


def test_without_tiers_a_suite_is_held_to_its_own_database_and_servers(tmp_path: Path) -> None:
    cases = [Case("connects", CONNECT), Case("connects to an allowed one", INNOCENT_ELSEWHERE[2].body)]
    done = run(
        tmp_path,
        {"tests/test_any.py": file_of("import pytest, socket\nfrom contextlib import suppress", cases)},
        tiers=ALLOWED,
    )
    assert done.failed == {"test_connects"}
    assert ELSEWHERE in done.of("test_connects")
