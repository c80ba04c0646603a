from typing import List, Optional

from fastapi import APIRouter, HTTPException
from sqlalchemy.exc import IntegrityError

from app import crud
from app.deps import DB, CurrentAdmin, CurrentMember
from app.models import Loan
from app.schemas import BookCreate, BookOut, LoanOut

router = APIRouter(tags=["books"])


@router.post("/books", response_model=BookOut, status_code=201)
def create_book(body: BookCreate, db: DB, admin: CurrentAdmin):
    try:
        return crud.create_book(db, **body.model_dump())
    except IntegrityError:
        db.rollback()
        raise HTTPException(409, "There is a book with this ISBN")


@router.get("/books", response_model=List[BookOut])
def list_books(db: DB, author: Optional[str] = None, skip: int = 0, limit: int = 100):
    return crud.search_books(db, author, skip, limit)


@router.get("/books/{book_id}", response_model=BookOut)
def read_book(book_id: int, db: DB):
    book = crud.get_book(db, book_id)
    if not book:
        raise HTTPException(404, "Book not found")
    return book


@router.post("/books/{book_id}/loans", response_model=LoanOut, status_code=201)
def lend(book_id: int, db: DB, member: CurrentMember):
    book = crud.get_book(db, book_id)
    if not book:
        raise HTTPException(404, "Book not found")
    try:
        return crud.lend(db, book, member)
    except crud.NotAvailable:
        raise HTTPException(409, "No copy is available")
    except crud.TooManyLoans:
        raise HTTPException(409, "Too many loans")


@router.post("/loans/{loan_id}/return", response_model=LoanOut)
def give_back(loan_id: int, db: DB, member: CurrentMember):
    loan = db.get(Loan, loan_id)
    if not loan or loan.member_id != member.id:
        raise HTTPException(404, "Loan not found")
    if loan.returned:
        raise HTTPException(409, "Already returned")
    return crud.give_back(db, loan)


@router.get("/statistics")
def statistics(db: DB, admin: CurrentAdmin):
    return crud.statistics(db)
