"""Run a command, such as the application itself, on a machine where nothing is configured.

Without DATABASE_URL it gets one of the embedded PostgreSQL, migrated; what is stored there lasts until the machine restarts.
Without REDIS_URL it gets one of fakeredis, which forgets when the command ends. With DOPPLER_TOKEN both come from there.
Signals are passed on, and the exit code is the command's.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from types import FrameType

from pytest_tiers.commands.running import CommandError, parser_of, suite
from pytest_tiers.config import Settings

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
NOT_FOUND = 127
"""What a shell says of a command that isn't there."""


def provide_database(settings: Settings, stack: ExitStack) -> str:
    """Return the URL of a migrated database of the embedded server, which is let go of with `stack`.

    Raises CommandError.
    """
    from psycopg import sql

    from pytest_tiers.databases import embedded_server
    from pytest_tiers.databases.address import ServerError
    from pytest_tiers.databases.migrating import migrate

    name = f"{settings.name}-development"
    try:
        server = stack.enter_context(embedded_server(settings))
        with server.connect() as connection:
            exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
            if exists is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except ServerError as error:
        raise CommandError(f"{error}; or set DATABASE_URL") from None
    # Of migrations by a function nobody knows whether they may run twice; the seed is the tests'.
    again = settings.migrations in ("alembic", "metadata") or exists is None
    try:
        migrate(replace(settings, seed=None, migrations=settings.migrations if again else None), server, name)
    except ServerError as error:
        if exists is None:
            with server.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
        # Of another branch, most likely.
        raise CommandError(
            f"The development database can't be migrated: {error}\nStart with an empty one: tiers clean"
        ) from None
    return server.dsn(name)


def provide_redis(stack: ExitStack) -> str:
    """Return the URL of a fake Redis that listens on a free port until `stack` ends."""
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"redis://127.0.0.1:{server.server_address[1]}/0"


def environment_for(settings: Settings, stack: ExitStack) -> dict[str, str]:
    """Return the command's environment, and say what was added to it. Raises CommandError."""
    environment = dict(os.environ)
    if "DOPPLER_TOKEN" in environment:
        return environment
    if "DATABASE_URL" not in environment and find_spec("psycopg"):
        from pytest_tiers.databases.address import LIBPQ

        # PGSERVICE, PGOPTIONS and so on would lead libpq elsewhere.
        environment = {name: value for name, value in environment.items() if not LIBPQ.match(name)}
        environment["DATABASE_URL"] = url = provide_database(settings, stack)
        print(f"export DATABASE_URL='{url}'  # embedded, until the machine restarts")
    if "REDIS_URL" not in environment and find_spec("fakeredis"):
        environment["REDIS_URL"] = url = provide_redis(stack)
        print(f"export REDIS_URL='{url}'  # fake, until the command ends")
    return environment


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command, pass signals on to it, and return its exit code. Raises CommandError if there is no such command."""
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and _in_foreground():
            return  # Ctrl-C: the terminal sends it to the command as well, for which a second one may mean "at once"
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - it is what the user typed
        for number in early:
            process.send_signal(number)
        status = process.wait()
    except OSError as error:
        raise CommandError(f"{command[0]} can't be run: {error.strerror}", NOT_FOUND) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    """Tell whether a terminal sends its signals to this process and its children."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def main(arguments: list[str]) -> int:
    """Provide what isn't configured, run the command, and return its exit code."""
    parser = parser_of("serve", __doc__)
    parser.usage = "tiers serve [-h] [--] COMMAND [ARGUMENTS]"
    own = [argument for argument in arguments[:1] if argument.startswith("-") and argument != "--"]
    parser.parse_args(own)
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        parser.error("which command?")
    settings = suite()
    # By default it would end this process before the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with ExitStack() as stack:
        environment = environment_for(settings, stack)
        sys.stdout.flush()  # before the first line of the command
        return run(command, environment)
