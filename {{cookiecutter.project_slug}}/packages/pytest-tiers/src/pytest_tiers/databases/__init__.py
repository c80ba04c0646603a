"""Databases that each test finds as if it were alone: PostgreSQL migrated once and cloned, SQLite in memory, both rolled back.

Promises that no test sees what another one wrote, whatever it commits, in any order and in any number of workers; and that what
couldn't be taken back fails the test that did it, by name. Costs 1.2 ms for a test that is rolled back, some 20 ms for a database
of its own; 1 s for the first run on a machine, 0.1 s for the later ones. Doesn't undo what belongs to the server and not to a
database: roles, ALTER SYSTEM. A run that needs no PostgreSQL imports and starts none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pytest_tiers.config import Settings
    from pytest_tiers.databases.address import Address

PYTEST_POSTGRESQL = "pytest_postgresql.plugin"


def plugins(config: "pytest.Config") -> dict[str, object]:
    """Return what a run registers of this room, by name; the server is being started from now on, if it is needed."""
    from pytest_tiers.config import settings_of
    from pytest_tiers.databases import fixtures, preparation
    from pytest_tiers.tiers import tiers_of

    found: dict[str, object] = {"tiers-postgres": fixtures}
    if find_spec("sqlalchemy"):
        from pytest_tiers.databases import session
        from pytest_tiers.databases.engines.layer_hooks import Layers
        from pytest_tiers.databases.remedies import RollbackRemedies

        found["tiers-remedies"] = RollbackRemedies()
        found["tiers-layers"] = Layers(config)
        if settings_of(config).engines:
            from pytest_tiers.databases.engines.adoption import Adoption

            found["tiers-adoption"] = Adoption(config)
        if not any(hasattr(plugin, "db_session") for plugin in config.pluginmanager.get_plugins()):
            found["tiers-session"] = session
    early = tiers_of(config).configured and not preparation.missing() and needs_database(config)
    if early:
        _load_pytest_postgresql(config)
        from pytest_tiers.databases import postgresql_fixtures

        found["tiers-postgresql"] = postgresql_fixtures
    return found | {"tiers-preparer": preparation.Preparer(config, early=early)}


def need_database(config: "pytest.Config") -> None:
    """Have a run prepare PostgreSQL, whatever its paths are: for hooks of others, up to `pytest_configure`."""
    from pytest_tiers.databases.preparation import WANTED

    config.stash[WANTED] = True


def needs_database(config: "pytest.Config") -> bool:
    """Tell whether the paths of a run include a tier with a database, or something wants one all the same."""
    from pytest_tiers.config import settings_of
    from pytest_tiers.databases.preparation import WANTED
    from pytest_tiers.tiers import tiers_of

    options = config.known_args_namespace
    if WANTED in config.stash or getattr(options, "on_postgresql", False):  # `tiers parity` passes that
        return True
    here = config.invocation_params.dir
    given = [(here / path.partition("::")[0]).resolve() for path in options.file_or_dir]
    settings = settings_of(config)
    return tiers_of(config).databases_in(given or (settings.tests if here == settings.root else [here]))


def _load_pytest_postgresql(config: "pytest.Config") -> None:
    """Load it while it can still add its options, unless pytest has done so by itself, under another name."""
    plugins = config.pluginmanager.get_plugins()
    if not any(getattr(plugin, "__name__", "") == PYTEST_POSTGRESQL for plugin in plugins):
        config.pluginmanager.import_plugin(PYTEST_POSTGRESQL)


@contextmanager
def embedded_server(settings: "Settings") -> Iterator["Address"]:
    """Give the address of the project's embedded server, for a service that is to run on it. Raises ServerError.

    Meanwhile variables of libpq, such as PGSERVICE, are not in the environment.
    """
    from pytest_tiers.databases.address import without_libpq_variables
    from pytest_tiers.databases.embedded import EmbeddedPostgres

    with without_libpq_variables(), EmbeddedPostgres(settings.name) as address:
        yield address


def remove(settings: "Settings") -> "Path":
    """Stop the project's embedded server, delete its data, and return where that was.

    Raises ServerError if somebody is using it.
    """
    from pytest_tiers.databases.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(settings.name)
    server.remove()
    return server.folder
