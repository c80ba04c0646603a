from typing import List

from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy import select

from app import crud
from app.deps import DB, CurrentAdmin, CurrentMember, get_current_admin
from app.models import Member
from app.schemas import MemberCreate, MemberOut, MemberUpdate

router = APIRouter(prefix="/members", tags=["members"])


@router.post("", response_model=MemberOut, status_code=201)
def sign_up(body: MemberCreate, db: DB):
    if crud.get_member_by_email(db, body.email):
        raise HTTPException(409, "A member with this email exists already")
    return crud.create_member(db, body.email, body.name, body.password)


@router.get(
    "", response_model=List[MemberOut], dependencies=[Depends(get_current_admin)]
)
def list_members(db: DB, skip: int = 0, limit: int = 100):
    return db.scalars(
        select(Member).order_by(Member.id).offset(skip).limit(limit)
    ).all()


@router.get("/{member_id}", response_model=MemberOut)
def read_member(member_id: int, db: DB, current: CurrentMember):
    if member_id != current.id and not current.is_admin:
        raise HTTPException(403, "Not enough privileges")
    member = db.get(Member, member_id)
    if not member:
        raise HTTPException(404, "Member not found")
    return member


@router.patch("/{member_id}", response_model=MemberOut)
def update_member(member_id: int, body: MemberUpdate, db: DB, admin: CurrentAdmin):
    member = db.get(Member, member_id)
    if not member:
        raise HTTPException(404, "Member not found")
    return crud.update_member(db, member, **body.model_dump())


@router.delete("/{member_id}", status_code=204)
def delete_member(member_id: int, db: DB, admin: CurrentAdmin):
    if member_id == admin.id:
        raise HTTPException(403, "Admins can't delete themselves")
    member = db.get(Member, member_id)
    if not member:
        raise HTTPException(404, "Member not found")
    crud.delete_member(db, member)
