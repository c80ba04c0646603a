import logging
from datetime import date, timedelta

from sqlalchemy import func, select

from app.config import settings
from app.models import Book, Loan, Member
from app.security import get_password_hash, verify_password

logger = logging.getLogger(__name__)


class NotAvailable(Exception):
    pass


class TooManyLoans(Exception):
    pass


def get_member_by_email(db, email):
    return db.scalars(select(Member).where(Member.email == email)).first()


def create_member(db, email, name, password, is_admin=False):
    member = Member(
        email=email,
        name=name,
        hashed_password=get_password_hash(password),
        is_admin=is_admin,
    )
    db.add(member)
    db.commit()
    db.refresh(member)
    return member


def authenticate(db, email, password):
    member = get_member_by_email(db, email)
    if not member or not verify_password(password, member.hashed_password):
        logger.warning("failed login for %s", email)
        return None
    return member


def update_member(db, member, **changes):
    for key, value in changes.items():
        if value is not None:
            setattr(member, key, value)
    db.commit()
    db.refresh(member)
    return member


def delete_member(db, member):
    db.delete(member)
    db.commit()


def create_book(db, isbn, title, author, copies=1):
    book = Book(isbn=isbn, title=title, author=author, copies=copies)
    db.add(book)
    db.commit()
    db.refresh(book)
    return book


def get_book(db, book_id):
    return db.get(Book, book_id)


def search_books(db, author=None, skip=0, limit=100):
    query = select(Book).order_by(Book.id).offset(skip).limit(limit)
    if author:
        query = query.where(Book.author.ilike(f"%{author}%"))
    return db.scalars(query).all()


def available_copies(db, book):
    lent = db.scalar(
        select(func.count(Loan.id)).where(
            Loan.book_id == book.id, Loan.returned.is_(None)
        )
    )
    return book.copies - lent


def lend(db, book, member, today=None):
    if available_copies(db, book) < 1:
        raise NotAvailable(book.title)
    open_loans = db.scalar(
        select(func.count(Loan.id)).where(
            Loan.member_id == member.id, Loan.returned.is_(None)
        )
    )
    if open_loans >= settings.MAX_LOANS:
        raise TooManyLoans(member.email)
    due = (today or date.today()) + timedelta(days=settings.LOAN_DAYS)
    loan = Loan(book_id=book.id, member_id=member.id, due=due)
    db.add(loan)
    db.commit()
    db.refresh(loan)
    return loan


def give_back(db, loan, today=None):
    loan.returned = today or date.today()
    db.commit()
    db.refresh(loan)
    return loan


def overdue(db, today=None):
    return db.scalars(
        select(Loan)
        .where(Loan.due < (today or date.today()), Loan.returned.is_(None))
        .order_by(Loan.id)
    ).all()


def statistics(db):
    return {
        "members": db.scalar(select(func.count(Member.id))),
        "books": db.scalar(select(func.count(Book.id))),
        "loans": db.scalar(select(func.count(Loan.id))),
    }


def init_db(db):
    """The first admin, so that somebody can log in."""
    if not get_member_by_email(db, settings.FIRST_ADMIN):
        create_member(
            db,
            settings.FIRST_ADMIN,
            "Admin",
            settings.FIRST_ADMIN_PASSWORD,
            is_admin=True,
        )
