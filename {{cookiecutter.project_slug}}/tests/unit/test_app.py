import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.app import create_app
from {{ cookiecutter.package_name }}.database import Database, get_session
from {{ cookiecutter.package_name }}.settings import Settings

from tests.factories import Factory

HEAVY = {"alembic", "openai", "psycopg", "redis", "uvicorn"}
"""What takes long to import and isn't needed to import the service."""


def test_the_document_names_the_package_and_its_version(client: TestClient) -> None:
    package = metadata("{{ cookiecutter.project_slug }}")

    info = client.get("/openapi.json").json()["info"]

    assert info == {
        "title": package["Name"],
        "summary": package["Summary"],
        "version": package["Version"],
    }


def test_the_document_says_that_errors_are_problem_documents(app: FastAPI) -> None:
    for methods in app.openapi()["paths"].values():
        for operation in methods.values():
            assert "422" not in operation["responses"], "FastAPI's own form of it"
            assert list(operation["responses"]["4XX"]["content"]) == ["application/problem+json"]


def test_the_document_has_the_endpoints(app: FastAPI) -> None:
    paths = app.openapi()["paths"]

    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} >= {
        ("POST", "/customers"),
        ("POST", "/tickets"),
        ("GET", "/tickets"),
        ("GET", "/tickets/{ticket_id}"),
        ("POST", "/tickets/{ticket_id}/close"),
        ("POST", "/tickets/{ticket_id}/summary"),
        ("POST", "/agents/{name}/claim"),
        ("GET", "/health"),
    }


@pytest.mark.unguarded("budget", reason="a process of its own imports the service, which takes its time")
def test_heavy_libraries_are_not_imported_with_the_service() -> None:
    code = "import sys, {{ cookiecutter.package_name }}.app; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    modules = set(done.stdout.split())
    assert "fastapi" in modules
    assert modules & HEAVY == set()


def test_run_as_a_program_it_serves_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[FastAPI, dict[str, Any]]] = []
    levels: list[str] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.append((app, options)))
    monkeypatch.setattr("{{ cookiecutter.package_name }}.logs.configure_logging", levels.append)
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada@db.invalid/desk")
    monkeypatch.setenv("HOST", "192.0.2.1")
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")

    runpy.run_module("{{ cookiecutter.package_name }}", run_name="__main__")

    ((app, options),) = served
    assert app.state.settings.database_url.get_secret_value() == "postgresql://ada@db.invalid/desk"
    assert levels == ["WARNING"]
    # uvicorn's own logging would write lines that aren't JSON.
    assert options == {"host": "192.0.2.1", "port": 8123, "log_config": None, "access_log": False}


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ada:hunter2@db.invalid:5433/desk",
        "postgresql://ada:hunter2@db.invalid:5433/desk",
        "postgresql+psycopg://ada:hunter2@db.invalid:5433/desk",
    ],
)
def test_every_spelling_of_a_postgresql_url_means_psycopg(url: str) -> None:
    database = Database(url)

    assert database.url.render_as_string(hide_password=False) == (
        "postgresql+psycopg://ada:hunter2@db.invalid:5433/desk"
    )


def test_redis_is_reached_as_the_settings_say_and_not_waited_for(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"redis_url": SecretStr("redis://cache.invalid:6380/2")}))

    options = app.state.redis.client.connection_pool.connection_kwargs

    assert (options["host"], options["port"], options["db"]) == ("cache.invalid", 6380, 2)
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (1, 1)


def test_what_was_opened_is_closed_at_the_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    app = create_app(settings.model_copy(update={"redis_url": SecretStr("redis://cache.invalid")}))
    with TestClient(app):
        monkeypatch.setattr(app.state.redis.client, "close", lambda: closed.append("redis"))
        monkeypatch.setattr(app.state.summarizer.client, "close", lambda: closed.append("ai"))
        monkeypatch.setattr(app.state.database.engine, "dispose", lambda: closed.append("database"))
        assert closed == []

    assert sorted(closed) == ["ai", "database", "redis"]


def test_what_was_not_needed_is_not_opened_at_the_end(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app):
        pass

    for part in [app.state.redis, app.state.summarizer]:
        assert "client" not in vars(part)
    assert "engine" not in vars(app.state.database)


@pytest.fixture
def minimal(sessions: sessionmaker[Session]) -> Iterator[TestClient]:
    """A client of the service with nothing configured but a database."""

    def session() -> Iterator[Session]:
        with sessions() as session:
            yield session

    app = create_app(Settings(database_url="postgresql://nobody@database.invalid/none"))
    app.dependency_overrides[get_session] = session
    with TestClient(app) as client:
        yield client


def test_redis_is_optional(minimal: TestClient) -> None:
    assert minimal.get("/health").json() == {"status": "ok", "database": "ok", "redis": "off"}


def test_an_ai_provider_is_optional(minimal: TestClient, make: Factory, db_session: Session) -> None:
    ticket = make.ticket()
    db_session.commit()

    response = minimal.post(f"/tickets/{ticket.id}/summary")

    assert (response.status_code, response.json()["type"]) == (503, "urn:problem:summary-unavailable")
