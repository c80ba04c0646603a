"""Where the databases of a rendered service come from: one server, one migration, a clone for each worker."""

import re

import pytest

pytestmark = pytest.mark.slow

DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE 'helpdesk%' ORDER BY oid"
REVISION = '''
"""Something more."""

from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    """Apply the change."""
    {upgrade}


def downgrade() -> None:
    """Take it back."""
'''


def add_revision(machinery, upgrade: str, revision: str = "0003", before: str = "0002"):
    """Write a migration into the service."""
    file = machinery.service.folder / f"migrations/versions/{revision}_more.py"
    file.write_text(REVISION.format(revision=revision, before=before, upgrade=upgrade))
    return file


def test_a_template_is_built_once_for_what_shapes_it_and_old_ones_are_reaped(machinery):
    add_revision(machinery, "with open('built', 'a') as file:\n        file.write('.')")
    built = machinery.service.folder / "built"
    seed = machinery.service.folder / "migrations/seed.csv"
    machinery.edit(
        "tests/plugins/databases.py", lambda text: text.replace("KEPT_TEMPLATES = 5", "KEPT_TEMPLATES = 1")
    )

    with machinery.server():
        for _ in range(2):
            machinery.pytest("-n", "2", "tests/integration")
        assert built.read_text() == "."
        assert machinery.ask(DATABASES) != []
        templates = {name for (name,) in machinery.ask(DATABASES)}
        assert len(templates) == 1, "nothing but the template is left"

        # Another file that a migration may read.
        for turn in range(2):
            seed.write_text(str(turn))
            machinery.pytest()
            assert built.read_text() == "." * (turn + 2)
        left = {name for (name,) in machinery.ask(DATABASES)}
        assert len(left) == 2, "the newest when the last run began, and its own"
        assert not templates & left

    # The settings that are promised hold, whatever else is in the server's files.
    assert machinery.ask("SELECT current_setting('fsync'), current_setting('max_connections')") == [
        ["off", "200"]
    ]
    (data,) = machinery.data_folders
    settings = data / "postgresql.auto.conf"
    settings.write_text(settings.read_text().replace("fsync = 'off'", "fsync = 'on'"))
    done = machinery.pytest(status=1)
    assert "PostgreSQL runs without {'fsync': 'off'}: run `nox -s clean`" in done.stdout


def test_a_migration_that_fails_is_named_and_leaves_nothing(machinery):
    file = add_revision(machinery, "op.execute('CREATE TABLE half (id int)'); op.execute('SELECT nonsense')")
    with machinery.server():
        done = machinery.pytest("-n", "1", "tests/integration", status=1)
        assert done.counts == [{"errors": 2}]
        said = re.findall(r"^The migrations fail in .*", done.stdout, re.MULTILINE)
        assert set(said) == {
            'The migrations fail in migrations/versions/0003_more.py, line 12: column "nonsense" does not exist'
        }
        assert machinery.ask(DATABASES) == []

        file.write_text(file.read_text().replace('"0002"', '"0099"'))
        done = machinery.pytest("-x", status=1)
        assert "The migrations fail in migrations/env.py, line " in done.stdout
        assert "0099" in done.stdout
        file.unlink()
        machinery.pytest()


def test_what_a_clone_loses_is_carried_over(machinery):
    database = "op.get_bind().exec_driver_sql('SELECT current_database()').scalar()"
    add_revision(
        machinery,
        f"name = {database}\n"
        "    op.execute(f'ALTER DATABASE \"{name}\" SET search_path = app, public')\n"
        "    op.execute(f\"ALTER DATABASE \\\"{name}\\\" SET app.tenant = 'it''s {{100}} %'\")\n"
        "    op.execute(f'ALTER ROLE reader IN DATABASE \"{name}\" SET statement_timeout = 1234')\n"
        "    op.execute(f'REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC')\n"
        "    op.execute(f'GRANT CONNECT ON DATABASE \"{name}\" TO reader WITH GRANT OPTION')",
    )
    (machinery.service.folder / "tests/integration/test_carried.py").write_text(
        "import psycopg\n"
        "from sqlalchemy import text\n\n"
        "QUERY = '''SELECT current_setting('search_path'), current_setting('app.tenant'),\n"
        "    has_database_privilege('stranger', current_database(), 'CONNECT'),\n"
        "    has_database_privilege('reader', current_database(), 'CONNECT WITH GRANT OPTION')'''\n"
        "EXPECTED = ('app, public', \"it's {100} %\", False, True)\n\n\n"
        "def test_worker(sessions):\n"
        "    with sessions() as session:\n"
        "        assert session.execute(text(QUERY)).one() == EXPECTED\n\n\n"
        "def test_own(committed_db):\n"
        "    address = {'host': committed_db.query['host'], 'dbname': committed_db.database}\n"
        "    with psycopg.connect(user='postgres', **address) as connection:\n"
        "        assert connection.execute(QUERY).fetchone() == EXPECTED\n"
        "    with psycopg.connect(user='reader', **address) as connection:\n"
        "        assert connection.execute('SHOW statement_timeout').fetchone() == ('1234ms',)\n"
    )
    with machinery.server("CREATE ROLE reader LOGIN", "CREATE ROLE stranger LOGIN"):
        machinery.pytest("tests/integration")

        machinery.edit(
            "tests/plugins/databases.py", lambda text: text.replace("if self._not_cloned:", "if 0:")
        )
        assert machinery.pytest("tests/integration", status=1).counts == [{"failed": 2, "passed": 2}]


def test_ids_dont_begin_at_one_and_differ_between_tables(machinery):
    test = machinery.service.folder / "tests/integration/test_ids.py"
    test.write_text(
        "from sqlalchemy import text\n\n\n"
        "def test_ids(sessions):\n"
        "    with sessions() as session:\n"
        "        first = [session.scalar(text(f\"SELECT nextval('{table}_id_seq')\")) for table in ('customers', 'tickets')]\n"
        "    assert len(set(first)) == 2\n"
        "    assert min(first) >= 10_000\n"
    )
    machinery.pytest("tests/integration/test_ids.py")


def test_the_version_is_chosen_in_one_place(machinery):
    version = (
        "SELECT current_setting('server_version_num')::int / 10000, datlocprovider FROM pg_database LIMIT 1"
    )
    assert machinery.ask(version) == [[18, "b"]]
    machinery.edit("tools/embedded_postgres.py", lambda text: text.replace("VERSION = 18", "VERSION = 16"))
    assert machinery.ask(version) == [[16, "c"]]
    machinery.pytest()


def test_file_systems_that_share_blocks_are_used(machinery, tmp_path):
    method = "SELECT current_setting('file_copy_method')"
    # This cp always copies, as if the file system could share blocks, or never does. Copying works either way.
    for status, expected in {"1": "copy", "0": "clone"}.items():
        cp = tmp_path / status / "cp"
        cp.parent.mkdir()
        cp.write_text(f"#!/bin/sh\nexit {status}\n")
        cp.chmod(0o755)
        path = f"{cp.parent}:{machinery.service.environment['PATH']}"
        cache = machinery.cache / status
        cache.mkdir()
        machinery.pytest(XDG_CACHE_HOME=str(cache), PATH=path)
        assert machinery.ask(method, XDG_CACHE_HOME=str(cache), PATH=path) == [[expected]]


def test_nobody_waits_for_a_database_to_be_dropped(machinery):
    (machinery.service.folder / "tests/conftest.py").write_text(
        "from threading import Event\n"
        "from tests.plugins.databases import Databases\n\n"
        "next_test = Event()\n"
        "drop = Databases._drop_behind\n"
        "def after_the_next_test_began(self, name):\n"
        "    assert next_test.wait(60)\n"
        "    drop(self, name)\n"
        "Databases._drop_behind = after_the_next_test_began\n"
    )
    (machinery.service.folder / "tests/committed/test_drops.py").write_text(
        "from tests.conftest import next_test\n\n\n"
        "def test_first(committed_db):\n    pass\n\n\n"
        "def test_next(committed_db):\n    assert not next_test.is_set()\n    next_test.set()\n"
    )
    with machinery.server():
        machinery.pytest("tests/committed")
        assert len(machinery.ask(DATABASES)) == 1, "both were dropped in the end"


def test_services_have_servers_of_their_own(machinery):
    where = (
        "from tools.embedded_postgres import EmbeddedPostgres as E\nwith E() as server: print(server.host)"
    )
    with machinery.server() as host:
        assert machinery.program(where).stdout.strip() == host
        machinery.edit("pyproject.toml", lambda text: text.replace('name = "helpdesk"', 'name = "other"'))
        assert machinery.program(where).stdout.strip() != host
