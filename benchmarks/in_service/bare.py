"""The bodies of a generated suite in a loop without pytest, with the statements of their fixtures: `python -m tests.bench.bare`.

What a test takes besides its own work is what pytest and the machinery cost. The last line printed is the number of tests and
the seconds; the others are the service's log, as pytest would capture it.
"""

import importlib
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from fastapi.testclient import TestClient
from helpdesk.app import create_app
from helpdesk.database import create_sessionmaker, get_session
from helpdesk.models import Base
from helpdesk.settings import Settings
from pytest_tiers import Databases, memory_engine
from pytest_tiers.config import read
from pytest_tiers.databases.embedded import EmbeddedPostgres
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker
from tests.factories import Factory

Sessions: TypeAlias = sessionmaker[Session]
ROOT = Path(__file__).parents[2]


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Sessions]:
    """Give sessions in a transaction that is rolled back."""
    with engine.connect() as connection:
        transaction = connection.begin()
        sessions = create_sessionmaker(connection)
        sessions.configure(join_transaction_mode="create_savepoint")
        yield sessions
        transaction.rollback()


@contextmanager
def own_database(databases: Databases) -> Iterator[Sessions]:
    """Give sessions on a database that is dropped."""
    url = databases.clone()
    engine = create_engine(url)
    yield create_sessionmaker(engine)
    engine.dispose()
    databases.drop(url)


def run(body: Callable[..., None], arguments: dict[str, Any], make_sessions: Any, http: TestClient) -> None:
    """Call a test with what it takes."""
    wanted = inspect.signature(body).parameters.keys()
    with ExitStack() as stack:
        if wanted & {"sessions", "db_session", "make", "client"}:
            sessions = stack.enter_context(make_sessions())
            session = stack.enter_context(sessions())

            def request_session() -> Iterator[Session]:
                with sessions() as opened:
                    yield opened

            app: Any = http.app
            app.dependency_overrides = {get_session: request_session}
            http.event_hooks = {"request": [lambda _: session.commit()]}
            given = {"sessions": sessions, "db_session": session, "make": Factory(session), "client": http}
            arguments = {name: given.get(name, arguments.get(name)) for name in wanted}
        body(**arguments)


def cases(body: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Give the arguments of each of a test's cases."""
    marks = [mark.args for mark in getattr(body, "pytestmark", ())]
    for values in product(*(mark[1] for mark in marks)):
        yield dict(zip((mark[0] for mark in marks), values, strict=True))


def main(databases: Databases) -> None:
    """Run all and print the result."""
    memory, postgres = memory_engine(Base.metadata), create_engine(databases.clone())
    tiers: dict[str, Any] = {
        "unit": lambda: rolled_back(memory),
        "integration": lambda: rolled_back(postgres),
        "committed": lambda: own_database(databases),
    }
    modules = [
        (path.parent.name, importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)))
        for path in sorted(ROOT.glob("tests/*/test_generated_*.py"))
    ]
    settings = Settings(database_url="postgresql://nobody@database.invalid/none")
    count = 0
    with TestClient(create_app(settings)) as http:
        started = time.perf_counter()
        for tier, module in modules:
            for name, body in vars(module).items():
                if name.startswith("test_"):
                    for arguments in cases(body):
                        run(body, arguments, tiers[tier], http)
                        count += 1
        seconds = time.perf_counter() - started
    for engine in (memory, postgres):
        engine.dispose()
    databases.drop(postgres.url)
    print(count, seconds)


if __name__ == "__main__":
    settings = read(ROOT)
    with EmbeddedPostgres(settings.name) as server:
        databases = Databases(server, settings)
        main(databases)
        databases.close()
