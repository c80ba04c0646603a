from app import crud
from app.config import settings
from app.models import Member
from app.security import verify_password
from tests.utils import make_member, random_email


def test_first_admin(db):
    admin = crud.get_member_by_email(db, settings.FIRST_ADMIN)
    assert admin.is_admin
    crud.init_db(db)  # does nothing the second time
    assert db.query(Member).filter(Member.is_admin).count() == 1


def test_create_member(db):
    email = random_email()
    member = crud.create_member(db, email, "Ann", "ann-password")
    assert member.email == email
    assert member.joined
    assert verify_password("ann-password", member.hashed_password)


def test_authenticate(db):
    member = make_member(db, password="right-password")
    assert crud.authenticate(db, member.email, "right-password").id == member.id
    assert crud.authenticate(db, member.email, "wrong-password") is None


def test_authenticate_nobody(db, caplog):
    assert crud.authenticate(db, "nobody@nowhere.example", "x") is None
    assert [record.name for record in caplog.records] == ["app.crud"]


def test_update_member(db):
    member = make_member(db)
    crud.update_member(db, member, name="Another", is_active=None)
    assert (member.name, member.is_active) == ("Another", True)


def test_delete_member(db):
    member = make_member(db)
    crud.delete_member(db, member)
    assert crud.get_member_by_email(db, member.email) is None
