"""An address says where a server is, to libpq and to SQLAlchemy, and the shell has no say in it."""

import os
from contextlib import suppress

import pytest
from psycopg.conninfo import conninfo_to_dict
from pytest_tiers.databases import address as module
from pytest_tiers.databases.address import Address, database_name, without_libpq_variables
from sqlalchemy.engine import make_url

SOCKET = Address(host="/tmp/pg 0", port=5432, user="post gres")
REMOTE = Address(host="db.example.com", port=6543, user="ann", password="h:nter/2@%", dbname="shop")


@pytest.mark.parametrize("address", [SOCKET, REMOTE], ids=["socket", "remote"])
def test_both_kinds_of_url_lead_to_the_same_place(address):
    expected = {"host": address.host, "port": address.port, "user": address.user, "dbname": "a b"}
    if address.password:
        expected["password"] = address.password
    url = address.url("a b")
    assert url.drivername == "postgresql+psycopg"
    assert url.get_dialect()().create_connect_args(url)[1] == expected
    for host in "", "localhost":
        dsn = address.dsn("a b", host=host)
        assert conninfo_to_dict(dsn) == {name: str(value) for name, value in expected.items()}
        with_driver = make_url(address.dsn("a b", "postgresql+psycopg", host=host))
        found = with_driver.get_dialect()().create_connect_args(with_driver)[1]
        assert found | {"port": int(found["port"])} == expected


def test_a_socket_has_a_host_for_those_who_need_one_and_no_percent_sign():
    address = Address(host="/tmp/pg-0-0123456789ab", port=5432, user="postgres")
    assert address.dsn("shop") == "postgresql://postgres@/shop?host=/tmp/pg-0-0123456789ab&port=5432"
    assert address.dsn("shop", host="localhost").startswith(
        "postgresql://postgres@localhost:5432/shop?host=/tmp/pg"
    )


def test_without_sqlalchemy_a_url_is_a_text(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    url = SOCKET.url("shop")
    assert isinstance(url, str)
    assert conninfo_to_dict(url)["dbname"] == "shop"


@pytest.mark.parametrize("address", [SOCKET, REMOTE], ids=["socket", "remote"])
def test_the_name_of_the_database_is_found_in_either(address):
    assert database_name(address.url("a b")) == "a b"
    assert database_name(address.dsn("a b")) == "a b"


def test_libpqs_variables_are_away_meanwhile_and_others_are_not(monkeypatch):
    away = {
        "PGSERVICE": "prod",
        "PGHOSTADDR": "192.0.2.1",
        "PGCONNECT_TIMEOUT": "1",
        "PGOPTIONS": "-c jit=on",
    }
    stay = {"PG_DUMP_FOLDER": "dumps", "APGHOST": "x", "PGVECTOR_DIMENSIONS": "3"}
    for name, value in (away | stay).items():
        monkeypatch.setenv(name, value)
    with suppress(ZeroDivisionError), without_libpq_variables():
        assert not away.keys() & os.environ.keys()
        assert stay.items() <= os.environ.items()
        _ = 1 / 0
    assert (away | stay).items() <= os.environ.items()
