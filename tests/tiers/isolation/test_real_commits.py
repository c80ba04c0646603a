"""Parity's second half: the integration tier with real commits. What one connection can't get right is listed, with both outcomes."""

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

Shop = Callable[..., pytest.Pytester]
HEAD = """
import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session

from shop.models import Customer


def add(session, email):
    session.add(Customer(email=email))
    session.flush()


def count(engine):
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(Customer))
"""
TESTS = """
def test_differs_lost_commit(engine):
    with Session(engine) as outer:
        add(outer, "outer")
        with Session(engine) as inner:
            add(inner, "inner")
            inner.commit()
        outer.rollback()
    assert count(engine) == 1


def test_differs_uncommitted_rows_are_seen(engine):
    with Session(engine) as outer:
        add(outer, "outer")
        assert count(engine) == 1


def test_differs_time_stands_still(engine):
    with Session(engine) as session:
        first = session.scalar(text("SELECT now()"))
        session.commit()
        assert session.scalar(text("SELECT now()")) == first


def test_differs_lock_is_waited_for(engine):
    with Session(engine) as outer, Session(engine) as inner:
        outer.execute(text("LOCK customers"))
        assert inner.scalar(select(func.count()).select_from(Customer)) == 0


def test_differs_lock_of_a_transaction(engine):
    with Session(engine) as outer, Session(engine) as inner:
        outer.execute(text("SELECT pg_advisory_xact_lock(7)"))
        assert inner.scalar(text("SELECT pg_try_advisory_xact_lock(7)"))


@pytest.mark.differs(reason="it is known")
def test_declared(engine):
    with Session(engine) as session:
        first = session.scalar(text("SELECT txid_current()"))
        session.commit()
        assert session.scalar(text("SELECT txid_current()")) == first


@pytest.mark.differs(reason="it was mended")
def test_gone(engine):
    assert count(engine) == 0


class TestElsewhere:
    @pytest.fixture
    def engine(self, worker_database):
        own = create_engine(worker_database)
        yield own
        own.dispose()

    def test_differs_elsewhere(self, engine):
        pass
"""

MODULE = """
@pytest.fixture(scope="module")
def of_the_module(engine):
    with Session(engine) as session:
        add(session, "module")
        session.commit()
    yield
    assert count(engine) == 1


@pytest.mark.parametrize("turn", range(2))
def test_same_rows_of_a_module(engine, of_the_module, turn):
    with Session(engine) as session:
        add(session, "test")
        session.commit()
    assert count(engine) == 2


def test_same_nothing_is_left(engine, of_the_module):
    assert count(engine) == 1
"""


def test_each_difference_is_listed_with_both_outcomes(shop: Shop) -> None:
    suite = shop(
        {
            "tests/integration/test_a.py": HEAD + TESTS,
            "tests/integration/test_b.py": HEAD + MODULE,
        }
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest_tiers", "parity", "-n0", "tests/integration"],
        cwd=suite.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    section = done.stdout.partition("\ndiffers (")[2].partition("\n\n")[0]
    assert set(re.findall(r"test_(differs_\w+)", section)) == {
        "differs_lost_commit",
        "differs_uncommitted_rows_are_seen",
        "differs_time_stands_still",
        "differs_lock_is_waited_for",
        "differs_lock_of_a_transaction",
        "differs_elsewhere",
    }, done.stdout
    assert re.search(
        r"lost_commit\n +rolled back +failed: .*Another session committed.*\n +committed +passed", section
    )
    assert re.search(
        r"lock_is_waited_for\n +rolled back +passed\n +committed +failed: .*lock timeout", section
    )
    assert re.search(r"elsewhere\n +rolled back +passed\n +committed +failed: .*The test ran on ", section)
    assert "it is known" in done.stdout
    assert re.search(r"no longer differs \(1\):\n  .*test_gone\n +declared +it was mended", done.stdout)
    assert "move the test to the committed tier, or declare the difference" in done.stderr
