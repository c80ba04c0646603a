"""An engine that exists already is led to another database: for an application that makes its engine as it is imported."""

from typing import TYPE_CHECKING, Any

from pytest_tiers.databases.address import ServerError

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

NOT_ASKED = (
    "The engine on {before} can't be led to another database: it was made with creator=, async_creator= or a pool of its own,"
    " which connect as they like.\nGive the test database's URL, from `worker_database`, to whatever makes its connections."
)


def redirect(engine: "Engine | AsyncEngine", url: "URL") -> None:
    """Let `engine` connect to the database of `url` from now on, whoever has imported it, with the driver that it has.

    `url` is what `worker_database`, `committed_db` or `databases.clone()` gave. Of the engine's own options all hold but for
    those that its old URL had. Idle connections to the old database are closed; those in use are the caller's business.

    Raises ServerError for an engine that doesn't say where it connects.
    """
    from sqlalchemy import Engine, event

    sync = engine if isinstance(engine, Engine) else engine.sync_engine
    before, url = sync.url, url.set(drivername=sync.url.drivername)
    old = sync.dialect.create_connect_args(before)[1]
    positional, named = sync.dialect.create_connect_args(url)

    def lead(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> None:
        for name in old.keys() & options.keys():
            del options[name]
        arguments[:] = positional
        options.update(named)

    event.listen(sync, "do_connect", lead)
    sync.dispose(close=sync is engine)  # an async driver's connections can't be closed from here
    sync.url = url
    if sync is engine:
        with sync.connect() as connection:
            found = connection.exec_driver_sql("SELECT current_database()").scalar()
        if found != url.database:
            raise ServerError(NOT_ASKED.format(before=before.render_as_string()))
