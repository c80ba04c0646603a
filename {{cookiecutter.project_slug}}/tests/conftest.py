"""Fixtures of every tier. Each tier's conftest adds `engine`: which database, and what happens to it afterwards."""

import os
from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_tiers import FakeAI, FakeSecrets
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.ai import Summarizer, get_summarizer
from {{ cookiecutter.package_name }}.app import create_app
from {{ cookiecutter.package_name }}.cache import SummaryCache, get_cache
from {{ cookiecutter.package_name }}.database import create_sessionmaker, get_session
from {{ cookiecutter.package_name }}.doppler import DopplerSource
from {{ cookiecutter.package_name }}.settings import Settings

from tests.factories import Factory


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
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Opens the service's sessions on the tier's database."""
    return create_sessionmaker(engine)


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
        with sessions() as session:
            yield session

    # Only where an endpoint asks for them: most tests don't, fakeredis takes 0.3 s to import and the AI SDK 1 s.
    def cache() -> SummaryCache:
        return SummaryCache(request.getfixturevalue("redis_client"), ttl=settings.summary_ttl)

    def ai() -> Summarizer:
        request.getfixturevalue("fake_ai")
        summarizer: Summarizer = request.getfixturevalue("summarizer")
        return summarizer

    def commit_first(_: httpx2.Request) -> None:
        # Makes flushed rows visible to the request, which has a session of its own.
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


@pytest.fixture(scope="session")
def summarizer(settings: Settings, ai_provider: FakeAI) -> Summarizer:
    """The service's AI client on the provider's real SDK, connected to `ai_provider`."""
    # The SDK builds its models on first use, 0.3 s: here, and not in the test that happens to come first.
    first = FakeAI()
    first.reply("ready")
    Summarizer(settings, transport=first.transport).summarize("warm", "up")
    return Summarizer(settings, transport=ai_provider.transport)


@pytest.fixture
def fake_secrets(fake_secrets: FakeSecrets, monkeypatch: pytest.MonkeyPatch) -> FakeSecrets:
    """Doppler with a valid token: what is put into `values`, `load_settings` finds."""
    monkeypatch.setattr(DopplerSource, "transport", fake_secrets.transport)
    return fake_secrets
