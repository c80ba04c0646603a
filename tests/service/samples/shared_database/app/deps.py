from typing import Annotated

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from app.database import get_db
from app.models import Member
from app.security import decode_token

DB = Annotated[Session, Depends(get_db)]


def get_current_member(
    db: DB, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
):
    try:
        member_id = decode_token(credentials.credentials)
    except jwt.PyJWTError:
        raise HTTPException(403, "Could not validate credentials")
    member = db.get(Member, member_id)
    if member is None:
        raise HTTPException(404, "Member not found")
    if not member.is_active:
        raise HTTPException(400, "Inactive member")
    return member


CurrentMember = Annotated[Member, Depends(get_current_member)]


def get_current_admin(member: CurrentMember):
    if not member.is_admin:
        raise HTTPException(403, "Not enough privileges")
    return member


CurrentAdmin = Annotated[Member, Depends(get_current_admin)]
