"""Migrations as people have them, in a process of their own, on a real server."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from pytest_tiers.databases import migrating
from pytest_tiers.databases.address import ServerError
from pytest_tiers.databases.migrating import migrate
from shops import (
    ASYNC_ENGINE,
    CUSTOMERS,
    ENV_ASYNC,
    ENV_OF_SETTINGS,
    HIDE,
    MODELS,
    PRODUCTION,
    migrated,
    revision,
)

BOTH = ["alembic_version", "customers"]


def alembic_init(root: Path, template: str, folder: str = "migrations") -> None:
    """Do what people do: `alembic init`, and a revision."""
    command = [sys.executable, "-m", "alembic", "init", "-t", template, folder]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (root / folder / "versions" / "0001.py").write_text(revision())


@pytest.mark.parametrize("template", ["generic", "async", "pyproject", "pyproject_async"])
def test_what_alembic_init_makes_works_unchanged(project, server, database, ask, template, tmp_path):
    project({})
    alembic_init(tmp_path, template)
    settings = project({}, pyproject=(tmp_path / "pyproject.toml").read_text().partition("[tool.tiers]")[2])
    assert settings.alembic is not None
    assert settings.alembic.name == ("pyproject.toml" if "pyproject" in template else "alembic.ini")
    migrate(settings, server, database)
    assert ask() == BOTH


def test_its_folder_may_be_called_as_alembic_is_and_be_a_package(
    project, server, database, ask, tmp_path, monkeypatch
):
    project({})
    alembic_init(tmp_path, "generic", "alembic")
    (tmp_path / "alembic" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    migrate(project({}), server, database)
    assert ask() == BOTH


def test_a_configuration_in_a_folder_below_works_as_if_run_there(project, server, database, ask, tmp_path):
    (tmp_path / "backend").mkdir()
    alembic_init(tmp_path / "backend", "generic")
    ini = tmp_path / "backend" / "alembic.ini"
    ini.write_text(ini.read_text().replace("%(here)s/", ""))
    (tmp_path / "seed.py").write_text("def fill(_): assert open('here').read()\n")
    (tmp_path / "here").write_text("x")
    settings = project({}, tiers='seed = "seed:fill"')
    assert settings.alembic == ini
    migrate(settings, server, database)
    assert ask() == BOTH


WAYS = f"""
import asyncio

import sqlalchemy
from sqlalchemy import create_engine, engine_from_config, make_url, text
from sqlalchemy.engine import create_engine as of_engine
from sqlalchemy.ext.asyncio import async_engine_from_config, create_async_engine

DRIVERS = {{"": "psycopg", "+psycopg": "psycopg", "+psycopg2": "psycopg", "+pg8000": "psycopg", "+nonsense": "psycopg"}}
ASYNC = {{"+psycopg": "psycopg", "+psycopg_async": "psycopg", "+asyncpg": "asyncpg"}}
QUERY = text("SELECT current_database()")


async def check(engine, driver):
    async with engine.connect() as connection:
        assert await connection.scalar(QUERY) == "empty"
    assert engine.dialect.driver == driver
    await engine.dispose()


def fill(_):
    for name, driver in DRIVERS.items():
        url = {PRODUCTION!r}.format(name)
        for engine in (
            create_engine(url),
            sqlalchemy.create_engine(make_url(url)),
            of_engine(url),
            engine_from_config({{"x.url": url}}, "x."),
        ):
            with engine.connect() as connection:
                assert connection.scalar(QUERY) == "empty"
            assert engine.dialect.driver == driver, name
    for name, driver in ASYNC.items():
        url = {PRODUCTION!r}.format(name)
        asyncio.run(check(create_async_engine(url), driver))
        asyncio.run(check(async_engine_from_config({{"x.url": url}}, "x."), driver))
    assert create_engine("sqlite://").connect().scalar(text("SELECT 1")) == 1
"""


def test_every_way_to_make_an_engine_leads_to_the_test_database(project, server, database):
    migrate(project({"tests/seed.py": WAYS}, tiers='seed = "tests.seed:fill"'), server, database)


def test_an_env_that_takes_its_url_from_the_applications_settings_works(project, server, database, ask):
    files = {"migrations/env.py": ENV_OF_SETTINGS, "shop/settings.py": f"URL = {PRODUCTION.format('')!r}"}
    migrate(project(migrated() | files), server, database)
    assert ask() == BOTH


def test_so_does_one_that_takes_the_engine_that_the_application_makes_at_import(
    project, server, database, ask
):
    files = {"migrations/env.py": ENV_ASYNC, "shop/database.py": ASYNC_ENGINE}
    migrate(project(migrated() | files), server, database)
    assert ask() == BOTH


def test_the_url_of_the_configuration_keeps_its_driver(project, server, database):
    env = "from alembic import context\nassert 0, context.config.get_main_option('sqlalchemy.url')"
    for written, expected in {
        "driver://user:pass@localhost/dbname": "postgresql+psycopg",
        "postgresql+asyncpg://u:p%%40@h/x": "postgresql+asyncpg",
        "postgresql://%(DB_USER)s@h/x": "postgresql",
    }.items():
        ini = f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {written}\n"
        with pytest.raises(ServerError) as failed:
            migrate(project(migrated() | {"migrations/env.py": env, "alembic.ini": ini}), server, database)
        assert f"AssertionError: {expected}://postgres@:5432/empty?host=" in str(failed.value)


def test_the_environment_names_the_test_database_and_no_other(project, server, database, monkeypatch):
    monkeypatch.setenv("PGSERVICE", "prod")
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://ann@prod/shop")
    monkeypatch.setenv("SQLALCHEMY_DATABASE_URI", "sqlite://")
    monkeypatch.setenv("KEPT", "kept")
    check = """
import os
import psycopg

def fill(connection):
    assert "PGSERVICE" not in os.environ
    assert os.environ["KEPT"] == "kept"
    assert os.environ["DATABASE_URL"].startswith("postgresql+asyncpg://")
    assert os.environ["SQLALCHEMY_DATABASE_URI"].startswith("postgresql+psycopg://")
    for name in "DATABASE_URL", "SQLALCHEMY_DATABASE_URI":
        scheme, _, rest = os.environ[name].partition("://")
        with psycopg.connect(f"postgresql://{rest}") as other:
            assert other.info.dbname == "empty"
        assert "%" not in rest
"""
    migrate(project({"tests/seed.py": check}, tiers='seed = "tests.seed:fill"'), server, database)
    assert os.environ["DATABASE_URL"] == "postgresql+asyncpg://ann@prod/shop"


def test_nothing_that_it_does_reaches_this_process(project, server, database, tmp_path, monkeypatch, capfd):
    env = (
        "import logging, os, sys, threading\n"
        "logging.disable(logging.CRITICAL)\n"
        "os.environ['LEFT'] = 'left'\n"
        "print('printed'); print('to stderr', file=sys.stderr); os.write(1, b'raw')\n"
        "threading.Thread(target=threading.Event().wait).start()  # which never ends\n"
    )
    files = migrated()
    logger = logging.getLogger("shop.left")
    migrate(project(files | {"migrations/env.py": env + files["migrations/env.py"]}), server, database)
    assert logger.isEnabledFor(logging.ERROR)
    assert "LEFT" not in os.environ
    assert "shop" not in sys.modules
    assert capfd.readouterr() == ("", "")


def test_all_heads_are_migrated(project, server, database, ask):
    files = {
        "migrations/versions/0002.py": revision("op.execute('CREATE TABLE a ()')", "0002", "0001"),
        "migrations/versions/0003.py": revision("op.execute('CREATE TABLE b ()')", "0003", "0001"),
    }
    migrate(project(migrated() | files), server, database)
    assert ask() == ["a", *BOTH[:1], "b", *BOTH[1:]]


MORE_MODELS = f"""{MODELS}
from sqlalchemy import MetaData, Table, Column, Integer
class Audit(Base):
    __tablename__ = "audit"
    __table_args__ = {{"schema": "history"}}
    id: Mapped[int] = mapped_column(primary_key=True)
empty = MetaData()
"""


def test_tables_can_be_made_from_the_metadata(project, server, database, ask, failure):
    files = {"shop/__init__.py": "", "shop/models.py": MORE_MODELS}
    tiers = 'migrations = "metadata"\nmetadata = "shop.models:{}"'
    migrate(project(files, tiers=tiers.format("Base.metadata")), server, database)
    assert ask() == ["audit", "customers"]
    assert "The tables can't be made from shop.models:empty: it has no tables" in failure(
        project(files, tiers=tiers.format("empty"))
    )
    assert "AttributeError: type object 'Base' has no attribute 'nothing'" in failure(
        project(files, tiers=tiers.format("Base.nothing"))
    )


def test_tables_can_be_made_by_a_function_and_then_be_filled(project, server, database, ask):
    files = {
        "make.py": "from sqlalchemy import text\ndef make(connection): connection.execute(text('CREATE TABLE t (n int)'))\n",
        "tests/fill.py": "from sqlalchemy import text\ndef fill(connection): connection.execute(text('INSERT INTO t VALUES (7)'))\n",
    }
    migrate(project(files, tiers='migrations = "make:make"\nseed = "tests.fill:fill"'), server, database)
    assert ask("SELECT n FROM t") == [7]


def test_with_nothing_to_do_no_process_is_started(project, server, database, monkeypatch):
    monkeypatch.setattr(migrating.subprocess, "run", None)
    migrate(project({}), server, database)


def test_without_sqlalchemy_functions_get_psycopgs_connection(
    project, server, database, ask, monkeypatch, tmp_path
):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(HIDE.format(names=("sqlalchemy",)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"), prepend=os.pathsep)
    make = "def make(connection):\n    assert 'psycopg' in type(connection).__module__\n    connection.execute('CREATE TABLE t ()')\n"
    migrate(project({"make.py": make}, tiers='migrations = "make:make"'), server, database)
    assert ask() == ["t"]


def test_no_revisions_yet_are_no_error(project, server, database, tmp_path):
    settings = project(migrated())
    (tmp_path / "migrations/versions/0001_customers.py").unlink()
    migrate(settings, server, database)


def test_revisions_see_the_package_though_it_is_not_installed(project, server, database, ask):
    files = {
        "migrations/versions/0001_customers.py": revision(
            f"from shop.models import Customer; assert Customer; {CUSTOMERS}"
        )
    }
    migrate(project(migrated() | files), server, database)
    assert ask() == BOTH
    with pytest.raises(psycopg.errors.UndefinedTable):
        ask("SELECT 1 FROM nothing")
