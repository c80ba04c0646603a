"""Turns engines into ones that are rolled back, and back: their pool is replaced, and nothing else of them."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from pytest_tiers.databases.engines.layer_hooks import Layers, layers_of
from pytest_tiers.databases.engines.line import Line
from pytest_tiers.databases.engines.pool import LinePool

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pytest
    from sqlalchemy import URL, Engine, MetaData
    from sqlalchemy.pool import Pool

    from pytest_tiers.databases.engines.clones import Clones
    from pytest_tiers.databases.engines.drivers import Driver


@contextmanager
def rolled_back_engine(
    engine: "Engine", config: "pytest.Config", metadata: "MetaData | None" = None
) -> "Iterator[Engine]":
    """Make an engine one whose commits are savepoints, for as long as the block lasts.

    On PostgreSQL, `engine` has the URL of the worker's database. On SQLite it gets a database in memory with the tables of
    `metadata`. All that is checked out of it is one connection, and all that is done on it is taken back: with the test, or
    with the module, class or run whose fixture did it.

    Raises ServerError where the database can't be had.
    """
    layers = layers_of(config)
    if getattr(config.option, "on_postgresql", False) and engine.dialect.name == "sqlite":
        from sqlalchemy import create_engine

        engine = create_engine(worker_database(config))
    if getattr(config.option, "on_clones", False) and engine.dialect.name != "sqlite":
        with really_committing(engine, layers, config):
            yield engine
        return
    line = line_of(engine, layers, config, metadata)
    with adopted(engine, line), _as_postgresql(engine, line):
        try:
            yield engine
        finally:
            if line in layers.lines:
                layers.lines.remove(line)
                layers.line = {kind: one for kind, one in layers.line.items() if one is not line}
            line.close()


@contextmanager
def adopted(engine: "Engine", line: Line) -> Iterator[None]:
    """Have an engine hand out checkouts of a line meanwhile."""
    pool = engine.pool
    engine.pool = LinePool(line, engine.dialect, pool)
    try:
        yield
    finally:
        engine.pool.dispose()
        engine.pool = pool


@contextmanager
def really_committing(engine: "Engine", layers: Layers, config: "pytest.Config") -> Iterator[None]:
    """Have an engine work on a database of each test's own meanwhile, with real commits."""
    from pytest_tiers.databases.engines.clones import ClonePool

    pool = engine.pool
    engine.pool = ClonePool(clones_of(layers, config), engine.dialect, pool)
    try:
        yield
    finally:
        engine.pool = pool


def clones_of(layers: Layers, config: "pytest.Config") -> "Clones":
    """Return the databases of the scopes of a run."""
    from pytest_tiers.databases.engines.clones import Clones
    from pytest_tiers.databases.preparation import prepared, reported

    if layers.clones is None:
        with reported():
            layers.clones = Clones(prepared(config).databases, layers.scopes)
        layers.lines.append(layers.clones)
    return layers.clones


def worker_database(config: "pytest.Config") -> "URL":
    """Return the URL of the worker's database. Fails the test where there is none."""
    from pytest_tiers.databases.preparation import prepared, reported

    with reported():
        return prepared(config).worker_database


def _as_postgresql(engine: "Engine", line: Line) -> "AbstractContextManager[None]":
    """On SQLite, have refused what it would leave out without a word."""
    if engine.dialect.name != "sqlite":
        return nullcontext()
    from pytest_tiers.databases.engines.memory import refusing

    return refusing(engine, line.left_out)


def line_of(engine: "Engine", layers: Layers, config: "pytest.Config", metadata: "MetaData | None") -> Line:
    """Return the line of an engine's kind of database, made if there is none yet."""
    kind = engine.dialect.name
    if kind not in layers.line:
        if kind == "sqlite":
            from pytest_tiers.databases.engines.memory import Memory

            memory = Memory(metadata)
            line = Line(memory.connect, layers.scopes)
            line.left_out = memory.left_out
        else:
            line = Line(_Worker(engine, engine.pool, config).connect, layers.scopes)
        layers.line[kind] = line
        layers.lines.append(line)
    return layers.line[kind]


class _Worker:
    """The worker's database: opened once, closed to everybody else, and made anew if the connection is lost.

    An engine that has its URL opens it, with whatever it was given besides; else it is opened as it is.
    """

    def __init__(self, engine: "Engine", pool: "Pool", config: "pytest.Config") -> None:
        self.url = engine.url
        self._engine = engine
        self._pool = pool
        self._config = config
        self._raw: Any = None
        self._opened = False

    def connect(self) -> "Driver":
        from pytest_tiers.databases.engines import connects
        from pytest_tiers.databases.engines.drivers import PsycopgDriver
        from pytest_tiers.databases.preparation import prepared, reported

        connects.watch()
        with reported():
            databases = prepared(self._config).databases
            self.url = prepared(self._config).worker_database
            # What they need of an engine is its URL, and that it can be connected.
            (databases.replace if self._opened else databases.close_behind)(
                cast("Engine", self._Opening(self))
            )
        self._opened = True
        return PsycopgDriver(self._raw)

    def _open(self) -> Any:
        from pytest_tiers.databases.preparation import prepared

        if self._engine.url.set(drivername="postgresql+psycopg") != self.url:
            return prepared(self._config).address.result().connect(str(self.url.database))
        fairy = self._pool.connect()
        raw: Any = fairy.driver_connection
        fairy.detach()
        raw.rollback()
        raw.autocommit = True
        return raw

    class _Opening:
        def __init__(self, worker: "_Worker") -> None:
            self._worker = worker
            self.url = worker.url

        def connect(self) -> "AbstractContextManager[None]":
            self._worker._raw = self._worker._open()
            return nullcontext()
