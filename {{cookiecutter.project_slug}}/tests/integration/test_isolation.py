"""The service commits and rolls back as it likes; whichever test runs next finds nothing of it."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from {{ cookiecutter.package_name }}.models import Customer

from tests.factories import Factory

COUNT = select(func.count()).select_from(Customer)
ADA = {"name": "Ada", "email": "ada@example.com"}


@pytest.mark.parametrize("run", ["once", "again"])
def test_what_the_service_commits_ends_with_the_test(
    run: str, client: TestClient, db_session: Session
) -> None:
    assert db_session.scalar(COUNT) == 0

    response = client.post("/customers", json=ADA | {"name": run})

    assert response.status_code == 201
    assert db_session.scalar(COUNT) == 1


@pytest.mark.parametrize("run", ["once", "again"])
def test_what_the_test_commits_ends_with_it(run: str, db_session: Session, make: Factory) -> None:
    assert db_session.scalar(COUNT) == 0

    make.customer(name=run, email="ada@example.com")
    db_session.commit()
    db_session.rollback()

    assert db_session.scalar(COUNT) == 1


@pytest.mark.differs(reason="on one connection a session sees and changes what another one hasn't committed")
@pytest.mark.parametrize("run", ["once", "again"])
def test_whatever_a_session_can_do_ends_with_the_test(run: str, sessions: sessionmaker[Session]) -> None:
    with sessions() as outer, sessions() as inner:  # sessions may nest: the later one ends first
        assert outer.scalar(COUNT) == 0
        outer.execute(insert(Customer), [{"name": run, "email": f"{n}@example.com"} for n in range(3)])
        with outer.begin_nested():
            outer.execute(text("UPDATE customers SET name = 'changed'"))
        with pytest.raises(IntegrityError), outer.begin_nested():
            outer.add(Customer(name=run, email="1@example.com"))
        inner.execute(text("DELETE FROM customers WHERE email = '2@example.com'"))
        inner.commit()
        outer.commit()
    with pytest.raises(DBAPIError, match="division by zero"), sessions.begin() as session:
        session.execute(
            text("WITH gone AS (DELETE FROM customers RETURNING id) SELECT 1 / (count(*) - 2) FROM gone")
        )
    with sessions() as session:
        assert session.scalars(select(Customer.name)).all() == ["changed", "changed"]


def test_what_waits_for_a_commit_is_called(db_session: Session, make: Factory) -> None:
    called: list[Session] = []
    event.listen(db_session, "after_commit", called.append)

    make.customer()
    db_session.commit()

    assert called == [db_session]


@pytest.mark.parametrize("run", ["once", "again"])
def test_what_a_rollback_leaves_is_put_back(run: str, db_session: Session) -> None:
    locks = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'")
    assert (db_session.scalar(locks), db_session.scalar(prepared)) == (0, 0), run

    with pytest.raises(DBAPIError, match="is not yet defined in this session"):
        db_session.execute(text("SELECT currval('customers_id_seq')"))
    db_session.rollback()
    # Behind the rollback: there psycopg gives up all prepared statements, if it has any of its own.
    db_session.execute(text("SELECT pg_advisory_lock(7)"))
    db_session.execute(text("PREPARE mine AS SELECT 1"))
    db_session.execute(text("SELECT nextval('customers_id_seq')"))

    assert (db_session.scalar(locks), db_session.scalar(prepared)) == (1, 1)


@pytest.mark.parametrize("run", ["once", "again"])
def test_a_failed_transaction_ends_with_the_test(run: str, db_session: Session) -> None:
    with pytest.raises(DBAPIError, match="division by zero"):
        db_session.connection().execute(text("SELECT 1 / 0"))
    with pytest.raises(DBAPIError, match="current transaction is aborted"):
        db_session.connection().execute(text(f"SELECT '{run}'"))


def test_ids_begin_anywhere(make: Factory) -> None:
    """Sequences aren't rolled back, so a test that knows an id would depend on those before it."""
    assert make.customer().id >= 10_000


@pytest.mark.parametrize("run", ["once", "again"])
def test_a_setting_of_the_session_ends_with_the_test(run: str, db_session: Session) -> None:
    assert db_session.scalar(text("SHOW application_name")) not in ("once", "again")

    db_session.execute(text(f"SET application_name = '{run}'"))
    db_session.commit()

    assert db_session.scalar(text("SHOW application_name")) == run


def test_a_rollback_of_the_service_undoes_only_its_own_work(client: TestClient, db_session: Session) -> None:
    client.post("/customers", json=ADA)

    refused = client.post("/customers", json=ADA)

    assert refused.status_code == 409
    assert db_session.scalar(COUNT) == 1
    assert client.post("/customers", json=ADA | {"email": "eve@example.com"}).status_code == 201


def test_a_rollback_of_the_test_keeps_what_the_service_committed(
    client: TestClient, db_session: Session, make: Factory
) -> None:
    client.post("/customers", json=ADA)
    make.customer()

    db_session.rollback()

    assert db_session.scalars(select(Customer.email)).all() == ["ada@example.com"]


def test_the_service_sees_what_the_test_only_flushed(client: TestClient, make: Factory) -> None:
    ticket = make.ticket()

    assert client.get(f"/tickets/{ticket.id}").json()["subject"] == ticket.subject
