"""Each guard of a rendered service, proven by violating it: one render with all violations, one without."""

import re
import textwrap
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from rendering import ROOT
from service import Done, Service

pytestmark = pytest.mark.slow

TABLE = ROOT / "{{cookiecutter.project_slug}}" / "tests" / "plugins" / "GUARDS.md"
REAL = {  # what the developer's machine knows
    "OPENAI_API_KEY": "sk-real-openai-key",
    "DOPPLER_TOKEN": "dp.st.real-doppler-token",
    "SUPPORT_VAULT_ID": "real-vault-id",  # no pattern fits, but the settings declare `vault_id` as a secret
    "HELP_LINE": "real-help-line",  # likewise, by an alias
    "BROKER": "amqp://ada:real-password@broker.example/",  # named like nothing, but with a password
}


@dataclass(frozen=True)
class Violation:
    """A test that does what it may not: in which tier, what it does in words, its body, and words of the message."""

    guard: str
    tier: str
    does: str
    body: str
    says: str
    fixtures: str = ""

    @property
    def name(self) -> str:
        """The test's name."""
        return "test_" + re.sub(r"\W+", "_", f"{self.guard} {self.does} in {self.tier}").strip("_")

    @property
    def source(self) -> str:
        """The test as it stands in the service."""
        body = textwrap.indent(textwrap.dedent(self.body).strip(), "    ")
        return f"def {self.name}({self.fixtures}):\n{body}\n"


NOBODY = "127.0.0.1:9"  # nothing listens there, and no name has to be looked up
CONNECT = "with suppress(OSError):\n    socket.create_connection(('127.0.0.1', 9), timeout=1)"
PSYCOPG = (
    "with suppress(psycopg.Error):\n    psycopg.connect('host=127.0.0.1 port=9 dbname=x', connect_timeout=1)"
)
NO_NETWORK = f"opened a connection to {NOBODY}, and tests/unit has no network. Let a fake answer"
ONLY_OURS = (
    f"opened a connection to {NOBODY}, and only the database and the Redis of this run may be reached."
)
ADD = "INSERT INTO customers (name, email, created_at) VALUES ('a', 'a', CURRENT_TIMESTAMP)"

VIOLATIONS = [
    Violation("network", "unit", "opens a connection", CONNECT, NO_NETWORK),
    Violation("network", "integration", "opens a connection", CONNECT, ONLY_OURS),
    Violation("network", "committed", "opens a connection", CONNECT, ONLY_OURS),
    Violation(
        "network",
        "unit",
        "swallows the error",
        "try:\n    httpx2.get('http://127.0.0.1:9')\nexcept BaseException:\n    pass",
        NO_NETWORK,
    ),
    Violation(
        "network",
        "unit",
        "connects through asyncio",
        "with suppress(OSError):\n    asyncio.run(connect())",
        NO_NETWORK,
    ),
    Violation(
        "network",
        "unit",
        "connects in a thread",
        "thread = threading.Thread(target=try_to_connect)\nthread.start()\nthread.join()",
        NO_NETWORK,
    ),
    Violation(
        "network",
        "unit",
        "got hold of sockets early",
        "with suppress(OSError), early_socket() as opened:\n    opened.connect(('127.0.0.1', 9))",
        NO_NETWORK,
    ),
    Violation(
        "network",
        "unit",
        "sends a datagram",
        "with socket.socket(type=socket.SOCK_DGRAM) as opened:\n    opened.sendto(b'', ('127.0.0.1', 9))",
        NO_NETWORK,
    ),
    Violation(
        "network",
        "unit",
        "connects to a socket file",
        "with suppress(OSError), socket.socket(socket.AF_UNIX) as opened:\n    opened.connect('/nowhere/redis.sock')",
        "opened a connection to /nowhere/redis.sock, and tests/unit has no network.",
    ),
    Violation(
        "network",
        "unit",
        "looks up a name",
        "with suppress(OSError):\n    socket.getaddrinfo('localhost', 80)",
        "looked up localhost, and tests/unit has no network.",
    ),
    Violation(
        "network",
        "integration",
        "looks up a name",
        "with suppress(OSError):\n    socket.gethostbyname('localhost')",
        "looked up localhost, and only the database and the Redis of this run may be reached.",
    ),
    Violation(
        "network",
        "unit",
        "connects a Redis client",
        "with suppress(RedisError), Redis('127.0.0.1', 9, retry=Retry(NoBackoff(), 0)) as client:\n    client.ping()",
        NO_NETWORK,
    ),
    Violation(
        "database",
        "unit",
        "connects with psycopg",
        PSYCOPG,
        "connected to PostgreSQL, and tests/unit has SQLite in memory. Use db_session",
    ),
    Violation(
        "database",
        "unit",
        "connects with SQLAlchemy",
        """
        engine = create_engine('postgresql+psycopg://127.0.0.1:9/x', connect_args={'connect_timeout': 1})
        with suppress(SQLAlchemyError), engine.connect():
            pass
        """,
        "connected to PostgreSQL, and tests/unit has SQLite in memory. Use db_session",
    ),
    Violation(
        "database",
        "unit",
        "connects with psycopg and asyncio",
        """
        with suppress(psycopg.Error):
            asyncio.run(psycopg.AsyncConnection.connect('host=127.0.0.1 port=9 dbname=x', connect_timeout=1))
        """,
        "connected to PostgreSQL, and tests/unit has SQLite in memory. Use db_session",
    ),
    Violation(
        "database",
        "integration",
        "connects to another server",
        PSYCOPG,
        f"another PostgreSQL server than that of this run: {NOBODY}. Use db_session or committed_db",
    ),
    Violation(
        "database",
        "committed",
        "connects to another server",
        PSYCOPG,
        f"another PostgreSQL server than that of this run: {NOBODY}. Use db_session or committed_db",
    ),
    Violation(
        "rollback",
        "unit",
        "commits in raw SQL",
        f'db_session.execute(text("{ADD}"))\ndb_session.execute(text("COMMIT"))',
        "ended the transaction around it: COMMIT. Use the session's commit() and rollback()",
        "db_session",
    ),
    Violation(
        "rollback",
        "integration",
        "commits in raw SQL",
        f'db_session.execute(text("{ADD}"))\ndb_session.execute(text("COMMIT"))',
        "ended the transaction around it: COMMIT. Use the session's commit() and rollback()",
        "db_session",
    ),
    Violation(
        "rollback",
        "integration",
        "commits on the driver's own connection",
        f'db_session.execute(text("{ADD}"))\ndb_session.connection().connection.driver_connection.commit()',
        "COMMIT or ROLLBACK on the driver's own connection. Use the session's commit() and rollback()",
        "db_session",
    ),
    Violation(
        "secrets",
        "unit",
        "sets a real secret again",
        "monkeypatch.setenv('MY_OWN', 'sk-real-' + 'openai-key')",
        "set MY_OWN to a secret of the real environment. Script what the test needs with fake_secrets",
        "monkeypatch",
    ),
    Violation(
        "secrets",
        "integration",
        "sets a real secret again",
        "monkeypatch.setenv('MY_OWN', 'real-' + 'help-line')",
        "set MY_OWN to a secret of the real environment. Script what the test needs with fake_secrets",
        "monkeypatch",
    ),
    Violation(
        "secrets",
        "unit",
        "reads .env",
        "Path('.env').read_text()",
        "opened .env, with secrets of the real environment. Script what the test needs with fake_secrets",
    ),
    Violation(
        "secrets",
        "unit",
        "reads the environment of a process",
        "Path('/proc/self/environ').read_bytes()",
        "opened /proc/self/environ, with secrets of the real environment.",
    ),
    Violation(
        "environment",
        "unit",
        "sets a variable",
        "os.environ['LEFT'] = '1'",
        "left the environment changed: LEFT. Use monkeypatch's setenv()",
    ),
    Violation(
        "environment",
        "integration",
        "removes a variable",
        "del os.environ['HOME']",
        "left the environment changed: HOME. Use monkeypatch's setenv()",
    ),
    Violation(
        "environment",
        "unit",
        "changes the working directory",
        "os.chdir(tmp_path)",
        "left the environment changed: working directory. Use monkeypatch's",
        "tmp_path",
    ),
    Violation(
        "threads",
        "unit",
        "leaves a thread",
        "threading.Thread(target=stop.wait, name='poller', daemon=True).start()",
        "left threads running: poller. Stop and join them",
    ),
    Violation(
        "logging",
        "unit",
        "sets the level",
        "logging.getLogger().setLevel(logging.DEBUG)",
        "left the configuration of logging changed: root. Use caplog.set_level()",
    ),
    Violation(
        "logging",
        "unit",
        "adds a handler",
        "logging.getLogger('helpdesk.audit').addHandler(logging.NullHandler())",
        "left the configuration of logging changed: helpdesk.audit.",
    ),
    Violation(
        "logging",
        "unit",
        "configures structlog",
        "structlog.configure(cache_logger_on_first_use=True)",
        "left the configuration of logging changed: structlog.",
    ),
    Violation(
        "locale",
        "unit",
        "sets the time zone",
        "monkeypatch.setenv('TZ', 'Asia/Tokyo')\ntime.tzset()",
        "left time zone or locale changed: time zone. Put it back",
        "monkeypatch",
    ),
    Violation(
        "locale",
        "unit",
        "sets the locale",
        "locale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')",
        "left time zone or locale changed: locale. Put it back",
    ),
    Violation(
        "caches",
        "unit",
        "fills a functools.cache",
        "rates.price('gold')",
        "left variables or caches of the service changed: helpdesk.rates.price. Use monkeypatch's setattr()",
    ),
    Violation(
        "caches",
        "unit",
        "writes into a dictionary of a module",
        "rates.KNOWN['silver'] = 1",
        "left variables or caches of the service changed: helpdesk.rates.KNOWN.",
    ),
    Violation(
        "caches",
        "integration",
        "sets a variable of a module",
        "rates.current = 'euro'",
        "left variables or caches of the service changed: helpdesk.rates.current.",
    ),
    Violation(
        "files",
        "unit",
        "writes a file",
        "Path('tests', 'left.txt').write_text('')",
        "wrote among the sources: tests/left.txt. Use tmp_path",
    ),
    Violation(
        "files",
        "integration",
        "changes a source",
        "with Path('src/helpdesk/rates.py').open('a') as file:\n    file.write('')",
        "wrote among the sources: src/helpdesk/rates.py. Use tmp_path",
    ),
    Violation(
        "files",
        "unit",
        "makes a database",
        "sqlite3.connect('left.db').close()",
        "wrote among the sources: left.db. Use tmp_path",
    ),
    Violation(
        "budget",
        "unit",
        "takes long",
        "time.sleep(1.2)",
        "s, and a test in tests/unit may take 1 s (`[tool.budgets]` in pyproject.toml). Let a fake answer",
    ),
    Violation("tier", "", "lies beside the tiers", "pass", "lies in no tier"),
]
HEAD = """
import asyncio, locale, logging, os, socket, sqlite3, threading, time
from contextlib import suppress
from pathlib import Path
from socket import socket as early_socket

import httpx2
import psycopg
import pytest
import structlog
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from helpdesk import rates

stop = threading.Event()


def try_to_connect():
    with suppress(Exception):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


async def connect():
    await asyncio.open_connection("127.0.0.1", 9)


"""
# Runs between the violations: whatever they left, the next test finds nothing of it.
CLEAN = """
import os, logging, time, locale, structlog
from pathlib import Path
from helpdesk import rates, early

REAL = {real!r}
AT_FIRST = (logging.root.level, time.tzname, locale.setlocale(locale.LC_ALL), structlog.get_config(), Path.cwd())


def test_all_was_put_back():
    assert "LEFT" not in os.environ and "HOME" in os.environ
    now = (logging.root.level, time.tzname, locale.setlocale(locale.LC_ALL), structlog.get_config(), Path.cwd())
    assert now == AT_FIRST
    assert (rates.KNOWN, rates.current, rates.price.cache_info().currsize) == ({{}}, None, 0)


def test_the_service_saw_no_secret_when_it_was_imported():
    assert "HOME" in early.SEEN
    for name, value in REAL.items():
        assert name not in early.SEEN, name
        assert value not in " ".join(early.SEEN.values()), name
"""
RATES = """
from functools import cache

KNOWN: dict[str, int] = {}
current: str | None = None


@cache
def price(metal):
    return len(metal)
"""
EARLY = """
import os

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

SEEN = dict(os.environ)


class Support(BaseSettings):
    vault_id: SecretStr | None = None
    phone: SecretStr | None = Field(default=None, validation_alias="help_line")
"""


def put_violations(service: Service, decorator: str = "") -> list[str]:
    """Write all violations into the service, and what they need there; return their files."""
    source = service.folder / "src" / "helpdesk"
    (source / "rates.py").write_text(RATES)
    (source / "early.py").write_text(EARLY)
    (service.folder / ".env").write_text("OPENAI_API_KEY=sk-real-openai-key\n")
    files = []
    for tier in sorted({violation.tier for violation in VIOLATIONS}):
        violations = [violation for violation in VIOLATIONS if violation.tier == tier]
        lifts = [decorator.format(guard=violation.guard) for violation in violations]
        tests = [f"{lift}{violation.source}" for lift, violation in zip(lifts, violations, strict=True)]
        files.append(str(Path("tests", tier, "test_violations.py")))
        (service.folder / files[-1]).write_text(HEAD + "\n\n".join(tests))
    for tier in ("unit", "integration"):
        # Later in the order than the violations, whose names begin with a v.
        files.append(f"tests/{tier}/test_with_care.py")
        (service.folder / files[-1]).write_text(CLEAN.format(real=REAL))
    return files


def failures(service: Service) -> dict[str, str]:
    """Return the message of each test that failed, by name and tier."""
    found: dict[str, str] = {}
    for case in ET.parse(service.folder / ".cache/tests/junit.xml").getroot().iter("testcase"):
        for problem in (*case.iter("failure"), *case.iter("error")):
            name = case.get("name", "")
            found[name] = found.get(name, "") + (problem.text or "")
    return found


@pytest.fixture(scope="module")
def violated(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Done, dict[str, str], set[str]]:
    """The run of `nox -s ci` on a service with all violations: what it printed, what failed, and all its tests."""
    clone = service.clone(tmp_path_factory.mktemp("violated") / "helpdesk")
    put_violations(clone)
    done = clone.nox("-s", "ci", "--", "--maxfail=0", status=1, seconds=600, **REAL)
    cases = ET.parse(clone.folder / ".cache/tests/junit.xml").getroot().iter("testcase")
    return done, failures(clone), {case.get("name", "") for case in cases}


def flat(text: str) -> str:
    """Return a message in one line, without what pytest puts before its lines."""
    return " ".join(re.sub(r"^[E>] +", "", text, flags=re.MULTILINE).split())


def test_exactly_the_violations_fail(violated):
    _, failed, everything = violated
    expected = {violation.name for violation in VIOLATIONS}
    assert {name: text for name, text in failed.items() if name not in expected} == {}
    assert expected - set(failed) == set()
    assert len(everything) > 350


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda violation: violation.name)
def test_a_violation_is_named_with_its_cause_and_what_to_do_instead(violated, violation):
    message = flat(violated[1][violation.name])
    assert violation.says in message
    if violation.guard != "rollback":  # whose advice is another tier
        assert f'If it is meant: @pytest.mark.unguarded("{violation.guard}", reason="…")' in message


def test_no_secret_of_the_real_environment_is_printed(violated):
    done, failed, _ = violated
    said = done.output + "".join(failed.values())
    # Two of them stand in the tests, in two parts.
    assert [name for name, value in REAL.items() if value in said] == []


def test_without_violations_everything_passes_also_where_the_environment_has_secrets(clone_service):
    done = clone_service().nox("-s", "ci", **REAL)
    assert set(done.counts[0]) == {"passed"}


def test_each_guard_is_lifted_by_a_marker_with_a_reason(clone_service):
    service = clone_service()
    files = put_violations(service, '@pytest.mark.unguarded("{guard}", reason="to see it")\n')
    done = service.run(
        *("uv", "run", "--locked", "pytest", "--ci", "--junitxml=.cache/tests/junit.xml", *files),
        status=None,
        **REAL,
    )
    assert failures(service) == {}, done
    assert done.counts == [{"passed": len(VIOLATIONS) + 4}]


def test_psycopg_is_guarded_also_where_no_plugin_has_imported_it(machinery):
    # A run of unit tests loads no plugin of PostgreSQL's.
    body = "import psycopg\n    psycopg.connect('host=127.0.0.1 port=9', connect_timeout=1)\n"
    (machinery.service.folder / "tests/unit/test_late.py").write_text(f"def test_late():\n    {body}")
    done = machinery.pytest("tests/unit/test_late.py", status=1)
    assert "The test connected to PostgreSQL, and tests/unit has SQLite in memory." in done.stdout


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        ("unguarded('network')", 'say why: unguarded("network", reason="…")'),
        ("unguarded('network', reason=' ')", 'say why: unguarded("network", reason="…")'),
        ("unguarded('netwrok', reason='typing')", "unguarded(netwrok) names no guard; they are: network, "),
        ("unguarded(reason='all of them')", "unguarded() names no guard; they are: network, "),
    ],
)
def test_a_marker_that_lifts_nothing_or_does_not_say_why_is_refused(machinery, marker, says):
    file = machinery.service.folder / "tests/unit/test_marked.py"
    file.write_text(f"import pytest\n\n\n@pytest.mark.{marker}\ndef test_marked():\n    pass\n")
    for workers, status in (("0", 2), ("2", 1)):
        done = machinery.pytest("-n", workers, "tests/unit/test_marked.py", status=status)
        assert says in done.stdout
        assert "INTERNALERROR" not in done.output


def test_budget_and_tier_are_a_matter_of_ci_alone(machinery):
    folder = machinery.service.folder / "tests"
    (folder / "test_beside.py").write_text("def test_beside():\n    pass\n")
    (folder / "unit/test_long.py").write_text("import time\n\n\ndef test_long():\n    time.sleep(1.2)\n")
    assert machinery.pytest("tests/test_beside.py", "tests/unit/test_long.py").counts == [{"passed": 2}]
    machinery.edit("pyproject.toml", lambda text: text.replace("\nunit = 1.0", "\nunit = 5.0"))
    assert machinery.pytest("--ci", "tests/unit/test_long.py").counts == [{"passed": 1}]


def told(violation: Violation, message: str) -> str:
    """Return what a violation is told, in one line: from "The test" to before how to lift the guard."""
    lines = re.sub(r"^[E>] +", "", message, flags=re.MULTILINE)
    said = re.sub(r"\s+", r"\\s+", re.escape(violation.says).replace(r"\ ", " "))
    match = re.search(said, lines)
    assert match, message
    start = lines.rindex("The test", 0, match.end())
    found = re.search(r"The test .*?(?=\nIf it is meant|\n\n|\Z)", lines[start:], re.DOTALL)
    assert found, message
    return re.sub(r"took [\d.]+ s", "took 1.20 s", flat(found[0]))


def table(failed: dict[str, str]) -> str:
    """Return the page about all guards, with what they said in this run."""
    rows: dict[tuple[str, str], dict[str, list[str]]] = {}
    for violation in VIOLATIONS:
        key = (violation.guard, told(violation, failed[violation.name]))
        rows.setdefault(key, {}).setdefault(violation.does, []).append(violation.tier or "no tier")
    lines = [
        "# What the guards say",
        "",
        'Each of these tests fails, and no other beside it. `@pytest.mark.unguarded(GUARD, reason="…")` lifts a guard for one',
        "test. This page is made by the template's tests, from a run in which each guard was violated.",
        "",
        "| guard | a test that | is told |",
        "|---|---|---|",
    ]
    for (guard, words), does in rows.items():
        tests = "; ".join(f"{what} ({', '.join(tiers)})" for what, tiers in does.items())
        lines.append(f"| {guard} | {tests} | {words} |")
    return "\n".join(lines).replace("helpdesk", "{{ cookiecutter.package_name }}") + "\n"


def test_the_page_about_guards_says_what_they_say(violated, request):
    made = table(violated[1])
    if request.config.option.write_docs:
        TABLE.write_text(made)
    assert TABLE.read_text() == made, "write it anew: nox -s ci -- --write-docs tests/test_guards.py"


def test_a_module_that_the_machinery_is_importing_when_a_test_begins_is_no_change(machinery):
    folder = machinery.service.folder
    (folder / "tests/gate.py").write_text(
        "from threading import Event\n\nhalf, rest = Event(), Event()\n",
    )
    (folder / "src/helpdesk/rates.py").write_text(
        "from tests.gate import half, rest\n\nFIRST = 1\nhalf.set()\nassert rest.wait(60)\nSECOND = 2\n"
    )
    (folder / "tests/unit/test_rates.py").write_text(
        "import threading\n\nfrom tests import gate\nfrom tests.plugins import guards\n\n\n"
        "def work():\n    guards.unwatch()\n    import helpdesk.rates\n\n\n"
        "thread = threading.Thread(target=work)\nthread.start()\nassert gate.half.wait(60)\n\n\n"
        "def test_rates():\n    gate.rest.set()\n    thread.join()\n"
    )
    assert machinery.pytest("tests/unit").counts == [{"passed": 1}]
