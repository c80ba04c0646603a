"""Whichever of a pair runs second finds nothing of what the first one left."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.models import Customer


@pytest.mark.parametrize("run", ["once", "again"])
def test_what_the_service_commits_ends_with_the_test(
    run: str, client: TestClient, db_session: Session
) -> None:
    count = select(func.count()).select_from(Customer)
    assert db_session.scalar(count) == 0

    response = client.post("/customers", json={"name": run, "email": "ada@example.com"})

    assert response.status_code == 201
    assert db_session.scalar(count) == 1
