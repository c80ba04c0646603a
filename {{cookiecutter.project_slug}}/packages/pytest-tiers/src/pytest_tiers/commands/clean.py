"""Remove what runs of the tests have left: measured times, records, and the embedded PostgreSQL server with its databases."""

import shutil
from contextlib import suppress
from importlib.util import find_spec

from pytest_tiers.commands.running import CommandError, parser_of, suite
from pytest_tiers.config import Settings


def main(arguments: list[str]) -> int:
    """Remove it, and return the exit code."""
    parser_of("clean", __doc__).parse_args(arguments)
    settings = suite()
    if find_spec("psycopg") and find_spec("platformdirs"):
        _remove_server(settings)
    try:
        shutil.rmtree(settings.cache)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise CommandError(f"{settings.relative(settings.cache)} can't be removed: {error}", 1) from None
    print(f"Removed {settings.relative(settings.cache)}, with what was measured.")
    with suppress(OSError):  # others have something in it
        settings.cache.parent.rmdir()
    return 0


def _remove_server(settings: Settings) -> None:
    from pytest_tiers.databases import remove
    from pytest_tiers.databases.address import ServerError

    try:
        folder = remove(settings)
    except ServerError as error:
        raise CommandError(str(error), 1) from None
    print(f"Removed {folder}, with the embedded PostgreSQL and its databases.")
