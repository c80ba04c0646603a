import subprocess
import sys

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete

from app.config import settings
from app.crud import init_db
from app.database import SessionLocal
from app.main import app
from app.models import Book, Loan, Member
from tests.utils import login, member_headers


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run slow tests, too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="needs --slow"))


@pytest.fixture(scope="session", autouse=True)
def migrated():
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], check=True)


@pytest.fixture(scope="session", autouse=True)
def db(migrated):
    with SessionLocal() as session:
        init_db(session)
        yield session
        session.rollback()
        for model in (Loan, Book, Member):
            session.execute(delete(model))
        session.commit()


@pytest.fixture(scope="module")
def client():
    with TestClient(app) as c:
        yield c


@pytest.fixture(scope="module")
def admin_headers(client):
    return login(client, settings.FIRST_ADMIN, settings.FIRST_ADMIN_PASSWORD)


@pytest.fixture(scope="module")
def headers(client, db):
    return member_headers(client, db, "reader@library.example")
