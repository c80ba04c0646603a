"""Which server a run has, and what is said of one that won't do."""

import argparse
import os

import pytest
from pytest_tiers.databases import server as module
from pytest_tiers.databases.address import Address, ServerError
from pytest_tiers.databases.server import Server, checked, described, parsed

SECRET = "hunter2"
NO_OPTIONS = argparse.Namespace()


@pytest.fixture(autouse=True)
def no_url(monkeypatch):
    """Nothing of this machine's own."""
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)


def dsn(server: Address, **changes: str) -> str:
    return Address(server.host, server.port, changes.get("user", server.user), changes.get("password")).dsn(
        "postgres"
    )


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_a_url_is_taken_in_libpqs_form_and_in_sqlalchemys(scheme):
    address, variables = parsed(
        f"{scheme}://ann:{SECRET}@db.example.com:6543/shop?sslmode=require&connect_timeout=3"
    )
    assert address == Address("db.example.com", 6543, "ann", SECRET, "shop")
    assert variables == {"PGSSLMODE": "require", "PGCONNECT_TIMEOUT": "3"}


def test_what_a_url_doesnt_say_is_the_usual():
    assert parsed("postgresql://") == (Address("localhost", 5432, "postgres", None, "postgres"), {})


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://ann:{SECRET}@localhost/x",
        f"postgresql://ann:{SECRET}@localhost:port/x",
        f"{SECRET}",
        f"postgresql://a:{SECRET}@h/?nonsense=1",
    ],
)
def test_what_is_no_url_is_said_without_the_password(url):
    with pytest.raises(ServerError) as failed:
        parsed(url)
    assert "is not a URL of PostgreSQL: postgresql://user:password@host:port/postgres" in str(failed.value)
    assert "Correct it, or unset it to use the embedded server" in str(failed.value)
    assert SECRET not in str(failed.value)
    assert described(url) == str(failed.value)


def test_the_header_says_where_it_is_and_that_nothing_there_is_touched():
    said = described(f"postgresql://ann:{SECRET}@db.example.com/shop?sslmode=require")
    assert said.startswith("PostgreSQL: TEST_DATABASE_URL, db.example.com:5432; ")
    assert 'what is in "shop" is left alone' in said
    assert SECRET not in said
    assert "PGSSLMODE" not in os.environ


def test_the_url_comes_first_then_the_option_then_the_embedded_server(server, cache, monkeypatch):
    option = argparse.Namespace(
        postgresql_host=server.host,
        postgresql_port=None,
        postgresql_user=None,
        postgresql_password=None,
        postgresql_maintenance_dbname=None,
    )
    monkeypatch.setenv("TEST_DATABASE_URL", f"{dsn(server)}&application_name=from_url")
    found = Server(option, "shop")
    assert found.find() == Address(server.host, 5432, "postgres")
    assert os.environ["PGAPPNAME"] == "from_url", "for every connection of this process"
    found.release()
    assert "PGAPPNAME" not in os.environ

    monkeypatch.delenv("TEST_DATABASE_URL")
    found = Server(option, "shop")
    assert found.find() == Address(server.host, 5432, "postgres")
    found.release()
    assert not [*cache.glob("shop-tests/data-*/postmaster.pid")], "the embedded server wasn't started"

    for nothing in (NO_OPTIONS, argparse.Namespace(postgresql_host=None)):
        found = Server(nothing, "shop")
        assert found.find().host != server.host
        assert [*cache.glob("shop-tests/data-*/postmaster.pid")]
        found.release()
        assert not [*cache.glob("shop-tests/data-*/postmaster.pid")]


def test_the_option_may_say_it_all(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "checked", lambda address, source: seen.append((address, source)))
    options = argparse.Namespace(
        postgresql_host="h",
        postgresql_port="1",
        postgresql_user="u",
        postgresql_password="p",
        postgresql_maintenance_dbname="m",
    )
    Server(options, "shop").find()
    assert seen == [(Address("h", 1, "u", "p", "m"), "--postgresql-host")]


def test_a_server_that_cant_be_reached_is_named_without_the_password(monkeypatch):
    with pytest.raises(ServerError) as failed:
        checked(Address("localhost", 1, "ann", SECRET), "TEST_DATABASE_URL")
    assert str(failed.value).startswith("TEST_DATABASE_URL can't be used: ")
    assert "refused" in str(failed.value)
    assert str(failed.value).endswith("Correct it, or unset it to use the embedded server")
    assert SECRET not in str(failed.value)


def test_who_may_make_no_databases_is_told_the_right(server):
    with server.connect() as connection:
        for name, right in {"poor": "", "rich": "CREATEDB"}.items():
            connection.execute(f"DROP ROLE IF EXISTS {name}")
            connection.execute(f"CREATE ROLE {name} LOGIN {right}")
    with pytest.raises(ServerError, match="user poor may not create databases: ALTER ROLE … CREATEDB"):
        checked(Address(server.host, server.port, "poor"), "TEST_DATABASE_URL")
    rich = Address(server.host, server.port, "rich")
    assert checked(rich, "TEST_DATABASE_URL") == rich


def test_too_old_a_server_is_refused(server, monkeypatch):
    monkeypatch.setattr(module, "OLDEST", 99)
    with pytest.raises(ServerError, match="x is PostgreSQL 18, too old: use 99 or newer"):
        checked(server, "x")
