"""A rendered service stripped to its machinery: what the tests of databases and faults run, each with a server of its own."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service import Done, Service

PACKAGE = "packages/pytest-tiers"
PROBE = """
from sqlalchemy import text
from sqlalchemy.orm import Session

ADD = text("INSERT INTO customers (name, email, created_at) VALUES ('a', 'a', CURRENT_TIMESTAMP)")


def probe(engine):
    with Session(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM customers")) == 0
        session.execute(ADD)
        session.commit()


def test_probe(engine):
    probe(engine)


def test_probe_again(engine):
    probe(engine)
"""
HOLD = """
import signal
from pytest_tiers.databases.embedded import EmbeddedPostgres

with EmbeddedPostgres("helpdesk") as server:
    with server.connect() as connection:
        for statement in {statements!r}:
            connection.execute(statement)
    others = [server.connect() for _ in range({connections})]
    print(server.host, flush=True)
    signal.pause()
"""
ASK = """
import json, psycopg, sys
from pytest_tiers.databases.embedded import EmbeddedPostgres

with EmbeddedPostgres("helpdesk") as server, server.connect() as connection:
    print(json.dumps(connection.execute({query!r}).fetchall()))
"""

DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE 'helpdesk%' ORDER BY oid"


@dataclass(frozen=True)
class Machinery:
    """A service with its own conftest and tests taken out, so that a run of pytest takes a second, and its cache folder."""

    service: Service
    python: str
    cache: Path

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Change the text of a file, and make sure that it did change."""
        path = self.service.folder / file
        text = path.read_text()
        changed = change(text)
        assert changed != text, file
        path.write_text(changed)

    def environment(self, **more: str) -> dict[str, str]:
        """Return what its commands get beside what every rendered service's get."""
        # The environment is shared: the service and the package that were installed last may be another clone's.
        path = os.pathsep.join(str(self.service.folder / folder) for folder in ("src", f"{PACKAGE}/src"))
        return {"XDG_CACHE_HOME": str(self.cache), "PYTHONPATH": path} | more

    def pytest(self, *arguments: str, status: int | None = 0, **environment: str) -> Done:
        """Run pytest, by default the probe: two tests that each add the same row."""
        command = (self.python, "-m", "pytest", *(arguments or ("tests/integration/test_probe.py",)))
        return self.service.run(*command, status=status, seconds=120, **self.environment(**environment))

    def program(self, code: str, status: int | None = 0, **environment: str) -> Done:
        """Run a program in the service's folder."""
        command = (self.python, "-c", code)
        return self.service.run(*command, status=status, seconds=120, **self.environment(**environment))

    @property
    def data_folders(self) -> list[Path]:
        """The folders with a server's data, also half made ones."""
        return [path for path in self.cache.glob("helpdesk-tests/data-*") if path.is_dir()]

    def ask(self, query: str, **environment: str) -> list[list[object]]:
        """Return the rows that a query to the embedded server gives."""
        answer: list[list[object]] = json.loads(
            self.program(ASK.format(query=query), 0, **environment).stdout
        )
        return answer

    @contextmanager
    def started(self, *command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start a Python program in the service's folder; whatever is left of it at the end is killed."""
        with self.service.started(self.python, *command, **self.environment(**environment)) as process:
            try:
                yield process
            finally:
                self.service.account.send(signal.SIGKILL, process)

    @contextmanager
    def server(self, *statements: str, connections: int = 0, **environment: str) -> Iterator[str]:
        """Hold the embedded server, and `connections` to it, after it has run `statements`; give its socket's folder."""
        program = HOLD.format(statements=statements, connections=connections)
        with self.service.started(self.python, "-c", program, **self.environment(**environment)) as process:
            assert process.stdout is not None
            host = process.stdout.readline().strip()
            assert host, process.communicate()
            yield host


def strip(service: Service) -> None:
    """Take a service's own tests and fixtures out; what is left is the machinery, and a probe of it."""
    tests = service.folder / "tests"
    for file in tests.glob("*/test_*.py"):
        file.unlink()
    (tests / "conftest.py").write_text("")
    (tests / "integration" / "test_probe.py").write_text(PROBE)


def fifo(folder: Path) -> Path:
    """Return a pipe in `folder`: reading it waits until the other side has opened and closed it."""
    path = folder / "pipe"
    os.mkfifo(path)
    path.chmod(0o666)
    return path


def debian_programs() -> Path:
    """Return the folder of the newest PostgreSQL that Debian's packages installed. Raises LookupError."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not found:
        raise LookupError("there is no PostgreSQL of Debian's here: apt install postgresql")
    return found[-1]
