"""Databases for the tests: migrated once into a template database, then cloned for whoever needs one.

The template's name is a digest of all that shapes it. While that doesn't change, neither the other workers nor the next run
migrate again; a clone takes some 20 ms, whatever the number of migrations.

A process owns its databases by an advisory lock. That tells those of a killed run, which the next run drops, from those of
a run beside this one, also if that one is on another host.
"""

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from os import urandom  # the real one, also where a test has `seeded_random`
from threading import Lock
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from pytest_tiers.config import Settings
from pytest_tiers.databases.address import Address, ServerError, database_name
from pytest_tiers.databases.digest import template_digest
from pytest_tiers.databases.migrating import migrate
from pytest_tiers.guards import unwatch

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

KEPT_TEMPLATES = 5
"""How many template databases are kept: one for each branch that somebody goes back and forth between."""

# A test that relies on an id fails at once, and not when another one has used up that id: sequences aren't rolled back.
RANDOM_STARTS = """
    SELECT setval(
        (quote_ident(schemaname) || '.' || quote_ident(sequencename))::regclass,
        10000 + floor(random() * 20000)::bigint
    )
    FROM pg_sequences
    WHERE increment_by > 0 AND max_value > 30000 AND coalesce(last_value, 0) < 10000
"""
# What CREATE DATABASE doesn't copy: ALTER DATABASE … SET, ALTER ROLE … IN DATABASE … SET, and privileges. `<clone>` stands
# for its name. FROM CURRENT takes a value as it is; written as text, that of search_path would become one name.
NOT_CLONED = """
    WITH template AS (SELECT oid, datacl FROM pg_database WHERE datname = %s)
    SELECT string_agg(statement, '; ' ORDER BY rank) FROM (
        SELECT 1 AS rank, format(
            'SELECT set_config(%%1$L, %%2$L, true); ALTER %%3$s SET %%1$I FROM CURRENT',
            split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1),
            CASE setrole WHEN 0 THEN 'DATABASE <clone>'
            ELSE format('ROLE %%s IN DATABASE <clone>', setrole::regrole) END
        ) AS statement
        FROM template JOIN pg_db_role_setting ON setdatabase = oid, unnest(setconfig) AS setting
        UNION ALL
        SELECT 2, 'REVOKE ALL ON DATABASE <clone> FROM PUBLIC' FROM template WHERE datacl IS NOT NULL
        UNION ALL
        SELECT 3, format(
            'GRANT %%s ON DATABASE <clone> TO %%s%%s', privilege_type,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END
        )
        FROM template, aclexplode(datacl)
    ) AS statements
"""


class Databases:
    """Makes and drops this process's databases on the server. All its methods raise ServerError."""

    def __init__(self, server: Address, settings: Settings) -> None:
        """Connect, and drop what killed runs left behind."""
        self.server = server
        self._settings = settings
        self._prefix = _prefix(server, settings.name)
        self._own = self._prefix + urandom(6).hex()
        self._numbers = count(1)
        with _connecting():
            self._admin = server.connect(connect_timeout=5, prepare_threshold=None)
        # Copying files beats writing them to the log, but only where the copies needn't be flushed to the disk.
        self._strategy = "FILE_COPY" if self._value("SHOW fsync") == "off" else "WAL_LOG"
        self._dropper = ThreadPoolExecutor(1, "pytest_tiers.dropper", unwatch)
        self._lock(self._own)
        self._template = (
            f"{self._prefix}template_{template_digest(settings, self._admin.info.server_version)}"
        )
        # Shared by all who use it, so that nobody reaps it meanwhile.
        self._value("SELECT pg_advisory_lock_shared(hashtext(%s))", self._template)
        self._building = Lock()
        self._outcome: str | ServerError | None = None
        self._reap()

    @property
    def template(self) -> str:
        """The name of the migrated database, built first if what shapes it has changed.

        Of several processes one builds, under a temporary name; the others wait for its lock. What failed isn't tried again.
        """
        with self._building:
            if self._outcome is None:
                try:
                    self._outcome = self._found_or_built(self._template)
                except ServerError as error:
                    self._outcome = error
            if isinstance(self._outcome, ServerError):
                raise self._outcome
            return self._outcome

    @cached_property
    def _not_cloned(self) -> str:
        return str(self._value(NOT_CLONED, self._template) or "")

    def reserve(self) -> str:
        """Return a name that nobody has."""
        return f"{self._own}_{next(self._numbers)}"

    def clone(self, name: str | None = None) -> "URL":
        """Make a database that is equal to the template, called `name` or something new, and return its URL.

        Where SQLAlchemy isn't installed the URL is a text.
        """
        name = name or self.reserve()
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY " + self._strategy, name, self.template)
        if self._not_cloned:
            self._execute(sql.SQL(self._not_cloned.replace("<clone>", sql.Identifier(name).as_string())))
        return self.server.url(name)

    def clone_of(self, name: str) -> "URL":
        """Make a database that is equal to another one of this run, and return its URL. Who is connected to that is sent away."""
        clone = self.reserve()
        self._value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s", name)
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY " + self._strategy, clone, name)
        if self._not_cloned:
            self._execute(sql.SQL(self._not_cloned.replace("<clone>", sql.Identifier(clone).as_string())))
        return self.server.url(clone)

    def drop(self, url: "URL | str") -> None:
        """Drop a database, and whatever is still connected to it, while the next test runs already."""
        self._dropper.submit(self._drop_behind, database_name(url))

    def close_behind(self, engine: "Engine") -> None:
        """Connect `engine`, then close its database to everybody else.

        What a second connection does couldn't be rolled back. Whoever opens one, with whatever library, is refused
        by the server, in the test that does it.
        """
        with _connecting(), engine.connect():
            self._run("ALTER DATABASE {} ALLOW_CONNECTIONS false", str(engine.url.database))

    def replace(self, engine: "Engine") -> None:
        """Make the database that `close_behind` closed anew."""
        name = str(engine.url.database)
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self.clone(name)
        self.close_behind(engine)

    def close(self) -> None:
        """Close the connections, and with them all locks."""
        self._dropper.submit(lambda: self._drops.close())  # behind the last drop, which may have failed
        self._dropper.shutdown()
        self._admin.close()

    def _found_or_built(self, name: str) -> str:
        if not self._exists(name):
            temporary = f"{name}_new"
            self._lock(temporary)
            try:
                if not self._exists(name):
                    self._build(name, temporary)
            finally:
                self._unlock(temporary)
        return name

    def _build(self, name: str, temporary: str) -> None:
        # It may be there: left by a process that was killed while it built.
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", temporary)
        self._run("CREATE DATABASE {}", temporary)
        try:
            migrate(self._settings, self.server, temporary)
            with _connecting(), self.server.connect(temporary) as connection:
                connection.execute(RANDOM_STARTS)
            # Closed before it has its final name: a single connection to it would make every clone fail.
            self._run("ALTER DATABASE {} ALLOW_CONNECTIONS false", temporary)
            # The last ones may still be about to end.
            self._value(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s", temporary
            )
            self._run("ALTER DATABASE {} RENAME TO {}", temporary, name)
        except BaseException:
            self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", temporary)
            raise

    @cached_property
    def _drops(self) -> "psycopg.Connection[Any]":
        return self.server.connect()

    def _drop_behind(self, name: str) -> None:
        self._drops.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _reap(self) -> None:
        """Drop the databases of killed runs, and the oldest templates."""
        names = self._admin.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND pg_has_role(datdba, 'USAGE')"
            " ORDER BY oid DESC",
            [self._prefix],
        ).fetchall()
        # Others may have a longer name that begins with ours.
        kinds = re.compile(
            re.escape(self._prefix)
            + r"(?:(?P<template>template_[0-9a-f]+(?P<new>_new)?)|(?P<own>[0-9a-f]{12})_.*)"
        )
        ours = [found for (name,) in names if (found := kinds.fullmatch(name))]
        sealed = [found[0] for found in ours if found["template"] and not found["new"]]
        for found in ours:
            if found[0] in (*sealed[:KEPT_TEMPLATES], self._template):
                continue
            lock = self._prefix + (found["template"] or found["own"])
            if self._value("SELECT pg_try_advisory_lock(hashtext(%s))", lock):
                self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", found[0])
                self._unlock(lock)

    def _exists(self, name: str) -> bool:
        return self._value("SELECT true FROM pg_database WHERE datname = %s", name) is True

    def _lock(self, name: str) -> None:
        self._value("SELECT pg_advisory_lock(hashtext(%s))", name)

    def _unlock(self, name: str) -> None:
        self._value("SELECT pg_advisory_unlock(hashtext(%s))", name)

    def _run(self, statement: str, *names: str) -> None:
        """Run a statement that takes names of databases."""
        self._execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _value(self, query: str, *parameters: str) -> Any:
        row = self._execute(sql.SQL(query), parameters or None).fetchone()
        return row[0] if row else None

    def _execute(self, query: sql.SQL | sql.Composed, parameters: Any = None) -> psycopg.Cursor[Any]:
        try:
            return self._admin.execute(query, parameters)
        except psycopg.Error as error:
            hint = ""
            if isinstance(error, psycopg.errors.DiskFull):
                hint = "\nFree some space; `tiers clean` removes the embedded server's databases"
            elif self._admin.closed:
                hint = "\nThe PostgreSQL server was stopped, or closed the connection, in the middle of the run: run again"
            raise ServerError(str(error).strip() + hint) from None


def _prefix(server: Address, project: str) -> str:
    """Return how the names of all databases of a project begin that are made by way of the same maintenance database."""
    # Advisory locks are per database: who comes in by another one must not take ours for abandoned.
    entrance = "" if server.dbname == "postgres" else hashlib.sha256(server.dbname.encode()).hexdigest()[:6]
    # A database's name has 63 bytes.
    return f"{re.sub('[^A-Za-z0-9]', '_', project)[:24]}_tests{entrance}_"


@contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        cause = getattr(error, "orig", error)  # SQLAlchemy wraps the driver's own
        if not isinstance(cause, psycopg.OperationalError):
            raise
        raise ServerError(
            f"No connection to PostgreSQL: {cause}\n"
            "If there are too many (each worker takes up to three), use fewer workers (-n) or raise max_connections"
        ) from None
