# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Serve the application on a machine where nothing is configured: `nox -s serve`, or `uv run python -m tools.serve`.

Without DATABASE_URL it runs on the embedded PostgreSQL, migrated; what is stored there lasts until the machine restarts.
Without REDIS_URL it runs on fakeredis, which forgets when the service stops. With DOPPLER_TOKEN both come from there.
"""

import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from psycopg import sql

from {{ cookiecutter.package_name }}.__main__ import main as serve

from tools.embedded_postgres import EmbeddedPostgres, ServerError, project_name

ROOT = Path(__file__).parents[1]


def provide_database(stack: ExitStack) -> None:
    """Put a migrated database of the embedded server into DATABASE_URL; the server is let go of with `stack`."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    server = stack.enter_context(EmbeddedPostgres())
    name = f"{project_name()}-development"
    with server.connect() as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    os.environ["DATABASE_URL"] = f"postgresql://{server.user}@/{name}?host={server.host}"
    try:
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
    except CommandError as error:
        # Of another branch, most likely.
        sys.exit(
            f"The development database can't be migrated: {error}\nStart with an empty one: nox -s clean"
        )
    print(f"export DATABASE_URL='{os.environ['DATABASE_URL']}'  # embedded, until the machine restarts")


def provide_redis(stack: ExitStack) -> None:
    """Put a fake Redis that listens on a free port into REDIS_URL."""
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{server.server_address[1]}/0"
    print(f"export REDIS_URL='{os.environ['REDIS_URL']}'  # fake, until the service stops")


def main() -> None:
    """Serve until interrupted."""
    # uvicorn raises the signal again when it is done; by default that would end the process before the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        configured = "DOPPLER_TOKEN" in os.environ
        try:
            if not configured and "DATABASE_URL" not in os.environ:
                provide_database(stack)
        except ServerError as error:
            sys.exit(f"{error}; or set DATABASE_URL")
        if not configured and "REDIS_URL" not in os.environ:
            provide_redis(stack)
        sys.stdout.flush()  # before the first line of the log
        serve()


if __name__ == "__main__":
    main()
