from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_tiers import RedisOutage
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from {{ cookiecutter.package_name }}.cache import SummaryCache, get_cache
from {{ cookiecutter.package_name }}.database import get_session


def test_all_is_well(client: TestClient) -> None:
    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "redis": "ok"}


def test_the_service_is_well_without_a_redis_to_use(app: FastAPI, client: TestClient) -> None:
    app.dependency_overrides[get_cache] = lambda: SummaryCache(None, ttl=60)

    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "redis": "off"}


def test_without_its_redis_the_service_is_degraded_but_works(
    client: TestClient, redis_outage: RedisOutage
) -> None:
    redis_outage()

    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {"status": "degraded", "database": "ok", "redis": "down"}


def test_without_its_database_the_service_is_down(app: FastAPI, client: TestClient, tmp_path: Path) -> None:
    unreachable = create_engine(f"sqlite:///{tmp_path}/missing/database")

    def session() -> Iterator[Session]:
        with Session(unreachable) as session:
            yield session

    app.dependency_overrides[get_session] = session

    response = client.get("/health")

    assert response.status_code == 503
    assert response.json() == {"status": "down", "database": "down", "redis": "ok"}
