"""The guards in a rendered service, as its sessions load them: one run with a violation of each, one without any."""

import re
import textwrap
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import pytest
from service import Service

pytestmark = pytest.mark.slow

REAL = {  # what the developer's machine knows
    "OPENAI_API_KEY": "sk-real-openai-key",
    "DOPPLER_TOKEN": "dp.st.real-doppler-token",
    "SUPPORT_VAULT_ID": "real-vault-id",  # no pattern fits, but the settings declare `vault_id` as a secret
    "HELP_LINE": "real-help-line",  # likewise, by an alias
    "BROKER": "amqp://ada:real-password@broker.example/",  # named like nothing, but with a password
}
NOBODY = "127.0.0.1:9"  # nothing listens there, and no name has to be looked up
CONNECT = "with suppress(OSError):\n    socket.create_connection(('127.0.0.1', 9), timeout=1)"
PSYCOPG = (
    "with suppress(psycopg.Error):\n    psycopg.connect('host=127.0.0.1 port=9 dbname=x', connect_timeout=1)"
)
ROLE = "db_session.execute(text('CREATE ROLE ada'))"


@dataclass(frozen=True)
class Violation:
    """A test that does what it may not: which guard finds it, in which tier, its body, and words of the message."""

    guard: str
    tier: str
    body: str
    says: str
    fixtures: str = ""

    @property
    def name(self) -> str:
        """The test's name."""
        return f"test_{self.guard}_{self.tier or 'no_tier'}_{VIOLATIONS.index(self)}"

    @property
    def source(self) -> str:
        """The test as it stands in the service."""
        return f"def {self.name}({self.fixtures}):\n{textwrap.indent(self.body, '    ')}\n"


VIOLATIONS = [
    Violation("network", "unit", CONNECT, f"opened a connection to {NOBODY}, and tests/unit has no network."),
    Violation("network", "integration", CONNECT, f"opened a connection to {NOBODY}, and only the database"),
    Violation("network", "committed", CONNECT, f"opened a connection to {NOBODY}, and only the database"),
    Violation("database", "unit", PSYCOPG, "connected to PostgreSQL, and tests/unit has SQLite in memory."),
    Violation(
        "database", "integration", PSYCOPG, f"another PostgreSQL server than that of this run: {NOBODY}"
    ),
    Violation("rollback", "integration", ROLE, "changes what belongs to the whole server", "db_session"),
    Violation(
        "secrets",
        "unit",
        "monkeypatch.setenv('MY_OWN', 'real-' + 'help-line')",
        "set MY_OWN to a secret of the real environment.",
        "monkeypatch",
    ),
    Violation(
        "secrets", "unit", "Path('.env').read_text()", "opened .env, with secrets of the real environment"
    ),
    Violation("environment", "unit", "os.environ['LEFT'] = '1'", "left the environment changed: LEFT."),
    Violation(
        "threads",
        "unit",
        "threading.Thread(target=stop.wait, name='poller', daemon=True).start()",
        "poller",
    ),
    Violation(
        "logging",
        "unit",
        "logging.getLogger().setLevel(logging.DEBUG)",
        "left the configuration of logging changed",
    ),
    Violation(
        "logging",
        "unit",
        "structlog.configure(cache_logger_on_first_use=True)",
        "logging changed: structlog.",
    ),
    Violation(
        "locale", "unit", "monkeypatch.setenv('TZ', 'Asia/Tokyo')\ntime.tzset()", "time zone", "monkeypatch"
    ),
    Violation("caches", "unit", "rates.current = 'euro'", "helpdesk.rates.current"),
    Violation("caches", "integration", "rates.current = 'euro'", "helpdesk.rates.current"),
    Violation("files", "unit", "Path('tests', 'left.txt').write_text('')", "tests/left.txt"),
    Violation(
        "files", "integration", "Path('src/helpdesk/rates.py').open('a').close()", "src/helpdesk/rates.py"
    ),
    Violation("budget", "unit", "time.sleep(1.2)", "may take 1 s (`[tool.tiers.budgets]` in pyproject.toml)"),
    Violation("tier", "", "pass", "lies in no tier"),
]
HEAD = """
import logging, os, socket, threading, time
from contextlib import suppress
from pathlib import Path

import psycopg
import structlog
from sqlalchemy import text

from helpdesk import rates

stop = threading.Event()


"""
# Runs behind the violations: whatever they left, the next test finds nothing of it.
CLEAN = """
import os, logging, time, structlog
from pathlib import Path
from helpdesk import rates, early

REAL = {real!r}
AT_FIRST = (logging.root.level, time.tzname, structlog.get_config(), Path.cwd())


def test_all_was_put_back():
    assert "LEFT" not in os.environ and "HOME" in os.environ
    assert (logging.root.level, time.tzname, structlog.get_config(), Path.cwd()) == AT_FIRST
    assert rates.current is None


def test_the_service_saw_no_secret_when_it_was_imported():
    assert "HOME" in early.SEEN
    for name, value in REAL.items():
        assert name not in early.SEEN, name
        assert value not in " ".join(early.SEEN.values()), name
"""
RATES = "current: str | None = None\n"
EARLY = """
import os

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

SEEN = dict(os.environ)


class Support(BaseSettings):
    vault_id: SecretStr | None = None
    phone: SecretStr | None = Field(default=None, validation_alias="help_line")
"""


def put_violations(service: Service) -> None:
    """Write all violations into the service, and what they need there."""
    source = service.folder / "src" / "helpdesk"
    (source / "rates.py").write_text(RATES)
    (source / "early.py").write_text(EARLY)
    (service.folder / ".env").write_text("OPENAI_API_KEY=sk-real-openai-key\n")
    for tier in {violation.tier for violation in VIOLATIONS}:
        tests = [violation.source for violation in VIOLATIONS if violation.tier == tier]
        (service.folder / "tests" / tier / "test_violations.py").write_text(HEAD + "\n\n".join(tests))
    for tier in ("unit", "integration"):
        # Later in the order than the violations, whose names begin with a v.
        (service.folder / f"tests/{tier}/test_with_care.py").write_text(CLEAN.format(real=REAL))


def test_exactly_the_violations_fail_and_each_is_told_what_to_do(clone_service):
    service = clone_service()
    put_violations(service)
    done = service.nox("-s", "ci", "--", "--maxfail=0", status=1, **REAL)
    failed: dict[str, str] = {}
    cases = [*ET.parse(service.folder / ".cache/tests/junit.xml").getroot().iter("testcase")]
    for case in cases:
        for problem in (*case.iter("failure"), *case.iter("error")):
            name = case.get("name", "")
            failed[name] = failed.get(name, "") + (problem.text or "")
    expected = {violation.name: violation for violation in VIOLATIONS}
    assert {name: text for name, text in failed.items() if name not in expected} == {}
    assert expected.keys() - failed.keys() == set()
    assert len({case.get("name") for case in cases}) > 150

    for name, violation in expected.items():
        message = " ".join(re.sub(r"^[E>] +", "", failed[name], flags=re.MULTILINE).split())
        assert violation.says in message, name
        if violation.guard != "rollback":  # whose advice is another tier
            lift = f'If it is meant: @pytest.mark.unguarded("{violation.guard}", reason="…")'
            assert lift in message, name

    said = done.output + "".join(failed.values())
    assert [name for name, value in REAL.items() if value in said] == []  # one stands in a test, in two parts


def test_without_violations_everything_passes_also_where_the_environment_has_secrets(clone_service):
    done = clone_service().nox("-s", "ci", **REAL)
    assert set(done.counts[0]) == {"passed"}


def test_budget_and_tier_are_a_matter_of_ci_alone(clone_service):
    service = clone_service()
    folder = service.folder / "tests"
    (folder / "test_beside.py").write_text("def test_beside():\n    pass\n")
    (folder / "unit/test_long.py").write_text("import time\n\n\ndef test_long():\n    time.sleep(1.2)\n")
    pytest_ = ("uv", "run", "--locked", "pytest")
    assert service.run(*pytest_, "tests/test_beside.py", "tests/unit/test_long.py").counts == [{"passed": 2}]
    project = service.folder / "pyproject.toml"
    project.write_text(project.read_text().replace("\nunit = 1.0", "\nunit = 5.0"))
    assert service.run(*pytest_, "--ci", "tests/unit/test_long.py").counts == [{"passed": 1}]
