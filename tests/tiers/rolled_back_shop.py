"""A shop with a database in three tiers, as its files: the engines of two of them are rolled back."""

from shops import MODELS

UNIT = """
import pytest
from pytest_tiers import rolled_back_engine
from sqlalchemy import create_engine

from shop.models import Base


@pytest.fixture(scope="session")
def engine(pytestconfig):
    with rolled_back_engine(create_engine("sqlite://"), pytestconfig, Base.metadata) as engine:
        yield engine
"""
INTEGRATION = """
import pytest
from pytest_tiers import rolled_back_engine
from sqlalchemy import create_engine


@pytest.fixture(scope="session")
def engine(worker_database, pytestconfig):
    with rolled_back_engine(create_engine(worker_database), pytestconfig) as engine:
        yield engine
"""
COMMITTED = """
import pytest
from sqlalchemy import create_engine


@pytest.fixture
def engine(committed_db):
    engine = create_engine(committed_db)
    yield engine
    engine.dispose()
"""
SESSIONS = """
import pytest
from sqlalchemy.orm import sessionmaker


@pytest.fixture
def sessions(engine):
    return sessionmaker(engine)
"""
SHOP = {
    "src/shop/__init__.py": "",
    "src/shop/models.py": MODELS,
    "tests/__init__.py": "",
    "tests/conftest.py": SESSIONS,
    **{f"tests/{tier}/__init__.py": "" for tier in ("unit", "integration", "committed")},
    "tests/unit/conftest.py": UNIT,
    "tests/integration/conftest.py": INTEGRATION,
    "tests/committed/conftest.py": COMMITTED,
}
TIERS = """
migrations = "metadata"
metadata = "shop.models:Base.metadata"
"""
PYPROJECT = """
[tool.pytest.ini_options]
pythonpath = ["src", "."]
testpaths = ["tests"]
addopts = "--disable-plugin-autoload -p xdist.plugin -p tiers --dist=worksteal"
"""
