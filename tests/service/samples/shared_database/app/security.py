from datetime import datetime, timedelta, timezone

import bcrypt
import jwt

from app.config import settings


def get_password_hash(password):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()


def verify_password(password, hashed):
    return bcrypt.checkpw(password.encode(), hashed.encode())


def create_access_token(member_id, expires_delta=None):
    expire = datetime.now(timezone.utc) + (
        expires_delta or timedelta(minutes=settings.ACCESS_TOKEN_EXPIRE_MINUTES)
    )
    return jwt.encode(
        {"sub": str(member_id), "exp": expire}, settings.SECRET_KEY, algorithm="HS256"
    )


def decode_token(token):
    return int(jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"])["sub"])
