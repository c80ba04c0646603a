from datetime import date

import pytest
import pytest_asyncio

from app import crud
from app.reminders import Mailbox, remind
from tests.utils import make_book, make_member


@pytest_asyncio.fixture
async def mailbox():
    yield Mailbox(delay=0.001)


@pytest.fixture(scope="module")
def late(db):
    member = make_member(db, email="late@library.example")
    return crud.lend(db, make_book(db, title="Evelina"), member, date(2020, 1, 1))


async def test_remind(db, mailbox, late):
    assert await remind(db, mailbox, today=date(2020, 3, 1)) == 1
    assert mailbox.sent == [("late@library.example", "Overdue: Evelina")]


async def test_nothing_to_remind_of(db, mailbox):
    assert await remind(db, mailbox, today=date(2020, 1, 1)) == 0
    assert mailbox.sent == []


async def test_no_reminder_once_returned(db, mailbox, late):
    crud.give_back(db, late)
    assert await remind(db, mailbox, today=date(2020, 3, 1)) == 0
