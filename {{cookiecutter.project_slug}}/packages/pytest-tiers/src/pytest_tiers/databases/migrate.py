"""The program that migrates: `migrating` runs it, in a process of its own, and tells it on its standard input what to do.

Its answer, one line of JSON on its standard output, is empty if all went well.
"""

import inspect
import json
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DRIVERS = frozenset({"psycopg", "psycopg2", "asyncpg"})
"""Those that find a socket by its folder."""
TABLES = """
    SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""


class StepError(Exception):
    """A step ended without an error of its own, and isn't right all the same."""


class Program:
    """Makes the tables of one database, and fills them."""

    def __init__(self, told: dict[str, Any]) -> None:
        """Take what `migrating` says."""
        self._told = told
        self._step = ""
        self._elsewhere: list[str] = []
        """URLs of other databases that something connected to."""

    def run(self) -> dict[str, str]:
        """Do it all, and return what failed: `step`, `where` and `cause`; nothing if nothing did."""
        told = self._told
        steps: list[tuple[str, Callable[[Any], None]]] = []
        if told["migrations"] == "alembic":
            steps.append(("alembic", self._upgrade))
        elif told["migrations"] == "metadata":
            steps.append(("metadata", self._create_tables))
        elif told["migrations"]:
            steps.append(("function", lambda connection: self._call(told["migrations"], connection)))
        if told["seed"]:
            steps.append(("seed", lambda connection: self._call(told["seed"], connection)))
        try:
            self._step = steps[0][0]
            with self._connection() as connection:
                for self._step, step in steps:
                    step(connection)
                    connection.commit()
        except BaseException as error:  # also where env.py calls sys.exit()
            return {"step": self._step, "where": self._where(error), "cause": _cause(error)}
        return {}

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """Connect: SQLAlchemy's connection, or psycopg's where there is no SQLAlchemy."""
        told = self._told
        if find_spec("sqlalchemy") is None:
            import psycopg

            address = {name: told[name] for name in ("host", "port", "user", "password", "dbname")}
            with psycopg.connect(**address) as connection:
                yield connection
            return
        import sqlalchemy

        self._lead_here()
        engine = sqlalchemy.create_engine(self._url("postgresql+psycopg"), poolclass=sqlalchemy.NullPool)
        with engine.connect() as connected:
            yield connected

    def _url(self, scheme: str) -> Any:
        from sqlalchemy import URL

        told = self._told
        where = {"username": told["user"], "password": told["password"], "port": told["port"]}
        return URL.create(scheme, **where, database=told["dbname"], query={"host": told["host"]})

    def _lead_here(self) -> None:
        """Have every engine on PostgreSQL, however it is made, lead to the database that is to be migrated.

        An env.py often takes its URL from the application's settings; neither it nor they have to know of this.
        """
        from sqlalchemy.engine import url as urls

        make_url = urls.make_url

        def lead(given: Any, **options: Any) -> Any:
            url = make_url(given, **options)
            if url.get_backend_name() != "postgresql":
                self._elsewhere.append(url.render_as_string())
                return url
            return self._url(_usable(url))

        # What each function that makes an engine, sync or async, asks about its URL first.
        vars(urls)["make_url"] = lead

    def _upgrade(self, connection: Any) -> None:
        """Run all migrations, as `alembic upgrade heads` would in the folder of its configuration."""
        _import_alembic()
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        file = Path(self._told["alembic"])
        os.chdir(file.parent)
        ini = file.with_name("alembic.ini") if file.suffix == ".toml" else file
        files: dict[str, Any] = {"toml_file": file} if file.suffix == ".toml" else {}
        if ini.exists():
            files["file_"] = str(ini)
        config = Config(**files, attributes={"connection": connection})
        section = config.config_ini_section
        written = config.file_config.get(section, "sqlalchemy.url", raw=True, fallback="")
        scheme = re.match(r"postgresql(\+\w+)?(?=://)", written)
        url = self._url(scheme[0] if scheme else "postgresql+psycopg")
        config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))

        command.upgrade(config, "heads")

        connection.commit()
        if (
            ScriptDirectory.from_config(config).get_heads()
            and not connection.exec_driver_sql(TABLES).scalar()
        ):
            elsewhere = f": it connected to {', '.join(self._elsewhere)}" if self._elsewhere else ""
            raise StepError(f"its upgrade didn't reach the test database{elsewhere}")
        os.chdir(self._told["root"])

    def _create_tables(self, connection: Any) -> None:
        from sqlalchemy.schema import CreateSchema

        metadata = _named(self._told["metadata"])
        if not metadata.tables:
            raise StepError("it has no tables: name the module that imports all that define some")
        for schema in sorted({table.schema for table in metadata.tables.values() if table.schema}):
            connection.execute(CreateSchema(schema, if_not_exists=True))
        metadata.create_all(connection)

    def _call(self, place: str, connection: Any) -> None:
        result = _named(place)(connection)
        if inspect.iscoroutine(result):
            result.close()
            raise StepError("it is async: it has to be a plain function, which takes a connection")

    def _where(self, error: BaseException) -> str:
        """Return in which file and line of the project it failed: of the migrations, and what these called."""
        root = Path(self._told["root"]).resolve()
        folders = [Path(folder) for folder in self._told["folders"]]
        # Of the interpreter's own and generated code there is no file, whose name would be taken for one here.
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")
        ]
        places = [(Path(frame.filename).resolve(), frame.lineno) for frame in frames]
        ours = [
            place
            for place in places
            if place[0].is_relative_to(root) and "site-packages" not in place[0].parts
        ]
        theirs = [place for place in ours if any(place[0].is_relative_to(folder) for folder in folders)]
        shown = [f"{path.relative_to(root)}, line {line}" for path, line in (*theirs[-1:], *ours[-1:])]
        if not shown:
            named = {"alembic": "Alembic", "seed": self._told["seed"], "metadata": self._told["metadata"]}
            return str(named.get(self._step, self._told["migrations"]))
        return shown[0] if len(set(shown)) == 1 else f"{shown[0]} ({shown[1]})"


def _usable(url: Any) -> str:
    """Return the driver name of a URL; psycopg's where that driver isn't installed, or knows no sockets in folders."""
    from sqlalchemy.exc import NoSuchModuleError

    try:
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except (ImportError, NoSuchModuleError):
        return "postgresql+psycopg"
    return str(url.drivername) if dialect.driver in DRIVERS else "postgresql+psycopg"


def _import_alembic() -> None:
    """Import Alembic itself: a project's own folder of migrations is often called that as well."""
    place = str(distribution("alembic").locate_file(""))
    sys.path.insert(0, place)
    import_module("alembic.command")
    sys.path.remove(place)


def _named(place: str) -> Any:
    module, _, path = place.partition(":")
    found = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _cause(error: BaseException) -> str:
    """Return what an error says; of the database's errors only that, and not the whole statement."""
    original = getattr(error, "orig", None)
    said = str(original or error).strip()
    said = re.sub(r"^<class '[\w.]+'>: ", "", said)
    if isinstance(original, Exception) or type(error).__module__.partition(".")[0] in (
        "alembic",
        "psycopg",
        __name__,
    ):
        return said
    return f"{type(error).__name__}: {said}".removesuffix(": ")


def main() -> None:
    """Read what to do, do it, answer."""
    told = json.load(sys.stdin)
    sys.path[:] = told["path"]
    # What migrations print must not get into the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    json.dump(Program(told).run(), answer)
    for stream in (answer, sys.stdout, sys.stderr):
        stream.flush()
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        os._exit(0)  # what the application began in threads mustn't keep anybody waiting


if __name__ == "__main__":
    main()
