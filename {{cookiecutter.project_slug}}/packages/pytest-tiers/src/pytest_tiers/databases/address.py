"""Where a PostgreSQL server is, and how to get there whatever the shell says."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL

LIBPQ = re.compile(r"PG[A-Z]+(_TIMEOUT)?$")
"""The variables that libpq takes for what a connection doesn't say itself: https://www.postgresql.org/docs/current/libpq-envars.html."""


class ServerError(RuntimeError):
    """No server or no database can be had; the message says why and what to do."""


@dataclass(frozen=True)
class Address:
    """Where a server is: `host` is the folder of its socket, or a host name."""

    host: str
    port: int
    user: str
    password: str | None = None
    dbname: str = "postgres"

    def connect(self, dbname: str | None = None, **options: Any) -> "psycopg.Connection[Any]":
        """Open a connection to `dbname`, by default the maintenance database, in autocommit mode."""
        import psycopg

        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=dbname or self.dbname,
            autocommit=True,
            **options,
        )

    def url(self, dbname: str) -> "URL":
        """Return SQLAlchemy's URL of a database. The host, perhaps a folder, is a query parameter.

        Where SQLAlchemy isn't installed: a text that libpq takes.
        """
        if find_spec("sqlalchemy") is None:
            return cast("URL", self.dsn(dbname))
        from sqlalchemy import URL

        return URL.create(
            "postgresql+psycopg",
            username=self.user,
            password=self.password,
            port=self.port,
            database=dbname,
            query={"host": self.host},
        )

    def dsn(self, dbname: str, scheme: str = "postgresql", host: str = "") -> str:
        """Return the URL of a database as a text, without a percent sign where there need be none.

        `host` goes before the folder of a socket, for those who take no URL without one: libpq and SQLAlchemy pass over it.
        """
        user = quote(self.user, safe="")
        login = user if self.password is None else f"{user}:{quote(self.password, safe='')}"
        name = quote(dbname, safe="")
        if self.host.startswith("/"):
            return f"{scheme}://{login}@{host}{f':{self.port}' if host else ''}/{name}?host={quote(self.host)}&port={self.port}"
        return f"{scheme}://{login}@{self.host}:{self.port}/{name}"


def database_name(url: "URL | str") -> str:
    """Return the name of the database that `Address.url` gave the URL of."""
    if isinstance(url, str):
        from psycopg.conninfo import conninfo_to_dict

        return str(conninfo_to_dict(url)["dbname"])
    return str(url.database)


@contextmanager
def without_libpq_variables() -> Iterator[None]:
    """Keep PGSERVICE, PGOPTIONS and so on of the shell from connections, which libpq would add them to."""
    removed = {name: os.environ.pop(name) for name in list(os.environ) if LIBPQ.match(name)}
    try:
        yield
    finally:
        os.environ.update(removed)
