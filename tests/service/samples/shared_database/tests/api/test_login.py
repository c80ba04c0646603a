from datetime import timedelta

from app import crud
from app.config import settings
from app.security import create_access_token
from tests.utils import make_member


def test_login(client):
    r = client.post(
        "/login",
        json={
            "email": settings.FIRST_ADMIN,
            "password": settings.FIRST_ADMIN_PASSWORD,
        },
    )
    assert r.status_code == 200
    assert r.json()["token_type"] == "bearer"
    assert r.json()["access_token"]


def test_login_wrong_password(client, caplog):
    r = client.post("/login", json={"email": settings.FIRST_ADMIN, "password": "wrong"})
    assert r.status_code == 400
    assert "failed login for admin@library.example" in caplog.text


def test_login_unknown_member(client):
    r = client.post("/login", json={"email": "nobody@nowhere.example", "password": "x"})
    assert r.status_code == 400


def test_me(client, admin_headers):
    r = client.get("/login/me", headers=admin_headers)
    assert r.status_code == 200
    assert r.json()["email"] == settings.FIRST_ADMIN
    assert r.json()["is_admin"]


def test_me_without_token(client):
    assert client.get("/login/me").status_code in (401, 403)


def test_me_with_nonsense(client):
    r = client.get("/login/me", headers={"Authorization": "Bearer nonsense"})
    assert r.status_code == 403


def test_me_with_expired_token(client, db):
    admin = crud.get_member_by_email(db, settings.FIRST_ADMIN)
    token = create_access_token(admin.id, timedelta(minutes=-1))
    r = client.get("/login/me", headers={"Authorization": f"Bearer {token}"})
    assert r.status_code == 403


def test_me_of_unknown_member(client):
    token = create_access_token(999_999)
    r = client.get("/login/me", headers={"Authorization": f"Bearer {token}"})
    assert r.status_code == 404


def test_inactive_member_cant_log_in(client, db):
    member = make_member(db, email="gone@library.example", password="gone-password")
    crud.update_member(db, member, is_active=False)
    r = client.post(
        "/login", json={"email": "gone@library.example", "password": "gone-password"}
    )
    assert r.status_code == 400
    assert r.json()["detail"] == "Inactive member"


def test_health(client):
    assert client.get("/health").json() == {"status": "ok"}
