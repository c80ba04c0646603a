from datetime import date

import pytest

from app import crud
from tests.utils import make_book, make_member


@pytest.fixture(scope="module")
def member(db):
    return make_member(db, email="borrower@library.example")


def test_lend(db, member):
    book = make_book(db, title="Lady Susan", copies=2)
    loan = crud.lend(db, book, member, today=date(2025, 1, 1))
    assert loan.due == date(2025, 1, 22)
    assert crud.available_copies(db, book) == 1


def test_overdue(db, member):
    loans = crud.overdue(db, today=date(2025, 2, 1))
    assert member.id in [loan.member_id for loan in loans]


def test_not_overdue_yet(db, member):
    assert crud.overdue(db, today=date(2025, 1, 22)) == []


def test_give_back(db, member):
    (loan,) = member.loans
    crud.give_back(db, loan, today=date(2025, 1, 20))
    assert crud.available_copies(db, loan.book) == 2


def test_not_available(db, member):
    book = make_book(db, copies=1)
    crud.lend(db, book, member, today=date(2025, 1, 2))
    with pytest.raises(crud.NotAvailable):
        crud.lend(db, book, make_member(db))


def test_search(db):
    make_book(db, title="Orlando", author="Virginia Woolf")
    assert [book.title for book in crud.search_books(db, "woolf")] == ["Orlando"]


@pytest.mark.slow
def test_many_loans(db):
    member = make_member(db)
    for _ in range(200):
        loan = crud.lend(db, make_book(db), member)
        crud.give_back(db, loan)
    db.refresh(member)
    assert len(member.loans) == 200
