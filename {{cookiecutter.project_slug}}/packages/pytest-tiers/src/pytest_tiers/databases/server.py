"""Which PostgreSQL server a run uses: TEST_DATABASE_URL's, else that of pytest-postgresql's option --postgresql-host, else the
embedded one.
"""

import argparse
import os

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from pytest_tiers.databases.address import Address, ServerError
from pytest_tiers.databases.embedded import EmbeddedPostgres
from pytest_tiers.databases.programs import OLDEST

REMEDY = "Correct it, or unset it to use the embedded server"
SAID = frozenset({"host", "port", "user", "password", "dbname"})
"""What an address has of a URL."""


class Server:
    """The server of a run."""

    def __init__(self, options: argparse.Namespace, name: str) -> None:
        """Take the options of pytest and the project's name; looks for nothing yet."""
        self._options = options
        self._name = name
        self._embedded: EmbeddedPostgres | None = None
        self._environment = pytest.MonkeyPatch()

    def find(self) -> Address:
        """Return where it is, started if need be. Raises ServerError."""
        url = os.environ.get("TEST_DATABASE_URL")
        if url:
            address, variables = parsed(url)
            # By way of libpq's environment, so that it holds for every connection of this process.
            for name, value in variables.items():
                self._environment.setenv(name, value)
            return checked(address, "TEST_DATABASE_URL")
        given = self._options
        if getattr(given, "postgresql_host", None):
            address = Address(
                host=given.postgresql_host,
                port=int(given.postgresql_port or 5432),
                user=given.postgresql_user or "postgres",
                password=given.postgresql_password,
                dbname=given.postgresql_maintenance_dbname or "postgres",
            )
            return checked(address, "--postgresql-host")
        embedded = EmbeddedPostgres(self._name)
        address = embedded.acquire()
        self._embedded = embedded
        return address

    def release(self) -> None:
        """Let go of the server."""
        self._environment.undo()
        if self._embedded is not None:
            self._embedded.release()


def parsed(url: str) -> tuple[Address, dict[str, str]]:
    """Return the address in a URL; and the rest of it, such as sslmode, as variables for libpq. Raises ServerError."""
    # SQLAlchemy's form is taken as well: it is what people have in their DATABASE_URL.
    scheme, separator, rest = url.partition("://")
    try:
        given = conninfo_to_dict(scheme.partition("+")[0] + separator + rest)
        port = int(given.get("port") or 5432)
    except (psycopg.Error, ValueError):
        # Without the error's own message, which shows the password.
        raise ServerError(
            f"TEST_DATABASE_URL is not a URL of PostgreSQL: postgresql://user:password@host:port/postgres\n{REMEDY}"
        ) from None
    variables = {option.keyword.decode(): option.envvar for option in Conninfo.get_defaults()}
    address = Address(
        host=str(given.get("host", "localhost")),
        port=port,
        user=str(given.get("user", "postgres")),
        password=str(given["password"]) if "password" in given else None,
        dbname=str(given.get("dbname", "postgres")),
    )
    rest_of_it = {variables.get(name): str(value) for name, value in given.items() if name not in SAID}
    return address, {name.decode(): value for name, value in rest_of_it.items() if name}


def checked(address: Address, source: str) -> Address:
    """Return `address` if databases can be made there. Raises ServerError, which names `source`, within 5 s."""
    try:
        with address.connect(connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        raise ServerError(f"{source} can't be used: {str(error).strip()}\n{REMEDY}") from None
    if version < OLDEST:
        raise ServerError(f"{source} is PostgreSQL {version}, too old: use {OLDEST} or newer")
    if row != (True,):
        raise ServerError(f"{source}: user {address.user} may not create databases: ALTER ROLE … CREATEDB")
    return address


def described(url: str) -> str:
    """Return what the header of a run says of TEST_DATABASE_URL; without the password."""
    try:
        address, _ = parsed(url)
    except ServerError as error:
        return str(error)
    return (
        f"PostgreSQL: TEST_DATABASE_URL, {address.host}:{address.port};"
        f' the tests make databases of their own, what is in "{address.dbname}" is left alone'
    )
