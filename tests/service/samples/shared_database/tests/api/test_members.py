from app import crud
from app.config import settings
from tests.utils import login, make_member, random_email

EMAIL = "tom@library.example"


def test_sign_up(client):
    r = client.post(
        "/members", json={"email": EMAIL, "name": "Tom", "password": "tom-password"}
    )
    assert r.status_code == 201
    assert r.json()["email"] == EMAIL
    assert "password" not in r.json()


def test_sign_up_twice(client):
    r = client.post(
        "/members", json={"email": EMAIL, "name": "Tom", "password": "tom-password"}
    )
    assert r.status_code == 409


def test_sign_up_short_password(client):
    r = client.post(
        "/members", json={"email": random_email(), "name": "Tom", "password": "tom"}
    )
    assert r.status_code == 422


def test_sign_up_no_email(client):
    r = client.post(
        "/members", json={"email": "tom", "name": "Tom", "password": "tom-password"}
    )
    assert r.status_code == 422


def test_new_member_can_log_in(client):
    headers = login(client, EMAIL, "tom-password")
    r = client.get("/login/me", headers=headers)
    assert r.json()["name"] == "Tom"


def test_list_members(client, admin_headers):
    r = client.get("/members", headers=admin_headers)
    assert r.status_code == 200
    assert EMAIL in [member["email"] for member in r.json()]


def test_list_members_limit(client, admin_headers):
    r = client.get("/members?limit=1", headers=admin_headers)
    assert [member["email"] for member in r.json()] == [settings.FIRST_ADMIN]


def test_list_members_as_reader(client, headers):
    assert client.get("/members", headers=headers).status_code == 403


def test_read_member(client, admin_headers, db):
    member = make_member(db, name="Ann")
    r = client.get(f"/members/{member.id}", headers=admin_headers)
    assert r.status_code == 200
    assert r.json()["name"] == "Ann"


def test_read_unknown_member(client, admin_headers):
    assert client.get("/members/999999", headers=admin_headers).status_code == 404


def test_read_other_member_as_reader(client, headers, db):
    admin = crud.get_member_by_email(db, settings.FIRST_ADMIN)
    assert client.get(f"/members/{admin.id}", headers=headers).status_code == 403


def test_update_member(client, admin_headers, db):
    tom = crud.get_member_by_email(db, EMAIL)
    r = client.patch(f"/members/{tom.id}", headers=admin_headers, json={"name": "Tim"})
    assert r.status_code == 200
    assert r.json()["name"] == "Tim"


def test_updated_member_is_stored(db):
    db.expire_all()
    assert crud.get_member_by_email(db, EMAIL).name == "Tim"


def test_deactivated_member_is_locked_out(client, admin_headers, db):
    headers = login(client, EMAIL, "tom-password")
    tom = crud.get_member_by_email(db, EMAIL)
    client.patch(
        f"/members/{tom.id}", headers=admin_headers, json={"is_active": False}
    )
    r = client.get("/login/me", headers=headers)
    assert r.status_code == 400


def test_update_unknown_member(client, admin_headers):
    r = client.patch("/members/999999", headers=admin_headers, json={"name": "X"})
    assert r.status_code == 404


def test_delete_member(client, admin_headers, db):
    tom = crud.get_member_by_email(db, EMAIL)
    r = client.delete(f"/members/{tom.id}", headers=admin_headers)
    assert r.status_code == 204


def test_deleted_member_is_gone(client):
    r = client.post("/login", json={"email": EMAIL, "password": "tom-password"})
    assert r.status_code == 400


def test_admin_cant_delete_himself(client, admin_headers, db):
    admin = crud.get_member_by_email(db, settings.FIRST_ADMIN)
    r = client.delete(f"/members/{admin.id}", headers=admin_headers)
    assert r.status_code == 403
