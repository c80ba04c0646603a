import random
import string

from app import crud


def random_email():
    return "".join(random.choices(string.ascii_lowercase, k=16)) + "@library.example"


def random_isbn():
    return "978" + "".join(random.choices(string.digits, k=10))


def login(client, email, password):
    r = client.post("/login", json={"email": email, "password": password})
    assert r.status_code == 200, r.text
    return {"Authorization": f"Bearer {r.json()['access_token']}"}


def member_headers(client, db, email):
    """Logs a member in, who is made if there is none."""
    if not crud.get_member_by_email(db, email):
        crud.create_member(db, email, "Reader", "reader-password")
    return login(client, email, "reader-password")


def make_member(db, **kwargs):
    data = {"email": random_email(), "name": "Someone", "password": "some-password"}
    return crud.create_member(db, **{**data, **kwargs})


def make_book(db, **kwargs):
    data = {"isbn": random_isbn(), "title": "Emma", "author": "Jane Austen"}
    return crud.create_book(db, **{**data, **kwargs})
