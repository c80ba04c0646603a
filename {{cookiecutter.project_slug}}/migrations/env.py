"""What Alembic runs: on the connection it is given, else on the database of the settings."""

from typing import Any, Literal

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from {{ cookiecutter.package_name }}.database import Database
from {{ cookiecutter.package_name }}.doppler import DopplerError
from {{ cookiecutter.package_name }}.models import Base, UtcDateTime
from {{ cookiecutter.package_name }}.settings import SettingsError, load_settings


def render_item(kind: str, item: Any, _: object) -> str | Literal[False]:
    """Write the column type that is in the database; a migration mustn't change with the service's own classes."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def migrate(connection: Connection) -> None:
    """Run the migrations that were asked for in one transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata, render_item=render_item)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Find the database and migrate it, or print the SQL if Alembic was asked for that (`--sql`)."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    try:
        database = Database(load_settings().database_url.get_secret_value())
    except (SettingsError, DopplerError) as error:
        raise CommandError(str(error)) from None
    if context.is_offline_mode():
        context.configure(url=database.url, target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    with database.engine.connect() as connection:
        migrate(connection)


main()
