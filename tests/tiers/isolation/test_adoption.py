"""Engines that an application made at import, as they are: each tier turns them to its database, and puts them back."""

from collections.abc import Callable

import pytest

Shop = Callable[..., pytest.Pytester]
NOWHERE = "postgresql+psycopg://nobody@database.invalid/production"
WAYS = {
    "as usual": f'engine = create_engine("{NOWHERE}", pool_pre_ping=True, pool_recycle=1)',
    "creator": f'engine = create_engine("{NOWHERE}", creator=elsewhere)',
    "StaticPool": f'engine = create_engine("{NOWHERE}", creator=elsewhere, poolclass=StaticPool)',
    "NullPool": f'engine = create_engine("{NOWHERE}", poolclass=NullPool)',
    "do_connect": f'engine = create_engine("{NOWHERE}")\nevent.listen(engine, "do_connect", elsewhere)',
    "derived": f'first = create_engine("{NOWHERE}")\nengine = first.execution_options(logging_token="derived")',
    "listener": f'engine = create_engine("{NOWHERE}")\n\n@event.listens_for(engine, "connect")\n'
    "def set_up(connection, record):\n    connection.execute(\"SET application_name = 'shop'\")\n    connection.commit()\n",
}
DB = """
from sqlalchemy import NullPool, StaticPool, create_engine, event
from sqlalchemy.orm import sessionmaker


def elsewhere(*_):
    raise AssertionError("this would be production")


{way}
Sessions = sessionmaker(engine)
pool = engine.pool


def sign_up(email):
    from shop.models import Customer

    with Sessions.begin() as session:
        session.add(Customer(email=email))
"""
TESTS = """
import pytest
from sqlalchemy import func, select, text
from shop import db
from shop.models import Customer


def count():
    with db.Sessions() as session:
        return session.scalar(select(func.count()).select_from(Customer))


@pytest.mark.parametrize("turn", range(2))
def test_commits(turn):
    db.sign_up("a@example.org")
    with db.engine.connect() as outer, db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as inner:
        inner.execute(Customer.__table__.insert().values(email="b@example.org"))
    assert count() == 2
    db.engine.dispose()
    assert count() == 2


def test_tiers_engine_is_on_the_same_database(engine):
    db.sign_up("a@example.org")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Customer)) == 1
"""
ADOPT = '\nmigrations = "metadata"\nmetadata = "shop.models:Base.metadata"\nengine = "shop.db:engine"\n'
AFTER = """
def pytest_unconfigure(config):
    import sys
    db = sys.modules.get("shop.db")
    print("PUT BACK" if db and db.engine.pool is db.pool else "NOT PUT BACK")
"""


@pytest.mark.parametrize("way", WAYS)
def test_engine_of_the_application(shop: Shop, way: str) -> None:
    test = TESTS.replace("def test_tiers_engine", "def test_tiers_engine")
    own = test.partition("def test_tiers_engine")[0]
    if way == "listener":
        test += "\n\ndef test_set_up():\n    with db.engine.connect() as c:\n        assert c.scalar(text('SHOW application_name')) == 'shop'\n"
    done = shop(
        {
            "src/shop/db.py": DB.format(way=WAYS[way]),
            "conftest.py": AFTER,
            "tests/integration/test_a.py": test,
            "tests/committed/test_a.py": own,
            "tests/unit/test_a.py": "from shop import db\n\n\ndef test_a():\n    db.sign_up('a')\n",
        },
        tiers=ADOPT,
    ).runpytest_subprocess("-q", "-s", "tests/integration", "tests/committed", "tests/unit")
    done.assert_outcomes(passed=6 if way == "listener" else 5, failed=1)
    done.stdout.fnmatch_lines(
        ["*The test used shop.db:engine, an engine for PostgreSQL, and the unit tier has SQLite in memory.*"]
    )
    done.stdout.fnmatch_lines(["*PUT BACK*"])
    done.stdout.no_fnmatch_line("*NOT PUT BACK*")


def test_engine_for_sqlite_in_the_unit_tier(shop: Shop) -> None:
    done = shop(
        {
            "src/shop/db.py": DB.format(way='engine = create_engine("sqlite:////nowhere/shop.db")'),
            "tests/unit/test_a.py": TESTS,
        },
        tiers=ADOPT,
    ).runpytest_subprocess("-q", "tests/unit")
    done.assert_outcomes(passed=3)


def test_what_is_no_engine(shop: Shop) -> None:
    for name, why in {
        "shop.models:Base": "that is ",
        "shop.none:engine": "No module named",
        "shop.models:none": "no attribute",
    }.items():
        done = shop(
            {"tests/unit/test_a.py": "def test_a():\n    pass\n"}, tiers=f'engine = "{name}"'
        ).runpytest_subprocess("-q", "tests/unit")
        assert done.ret == 1
        done.stdout.fnmatch_lines([f"*[[]tool.tiers[]] engine = '{name}': *{why}*It takes *"])
