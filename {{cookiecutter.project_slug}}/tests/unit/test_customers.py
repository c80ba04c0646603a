from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Customer

from tests.factories import Factory

ADA = {"name": "Ada", "email": "ada@example.com"}


def test_a_customer_is_created(client: TestClient, db_session: Session) -> None:
    response = client.post("/customers", json=ADA)

    assert response.status_code == 201
    customer = db_session.get_one(Customer, response.json()["id"])
    assert (customer.name, customer.email) == ("Ada", "ada@example.com")
    assert response.json() == {
        **ADA,
        "id": customer.id,
        "created_at": customer.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_name_and_address_are_tidied(client: TestClient) -> None:
    answer = client.post("/customers", json={"name": "  Ada L. ", "email": " Ada@Example.COM "}).json()

    assert (answer["name"], answer["email"]) == ("Ada L.", "ada@example.com")


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@example.com"])
def test_an_address_belongs_to_one_customer(
    email: str, client: TestClient, db_session: Session, make: Factory
) -> None:
    make.customer(email="ada@example.com")

    response = client.post("/customers", json={"name": "Another", "email": email})

    assert (response.status_code, response.json()["type"]) == (409, "urn:problem:email-taken")
    assert "ada@example.com" in response.json()["detail"]
    assert db_session.scalar(select(func.count()).select_from(Customer)) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"name": None}, "name", id="no name"),
        pytest.param({"name": " \t"}, "name", id="blank name"),
        pytest.param({"name": "x" * 201}, "name", id="long name"),
        pytest.param({"name": "A\0da"}, "name", id="NUL in the name"),
        pytest.param({"name": "Ada\nGrace"}, "name", id="two lines"),
        pytest.param({"email": None}, "email", id="no address"),
        pytest.param({"email": "ada"}, "email", id="no domain"),
        pytest.param({"email": "ada@example.com, eve@example.com"}, "email", id="two addresses"),
        pytest.param(
            {"email": f"ada@{'x' * 63}.{'y' * 63}.{'z' * 63}.{'w' * 63}.com"}, "email", id="long address"
        ),
    ],
)
def test_an_invalid_customer_is_refused(
    change: dict[str, Any], field: str, client: TestClient, db_session: Session
) -> None:
    response = client.post("/customers", json=ADA | change)

    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:invalid-request")
    assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]
    assert db_session.scalar(select(func.count()).select_from(Customer)) == 0


def test_every_missing_field_is_named(client: TestClient) -> None:
    errors = client.post("/customers", json={}).json()["errors"]

    assert [error["loc"] for error in errors] == [["body", "name"], ["body", "email"]]
