from datetime import date
from typing import Optional

from pydantic import BaseModel, ConfigDict, Field


class MemberCreate(BaseModel):
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    name: str
    password: str = Field(min_length=8)


class MemberUpdate(BaseModel):
    name: Optional[str] = None
    is_active: Optional[bool] = None


class MemberOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    name: str
    is_active: bool
    is_admin: bool


class BookCreate(BaseModel):
    isbn: str = Field(pattern=r"^\d{13}$")
    title: str
    author: str
    copies: int = Field(default=1, ge=1)


class BookOut(BookCreate):
    model_config = ConfigDict(from_attributes=True)

    id: int


class LoanOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    book_id: int
    member_id: int
    due: date
    returned: Optional[date]


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


class Login(BaseModel):
    email: str
    password: str
