"""Statements are counted by their shape, on whatever engine of SQLAlchemy executes them."""

import pytest
from pytest_tiers.timing.statements import MOST, Statements, shape_of


@pytest.mark.parametrize(
    ("statement", "shape"),
    [
        ("SELECT  a\n FROM b WHERE c = ?", "SELECT a FROM b WHERE c = ?"),
        ("SELECT 'it''s', 12, 1.5 FROM t1", "SELECT ?, ?, ? FROM t1"),
        ("SELECT a FROM b WHERE c IN (?, ?, ?)", "SELECT a FROM b WHERE c IN (...)"),
        (
            "SELECT a FROM b WHERE c IN (%(c_1)s::INTEGER, %(c_2)s::INTEGER)",
            "SELECT a FROM b WHERE c IN (...)",
        ),
        ("INSERT INTO b (a, c) VALUES (%s, %s)", "INSERT INTO b (a, c) VALUES (...)"),
        ("SELECT $1, f(:x)", "SELECT $?, f(:x)"),
        ("x" * 5000, "x" * 2000),
    ],
)
def test_a_shape_has_no_values(statement: str, shape: str) -> None:
    assert shape_of(statement) == shape


@pytest.fixture
def statements():
    """What counts, listening to all engines until the test is over."""
    pytest.importorskip("sqlalchemy")
    import sqlalchemy.engine  # noqa: F401

    found = Statements()
    found.begin()
    yield found
    found.stop()


def test_each_execution_counts_for_its_test(statements: Statements) -> None:
    from sqlalchemy import create_engine, text

    with create_engine("sqlite://").connect() as connection:
        for number in range(3):
            connection.execute(text(f"SELECT {number}"))
        connection.execute(text("SELECT :a, :b"), {"a": 1, "b": 2})
        first = {statements.shapes[key]: count for key, (count, _) in statements.counted.items()}
        assert first == {"SELECT ?": 3, "SELECT ?, ?": 1}
        assert all(seconds > 0 for _, seconds in statements.counted.values())
        statements.begin()
        assert statements.counted == {}
        connection.execute(text("SELECT 7"))
        statements.stop()
        connection.execute(text("SELECT 8"))
    assert [count for count, _ in statements.counted.values()] == [1]


def test_texts_without_end_are_not_all_kept(statements: Statements) -> None:
    for number in range(MOST + 5):
        statements._key(f"SELECT a{number}")
    assert len(statements.shapes) == MOST
    assert len(statements._keys) == MOST


def test_without_sqlalchemy_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "sqlalchemy.engine", raising=False)
    found = Statements()
    found.begin()
    found.stop()
    assert found.counted == {}
    assert "sqlalchemy.engine" not in sys.modules
