"""The service as it is deployed, with its own engine and pool, and what it does when its database goes away."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import URL, Engine, select, text
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.app import create_app
from {{ cookiecutter.package_name }}.database import Database
from {{ cookiecutter.package_name }}.models import Customer
from {{ cookiecutter.package_name }}.settings import Settings

from tests.factories import Factory

ADA = {"name": "Ada", "email": "ada@example.com"}


@pytest.fixture
def service(committed_db: URL) -> FastAPI:
    """The service on the test's database, with nothing overridden."""
    return create_app(Settings(database_url=committed_db.render_as_string(hide_password=False)))


@pytest.fixture
def service_client(service: FastAPI) -> Iterator[TestClient]:
    """A client of `service`."""
    with TestClient(service) as client:
        yield client


def test_what_was_answered_is_committed(service_client: TestClient, db_session: Session) -> None:
    response = service_client.post("/customers", json=ADA)

    assert response.status_code == 201
    assert db_session.get_one(Customer, response.json()["id"]).email == "ada@example.com"


def test_a_request_gives_its_connection_back(service_client: TestClient, service: FastAPI) -> None:
    for _ in range(3):
        assert service_client.get("/health").status_code == 200
        assert service_client.get("/tickets/1").status_code == 404

    assert service.state.database.engine.pool.checkedout() == 0
    assert service.state.database.engine.pool.checkedin() == 1


def test_the_service_survives_the_loss_of_its_connections(service_client: TestClient, engine: Engine) -> None:
    assert service_client.get("/health").json()["database"] == "ok"
    with engine.connect() as connection:
        killed = connection.scalars(
            text(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).all()
    assert killed == [True]

    response = service_client.get("/health")

    assert (response.status_code, response.json()["database"]) == (200, "ok")


@pytest.mark.unguarded("database", reason="it connects to where no server is")
def test_without_its_database_the_service_is_down() -> None:
    """On a machine where nothing listens; the service starts nevertheless."""
    settings = Settings(database_url="postgresql://nobody@/none?host=/nowhere")
    with TestClient(create_app(settings)) as client:
        response = client.get("/health")

    assert response.status_code == 503
    assert response.json() == {"status": "down", "database": "down", "redis": "off"}


def test_a_session_that_ends_without_a_commit_leaves_nothing(committed_db: URL, db_session: Session) -> None:
    database = Database(committed_db.render_as_string(hide_password=False))
    with database.sessions() as session:
        Factory(session).customer()
    database.dispose()

    assert db_session.scalars(select(Customer)).all() == []


def test_the_end_of_the_service_closes_its_connections(service: FastAPI) -> None:
    with TestClient(service) as client:
        client.get("/health")
        pool = service.state.database.engine.pool
        assert pool.checkedin() == 1

    assert pool.checkedin() == 0
