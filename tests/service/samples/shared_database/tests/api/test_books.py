import pytest

from tests.utils import make_book, member_headers, random_isbn

BOOK = {"isbn": "9780141439518", "title": "Persuasion", "author": "Jane Austen"}


def test_create_book(client, admin_headers):
    r = client.post("/books", headers=admin_headers, json=BOOK)
    assert r.status_code == 201
    assert r.json()["copies"] == 1


def test_create_book_twice(client, admin_headers):
    r = client.post("/books", headers=admin_headers, json=BOOK)
    assert r.status_code == 409


def test_create_book_as_reader(client, headers):
    r = client.post("/books", headers=headers, json={**BOOK, "isbn": random_isbn()})
    assert r.status_code == 403


@pytest.mark.parametrize("isbn", ["", "123", "978014143951X", "97801414395181"])
def test_create_book_wrong_isbn(client, admin_headers, isbn):
    r = client.post("/books", headers=admin_headers, json={**BOOK, "isbn": isbn})
    assert r.status_code == 422


def test_list_books(client):
    r = client.get("/books", params={"author": "austen"})
    assert BOOK["isbn"] in [book["isbn"] for book in r.json()]


def test_list_books_of_nobody(client):
    assert client.get("/books", params={"author": "nobody"}).json() == []


def test_read_book(client, db):
    book = make_book(db, title="Sanditon")
    assert client.get(f"/books/{book.id}").json()["title"] == "Sanditon"


def test_read_unknown_book(client):
    assert client.get("/books/999999").status_code == 404


@pytest.fixture(scope="module")
def book(db):
    return make_book(db, title="The Watsons", copies=1)


def test_lend(client, headers, book):
    r = client.post(f"/books/{book.id}/loans", headers=headers)
    assert r.status_code == 201
    assert r.json()["returned"] is None


def test_lend_the_only_copy_again(client, db, book):
    other = member_headers(client, db, "other@library.example")
    r = client.post(f"/books/{book.id}/loans", headers=other)
    assert r.status_code == 409
    assert r.json()["detail"] == "No copy is available"


def test_return_somebody_elses(client, admin_headers, db, book):
    db.refresh(book)
    r = client.post(f"/loans/{book.loans[0].id}/return", headers=admin_headers)
    assert r.status_code == 404


def test_return(client, headers, db, book):
    r = client.post(f"/loans/{book.loans[0].id}/return", headers=headers)
    assert r.status_code == 200
    assert r.json()["returned"]


def test_return_twice(client, headers, book):
    r = client.post(f"/loans/{book.loans[0].id}/return", headers=headers)
    assert r.status_code == 409


def test_lend_too_many(client, headers, db):
    for _ in range(3):
        r = client.post(f"/books/{make_book(db).id}/loans", headers=headers)
        assert r.status_code == 201
    r = client.post(f"/books/{make_book(db).id}/loans", headers=headers)
    assert r.status_code == 409
    assert r.json()["detail"] == "Too many loans"


def test_lend_unknown_book(client, headers):
    assert client.post("/books/999999/loans", headers=headers).status_code == 404


def test_statistics(client, admin_headers):
    r = client.get("/statistics", headers=admin_headers)
    assert r.status_code == 200
    assert r.json()["loans"] >= 4


def test_statistics_as_reader(client, headers):
    assert client.get("/statistics", headers=headers).status_code == 403
