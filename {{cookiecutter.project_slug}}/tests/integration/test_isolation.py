"""The service commits and rolls back as it likes; whichever test runs next finds nothing of it."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Customer

from tests.factories import Factory

COUNT = select(func.count()).select_from(Customer)
ADA = {"name": "Ada", "email": "ada@example.com"}


@pytest.mark.parametrize("run", ["once", "again"])
def test_what_the_service_commits_ends_with_the_test(
    run: str, client: TestClient, db_session: Session
) -> None:
    assert db_session.scalar(COUNT) == 0

    response = client.post("/customers", json=ADA | {"name": run})

    assert response.status_code == 201
    assert db_session.scalar(COUNT) == 1


@pytest.mark.parametrize("run", ["once", "again"])
def test_what_the_test_commits_ends_with_it(run: str, db_session: Session, make: Factory) -> None:
    assert db_session.scalar(COUNT) == 0

    make.customer(name=run, email="ada@example.com")
    db_session.commit()
    db_session.rollback()

    assert db_session.scalar(COUNT) == 1


@pytest.mark.parametrize("run", ["once", "again"])
def test_a_setting_of_the_session_ends_with_the_test(run: str, db_session: Session) -> None:
    assert db_session.scalar(text("SHOW application_name")) not in ("once", "again")

    db_session.execute(text(f"SET application_name = '{run}'"))
    db_session.commit()

    assert db_session.scalar(text("SHOW application_name")) == run


def test_a_rollback_of_the_service_undoes_only_its_own_work(client: TestClient, db_session: Session) -> None:
    client.post("/customers", json=ADA)

    refused = client.post("/customers", json=ADA)

    assert refused.status_code == 409
    assert db_session.scalar(COUNT) == 1
    assert client.post("/customers", json=ADA | {"email": "eve@example.com"}).status_code == 201


def test_a_rollback_of_the_test_keeps_what_the_service_committed(
    client: TestClient, db_session: Session, make: Factory
) -> None:
    client.post("/customers", json=ADA)
    make.customer()

    db_session.rollback()

    assert db_session.scalars(select(Customer.email)).all() == ["ada@example.com"]


def test_the_service_sees_what_the_test_only_flushed(client: TestClient, make: Factory) -> None:
    ticket = make.ticket()

    assert client.get(f"/tickets/{ticket.id}").json()["subject"] == ticket.subject
