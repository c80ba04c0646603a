from fastapi import APIRouter, HTTPException

from app import crud
from app.deps import DB, CurrentMember
from app.schemas import Login, MemberOut, Token
from app.security import create_access_token

router = APIRouter(prefix="/login", tags=["login"])


@router.post("", response_model=Token)
def login(body: Login, db: DB):
    member = crud.authenticate(db, body.email, body.password)
    if not member:
        raise HTTPException(400, "Incorrect email or password")
    if not member.is_active:
        raise HTTPException(400, "Inactive member")
    return Token(access_token=create_access_token(member.id))


@router.get("/me", response_model=MemberOut)
def me(member: CurrentMember):
    return member
