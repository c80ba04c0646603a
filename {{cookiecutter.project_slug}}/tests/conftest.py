"""Fixtures of every tier. Each tier's conftest adds `sessions`: which database, and what happens to it afterwards."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import SAWarning, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.ai import Summarizer, get_summarizer
from {{ cookiecutter.package_name }}.app import create_app
from {{ cookiecutter.package_name }}.cache import SummaryCache, get_cache
from {{ cookiecutter.package_name }}.database import get_session
from {{ cookiecutter.package_name }}.doppler import DopplerSource
from {{ cookiecutter.package_name }}.settings import Settings

from tests.factories import Factory
from tests.plugins.fake_ai import FakeAI
from tests.plugins.fake_redis import RedisOutage, RedisServer
from tests.plugins.fake_secrets import FakeSecrets
from tests.plugins.rollback import one_at_a_time

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The app's settings. They lead nowhere: what a test may reach, its fixtures put in place."""
    with pytest.MonkeyPatch.context() as patch:
        # A PORT of the developer's own is no business of the tests.
        for name in list(os.environ):
            if name.lower() in Settings.model_fields:
                patch.delenv(name)
        return Settings(
            database_url="postgresql://nobody@database.invalid/none",
            openai_api_key="sk-test",
            openai_max_retries=0,
            summary_ttl=60,
        )


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    """The application, one for the run: building one for each test would cost more than most tests."""
    return create_app(settings)


@pytest.fixture(scope="session")
def http(app: FastAPI) -> Iterator[TestClient]:
    """An HTTP client with one event loop for the run. Tests take `client`."""
    with TestClient(app) as http:
        yield http


@pytest.fixture
def db_session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """A session of SQLAlchemy on the tier's database."""
    session = sessions()
    yield session
    # It can't where the test ended the transaction around it, which `sessions` reports.
    with suppress(SQLAlchemyError, SAWarning):
        session.close()


@pytest.fixture
def client(
    http: TestClient,
    app: FastAPI,
    sessions: sessionmaker[Session],
    db_session: Session,
    settings: Settings,
    request: pytest.FixtureRequest,
) -> Iterator[TestClient]:
    """An HTTP client of the app. Requests have sessions of their own, in the transaction (or database) of `db_session`."""

    def request_session() -> Iterator[Session]:
        with one_at_a_time(sessions), sessions() as session:
            yield session

    # Only where an endpoint asks for them: most tests don't, fakeredis takes 0.3 s to import and the AI SDK 1 s.
    def cache() -> SummaryCache:
        return SummaryCache(request.getfixturevalue("redis_client"), ttl=settings.summary_ttl)

    def ai() -> Summarizer:
        request.getfixturevalue("fake_ai")
        summarizer: Summarizer = request.getfixturevalue("summarizer")
        return summarizer

    def commit_first(_: httpx2.Request) -> None:
        # Makes flushed rows visible to the request. Sessions on one connection must nest: were this one's transaction
        # left open around the request's, rolling it back later would undo what the request committed.
        if db_session.in_transaction():
            db_session.commit()

    app.dependency_overrides = {get_session: request_session, get_cache: cache, get_summarizer: ai}
    http.event_hooks = {"request": [commit_first]}
    yield http
    http.event_hooks = {}
    http.cookies.clear()
    app.dependency_overrides = {}


@pytest.fixture
def make(db_session: Session) -> Factory:
    """Makes rows: `make.ticket(subject="…")` adds a ticket, and a customer for it, to `db_session`."""
    return Factory(db_session)


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator["Redis"]:
    """A Redis client on a fake server of its own; with TEST_REDIS_URL, on an empty database of a real one."""
    with redis_server.client() as redis:
        yield redis


@pytest.fixture
def redis_outage(redis_client: "Redis") -> Iterator[RedisOutage]:
    """Takes Redis down when it is called: `redis_outage()`, `redis_outage(redis.TimeoutError())`; `redis_outage.end()`."""
    outage = RedisOutage(redis_client)
    yield outage
    outage.end()


@pytest.fixture(scope="session")
def ai_provider() -> FakeAI:
    """The fake provider, one for the run. Tests take `fake_ai`."""
    return FakeAI()


@pytest.fixture(scope="session")
def summarizer(settings: Settings, ai_provider: FakeAI) -> Summarizer:
    """The service's AI client on the provider's real SDK, connected to `ai_provider`."""
    # The SDK builds its models on first use, 0.3 s: here, and not in the test that happens to come first.
    first = FakeAI()
    first.reply("ready")
    Summarizer(settings, transport=first.transport).summarize("warm", "up")
    return Summarizer(settings, transport=ai_provider.transport)


@pytest.fixture
def fake_ai(ai_provider: FakeAI, request: pytest.FixtureRequest) -> Iterator[FakeAI]:
    """The AI provider below its SDK: script its answers, and read what it was asked.

    A request that nothing was scripted for fails the test, and so does an answer that was never used.
    """
    ai_provider.reset()
    failed = request.session.testsfailed
    yield ai_provider
    # A test that failed has left them for that reason.
    if ai_provider.unused and request.session.testsfailed == failed:
        pytest.fail(
            f"Scripted for the AI provider and never used: {', '.join(ai_provider.unused)}.\n"
            "The service asked less often than the test expects: script what it really asks for.",
            pytrace=False,
        )


@pytest.fixture
def fake_secrets(monkeypatch: pytest.MonkeyPatch) -> FakeSecrets:
    """Doppler with a valid token: what is put into `values`, `load_settings` finds."""
    secrets = FakeSecrets()
    monkeypatch.setenv("DOPPLER_TOKEN", secrets.TOKEN)
    monkeypatch.setattr(DopplerSource, "transport", secrets.transport)
    return secrets
