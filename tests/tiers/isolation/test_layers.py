"""Rows live as long as the fixture that made them: in a run, a package, a module, a class; and no longer."""

from collections.abc import Callable

import pytest
from rolled_back_shop import SESSIONS, SHOP

Shop = Callable[..., pytest.Pytester]

ROWS = """
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from shop.models import Customer


def put(engine, *emails):
    with Session(engine) as session:
        session.add_all(Customer(email=email) for email in emails)
        session.commit()


def found(engine):
    with Session(engine) as session:
        return sorted(session.scalars(select(Customer.email)))


@pytest.fixture(scope="session")
def of_the_run(engine):
    put(engine, "run")


@pytest.fixture(scope="package")
def of_the_package(engine):
    put(engine, "package")


"""
FIXTURES = """
@pytest.fixture(scope="module")
def of_the_module(engine, of_the_run):
    put(engine, "module")
    yield
    assert found(engine) == ["module", "run"], "at the module's end"


@pytest.fixture
def of_the_test(engine):
    put(engine, "test")


class TestClass:
    @pytest.fixture(scope="class")
    def of_the_class(self, engine, of_the_module):
        put(engine, "class")

    def test_first(self, engine, of_the_class):
        put(engine, "first")
        assert found(engine) == ["class", "first", "module", "run"]

    def test_second(self, engine, of_the_class, of_the_test):
        assert found(engine) == ["class", "module", "run", "test"]


def test_beside(engine, of_the_module, db_session):
    assert found(engine) == ["module", "run"]


def test_that_writes(engine, of_the_module):
    put(engine, "writes")
    assert found(engine) == ["module", "run", "writes"]
"""
OTHER = """
def test_of_another_module(engine, of_the_run):
    assert found(engine) == ["run"]
"""


REVERSED = """
def pytest_collection_modifyitems(items):
    items.reverse()
"""
UNORDERED = ("-p", "no:tiers-order")
"""As the file has them, the cheapest first isn't wanted."""
ORDERS = {
    "serially": (),
    "in two workers": ("-n", "2"),
    "in random order": ("-p", "randomly", *UNORDERED),
    "from the last to the first": UNORDERED,
}


def on_both(text: str, other: str = "") -> dict[str, str]:
    """Return test files with the shop's conftests and fixtures that write rows."""
    files = {}
    for tier in ("unit", "integration"):
        files[f"tests/{tier}/conftest.py"] = SHOP[f"tests/{tier}/conftest.py"] + ROWS
        files[f"tests/{tier}/test_a.py"] = (
            "from tests.unit.conftest import found, put\nimport pytest\n" + text
        )
        if other:
            files[f"tests/{tier}/test_b.py"] = "from tests.unit.conftest import found, put\n" + other
            files[f"tests/{tier}/test_c.py"] = files[f"tests/{tier}/test_a.py"]
    return files


@pytest.mark.parametrize("order", ORDERS)
def test_rows_live_as_long_as_their_fixture(shop: Shop, order: str) -> None:
    files = on_both(FIXTURES, OTHER)
    if "last" in order:
        files["conftest.py"] = REVERSED
    done = shop(files).runpytest_subprocess("-q", *ORDERS[order], "tests/unit", "tests/integration")
    done.assert_outcomes(passed=18)


def test_a_fixture_that_is_set_up_late_works_where_nothing_was_written(shop: Shop) -> None:
    done = shop(
        on_both(
            """
@pytest.fixture(scope="module")
def late(engine):
    put(engine, "late")

def test_late(engine, request):
    assert found(engine) == []
    request.getfixturevalue("late")
    put(engine, "mine")
    assert found(engine) == ["late", "mine"]

def test_still(engine, late):
    assert found(engine) == ["late"]
"""
        )
    ).runpytest_subprocess("-q", *UNORDERED, "tests/unit", "tests/integration")
    done.assert_outcomes(passed=4)


def test_a_fixture_that_is_set_up_late_is_refused_where_rows_are(shop: Shop) -> None:
    done = shop(
        on_both(
            """
@pytest.fixture(scope="module")
def late(engine):
    put(engine, "late")

def test_late(engine, request):
    put(engine, "mine")
    request.getfixturevalue("late")

def test_next(engine):
    assert found(engine) == []
"""
        )
    ).runpytest_subprocess("-q", *UNORDERED, "tests/unit", "tests/integration")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        [
            "*A fixture of the module tests/*/test_a.py works on the database only now, when rows of the test *test_late are there*",
            "*Let the test or fixture take it before those that write*",
        ]
    )


def test_a_fixture_of_the_run_after_rows_of_a_module(shop: Shop) -> None:
    done = shop(
        on_both(
            """
@pytest.fixture(scope="module")
def of_the_module(engine):
    put(engine, "module")

def test_first(of_the_module):
    pass

def test_second(of_the_module, request):
    request.getfixturevalue("of_the_run")
"""
        )
    ).runpytest_subprocess("-q", *UNORDERED, "tests/unit", "tests/integration")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        ["*A fixture of the run works on the database only now, when rows of the module *"]
    )


def test_rows_of_a_parametrised_fixture_go_with_its_parameter(shop: Shop) -> None:
    done = shop(
        on_both(
            """
@pytest.fixture(scope="module")
def before(engine):
    put(engine, "before")

@pytest.fixture(scope="module", params=["a", "b"])
def one(request, engine, before):
    put(engine, request.param)
    return request.param

@pytest.fixture(scope="module")
def of_it(engine, one):
    put(engine, "of " + one)

def test_one(engine, one, of_it):
    assert found(engine) == sorted(["before", one, "of " + one])

def test_other(engine, before):
    assert "before" in found(engine)
"""
        )
    ).runpytest_subprocess("-q", *UNORDERED, "tests/unit", "tests/integration")
    done.assert_outcomes(passed=6)


def test_rows_that_would_outlive_their_parameter_are_named(shop: Shop) -> None:
    done = shop(
        on_both(
            """
@pytest.fixture(scope="module", params=["a", "b"])
def one(request, engine):
    put(engine, request.param)

@pytest.fixture(scope="module")
def beside(engine):
    put(engine, "beside")

def test_one(engine, one, beside):
    pass
"""
        )
    ).runpytest_subprocess("-q", *UNORDERED, "tests/integration")
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        ["*The rows of the parametrised fixture one would outlive it: others of the module *"]
    )


def test_engine_of_another_tier_that_a_fixture_above_took(shop: Shop) -> None:
    files = {
        "tests/conftest.py": SESSIONS
        + '\n\n@pytest.fixture(scope="session")\ndef shared(engine):\n    return engine\n',
        "tests/unit/test_a.py": "def test_a(shared):\n    pass\n",
        "tests/integration/test_a.py": "def test_a(shared):\n    pass\n",
    }
    done = shop(files).runpytest_subprocess("-q", *UNORDERED, "tests/unit", "tests/integration")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(
        [
            "*The fixture shared of tests was set up with `engine` of tests/unit, and this test has that of tests/integration:*"
        ]
    )


def test_session_of_a_module(shop: Shop) -> None:
    """It is used by each test: what the fixture committed stays, what a test did goes."""
    done = shop(
        on_both(
            """
from sqlalchemy.orm import Session
from shop.models import Customer

@pytest.fixture(scope="module")
def session(engine):
    with Session(engine) as session:
        session.add(Customer(email="module"))
        session.commit()
        yield session

@pytest.mark.parametrize("turn", range(3))
def test_it(session, engine, turn):
    assert found(engine) == ["module"]
    session.add(Customer(email="test"))
    session.commit()
    assert found(engine) == ["module", "test"]
"""
        )
    ).runpytest_subprocess("-q", "tests/unit", "tests/integration")
    done.assert_outcomes(passed=6)


def test_setup_of_modules_and_classes(shop: Shop) -> None:
    done = shop(
        on_both(
            """
import unittest

@pytest.fixture(scope="class")
def rows(request, engine):
    put(engine, "class")
    request.cls.engine = engine

@pytest.mark.usefixtures("rows")
class TestIt(unittest.TestCase):
    def test_a(self):
        put(self.engine, "test")
        assert found(self.engine) == ["class", "test"]

    def test_b(self):
        put(self.engine, "test")
        assert found(self.engine) == ["class", "test"]

def test_after(engine):
    assert found(engine) == []
"""
        )
    ).runpytest_subprocess("-q", *UNORDERED, "tests/unit", "tests/integration")
    done.assert_outcomes(passed=6)
