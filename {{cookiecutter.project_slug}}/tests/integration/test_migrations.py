"""Models and migrations agree, and each migration can be taken back. `nox -s migrations` runs this file."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateSchema

from {{ cookiecutter.package_name }}.models import Base

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def connection(db_session: Session) -> Connection:
    """The connection of `db_session`: in PostgreSQL tables come and go with the transaction, too."""
    return db_session.connection()


def config(connection: Connection) -> Config:
    """Return Alembic's configuration, with a connection for `migrations/env.py`."""
    return Config(toml_file=PYPROJECT, attributes={"connection": connection})


def run(action: Callable[[Config, str], None], connection: Connection, revision: str) -> None:
    """Upgrade or downgrade. Alembic doesn't commit, since the transaction isn't its own."""
    action(config(connection), revision)


def before(script: Script) -> str:
    """Return how Alembic is told to take back this revision and no other, also where two branches were merged."""
    parents = script.down_revision
    # A merge adds nothing: going to one of its parents leaves the other where it is.
    return f"{script.revision}@-1" if isinstance(parents, str | None) else parents[0]


def tables(connection: Connection) -> dict[str, Any]:
    """Return all that the inspector tells of the tables, in a form that can be compared."""
    inspector = inspect(connection)
    names = [name for name in inspector.get_table_names() if name != "alembic_version"]
    kinds = ["columns", "pk_constraint", "unique_constraints", "foreign_keys", "check_constraints", "indexes"]

    def parts(kind: str, name: str) -> list[str]:
        found = getattr(inspector, f"get_{kind}")(name)
        # Sorted: a column that is dropped and put back comes last.
        return sorted(map(repr, found if isinstance(found, list) else [found]))

    return {name: {kind: parts(kind, name) for kind in kinds} for name in names}


def test_the_revisions_are_one_line(connection: Connection) -> None:
    """Two heads come from two branches that were merged: `alembic merge heads` joins them."""
    scripts = ScriptDirectory.from_config(config(connection))

    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_the_tests_run_on_the_latest_revision(connection: Connection) -> None:
    scripts = ScriptDirectory.from_config(config(connection))

    assert MigrationContext.configure(connection).get_current_revision() == scripts.get_current_head()


def test_models_and_migrations_have_the_same_tables(connection: Connection) -> None:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )

    assert compare_metadata(context, Base.metadata) == []


def test_models_and_migrations_have_the_same_check_constraints(connection: Connection) -> None:
    """Alembic doesn't compare them."""
    connection.execute(CreateSchema("models"))
    Base.metadata.create_all(connection.execution_options(schema_translate_map={None: "models"}))
    query = text(
        """
        SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid)
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE contype = 'c' AND pg_constraint.connamespace = CAST(:schema AS regnamespace)
        ORDER BY relname, conname
        """
    )

    migrated = connection.execute(query, {"schema": "public"}).all()

    assert migrated == connection.execute(query, {"schema": "models"}).all()


def test_each_migration_can_be_taken_back(connection: Connection) -> None:
    scripts = ScriptDirectory.from_config(config(connection))
    run(command.downgrade, connection, "base")
    assert tables(connection) == {}

    for script in reversed(list(scripts.walk_revisions())):
        old = tables(connection)
        run(command.upgrade, connection, script.revision)
        new = tables(connection)

        run(command.downgrade, connection, before(script))
        assert tables(connection) == old, f"downgrade() of {script.revision} doesn't undo its upgrade()"

        run(command.upgrade, connection, script.revision)
        assert tables(connection) == new


def test_what_migrations_do_in_a_test_ends_with_it(connection: Connection) -> None:
    """In either order with the test above, which drops all tables."""
    assert set(tables(connection)) == {table.name for table in Base.metadata.sorted_tables}

    run(command.downgrade, connection, "base")


def test_the_sql_can_be_printed_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@database.invalid/none")
    output = io.StringIO()

    command.upgrade(Config(toml_file=PYPROJECT, output_buffer=output), "head", sql=True)

    for script in ScriptDirectory.from_config(Config(toml_file=PYPROJECT)).walk_revisions():
        assert f"-> {script.revision}\n" in output.getvalue()
