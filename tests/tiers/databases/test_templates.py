"""Templates and clones on a real server: what is built once, who owns what, and what is reaped."""

import re
from threading import Event, Thread

import psycopg
import pytest
from pytest_tiers.databases import templates as module
from pytest_tiers.databases.address import Address, ServerError
from pytest_tiers.databases.templates import Databases
from shops import migrated, revision
from sqlalchemy import create_engine, text

MAKE = """
from sqlalchemy import text

def make(connection):
    with open("built", "a") as file:
        file.write(".")
    connection.execute(text("CREATE TABLE customers (id serial, email text)"))
    connection.execute(text("CREATE TABLE tickets (id serial)"))
    for statement in {more!r}:
        connection.execute(text(statement))
"""


@pytest.fixture
def settings(project):
    """A project whose tables are made by a function, which leaves a dot in `built` each time."""
    return project({"make.py": MAKE.format(more=[])}, tiers='migrations = "make:make"')


@pytest.fixture
def admin(server):
    """A connection to the maintenance database; afterwards nothing is left of the project."""
    with server.connect() as connection:
        yield connection
        for name in names(connection):
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def open_databases(server, admin, settings):
    """Returns new Databases, which are closed at the end."""
    opened = []

    def open_databases(given=settings, address=server) -> Databases:
        opened.append(Databases(address, given))
        return opened[-1]

    yield open_databases
    for databases in opened:
        if not databases._admin.closed:
            databases.close()


def names(connection, like: str = "%shop%") -> list[str]:
    query = "SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY oid"
    return [name for (name,) in connection.execute(query, [like])]


def built(settings) -> int:
    file = settings.root / "built"
    return len(file.read_text()) if file.exists() else 0


def query(server: Address, name: str, statement: str):
    with server.connect(name) as connection:
        return connection.execute(statement).fetchall()


def test_a_template_is_built_once_and_by_the_first_who_clones_it(open_databases, settings, admin):
    first, second = open_databases(), open_databases()
    assert built(settings) == 0
    assert names(admin) == []
    first.clone()
    second.clone()
    assert first.template == second.template == open_databases().template
    assert built(settings) == 1
    assert re.fullmatch(r"shop_tests_template_[0-9a-f]{12}", first.template)
    with pytest.raises(psycopg.OperationalError, match="is not currently accepting connections"):
        first.server.connect(first.template)  # which would make every clone wait


def test_a_change_of_what_shapes_it_builds_another_one(open_databases, settings):
    before = open_databases().template
    (settings.root / "make.py").write_text(MAKE.format(more=["CREATE TABLE more ()"]))
    assert open_databases().template != before
    assert built(settings) == 2


def test_who_comes_while_it_is_built_waits_for_it(open_databases, settings, monkeypatch):
    first, second = open_databases(), open_databases()
    begun, go_on = Event(), Event()

    def migrate(*arguments):
        begun.set()
        assert go_on.wait(60)
        real(*arguments)

    real = module.migrate
    monkeypatch.setattr(module, "migrate", migrate)
    threads = [Thread(target=databases.clone) for databases in (first, first, second)]
    threads[0].start()
    assert begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert built(settings) == 1


def test_a_clone_is_like_the_template_and_apart_from_other_clones(open_databases, server):
    databases = open_databases()
    one, two = databases.clone(), databases.clone("shop_by_name")
    assert two.database == "shop_by_name"
    query(server, one.database, "INSERT INTO customers (email) VALUES ('a') RETURNING id")
    assert query(server, two.database, "SELECT * FROM customers") == []
    engine = create_engine(one)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT email FROM customers")) == "a"
    engine.dispose()


def test_ids_dont_begin_at_one_and_differ_between_tables(open_databases, server, project):
    own = "CREATE SEQUENCE {} {}"
    more = [
        "CREATE SEQUENCE small AS smallint MAXVALUE 100",
        "CREATE SEQUENCE down INCREMENT -1",
        "CREATE SEQUENCE far START 50000",
        own.format('"Odd name"', ""),
        "SELECT nextval('far')",
    ]
    settings = project({"make.py": MAKE.format(more=more)}, tiers='migrations = "make:make"')
    name = open_databases(settings).clone().database

    def following(sequence: str) -> int:
        return query(server, name, f"SELECT nextval('{sequence}')")[0][0]

    first = [following("customers_id_seq"), following("tickets_id_seq"), following('"Odd name"')]
    assert len(set(first)) == 3
    assert all(10_000 <= number <= 30_001 for number in first)
    assert (following("small"), following("down"), following("far")) == (1, -1, 50001), (
        "these may have a reason"
    )


def test_a_dropped_database_is_gone_whoever_is_connected(open_databases, server, admin):
    databases = open_databases()
    url, other = databases.clone(), databases.clone()
    with server.connect(url.database):
        databases.drop(url)
        databases.drop(other.render_as_string(hide_password=False).replace("+psycopg", ""))
        databases.close()
        assert names(admin) == [databases.template]


def test_nobody_waits_for_a_database_to_be_dropped(open_databases, monkeypatch, admin):
    databases, dropped = open_databases(), Event()
    real = databases._drop_behind
    monkeypatch.setattr(databases, "_drop_behind", lambda name: (dropped.wait(60), real(name)))
    url = databases.clone()
    databases.drop(url)
    assert url.database in names(admin)
    dropped.set()


def test_a_migration_that_fails_leaves_nothing_and_isnt_tried_again(open_databases, admin, project):
    settings = project({"make.py": MAKE.format(more=["SELECT nonsense"])}, tiers='migrations = "make:make"')
    databases = open_databases(settings)
    for _ in range(2):
        with pytest.raises(ServerError, match=r"make\.py, line 10: column \"nonsense\" does not exist"):
            databases.clone()
    assert built(settings) == 1
    assert names(admin) == []
    assert open_databases(settings)._template == databases._template
    (settings.root / "make.py").write_text(MAKE.format(more=[]))
    open_databases(settings).clone()


def test_the_half_of_a_killed_builder_is_built_again(open_databases, admin, settings):
    databases = open_databases()
    admin.execute(f'CREATE DATABASE "{databases._template}_new"')
    databases.clone()
    assert [name for name in names(admin) if name.endswith("_new")] == []
    assert built(settings) == 1


def test_what_an_owner_that_is_gone_left_is_reaped_and_nothing_else(open_databases, admin):
    alive, gone = open_databases(), open_databases()
    kept, left = alive.clone().database, [gone.clone().database, gone.reserve() + "gw0"]
    admin.execute(f'CREATE DATABASE "{left[1]}"')
    half = f"shop_tests_template_{'0' * 12}_new"
    others = [
        "shop_tests_mine",
        "shop_tests_tests_template_0123456789ab",
        "shop_tests_tests_0123456789ab_1",
        "shop_test",
    ]
    for name in (half, *others):
        admin.execute(f'CREATE DATABASE "{name}"')
    open_databases()
    gone._admin.close()
    open_databases()
    assert set(names(admin)) == {kept, alive.template, *others}


def test_of_unused_templates_the_newest_are_kept(open_databases, admin, server, monkeypatch):
    monkeypatch.setattr(module, "KEPT_TEMPLATES", 2)
    old = [f"shop_tests_template_{number:012x}" for number in range(4)]
    for name in old:
        admin.execute(f'CREATE DATABASE "{name}"')
    with server.connect() as used:
        used.execute("SELECT pg_advisory_lock_shared(hashtext(%s))", [old[0]])
        open_databases()
    assert names(admin) == [old[0], *old[2:]], "the first is in use"


def test_a_template_is_kept_as_long_as_a_run_has_it(open_databases, admin, settings, monkeypatch):
    monkeypatch.setattr(module, "KEPT_TEMPLATES", 0)
    first = open_databases()
    template = first.template
    (settings.root / "make.py").write_text(MAKE.format(more=["CREATE TABLE more ()"]))
    open_databases()
    assert names(admin) == [template]
    first.close()
    open_databases()
    assert names(admin) == []


def test_its_own_template_is_kept_however_old(open_databases, admin, monkeypatch):
    monkeypatch.setattr(module, "KEPT_TEMPLATES", 1)
    first = open_databases()
    template = first.template
    first.close()
    admin.execute(f"CREATE DATABASE shop_tests_template_{'a' * 12}")
    open_databases()
    assert template in names(admin)


def test_who_comes_by_another_maintenance_database_has_databases_of_its_own(
    open_databases, admin, server, settings
):
    admin.execute("CREATE DATABASE entrance_of_shop")
    ours = open_databases()
    theirs = open_databases(
        settings, Address(server.host, server.port, server.user, dbname="entrance_of_shop")
    )
    assert re.fullmatch(r"shop_tests[0-9a-f]{6}_template_[0-9a-f]{12}", theirs.template)
    assert ours.clone().database.startswith("shop_tests_")
    theirs.close()


def test_projects_may_have_any_name(open_databases, project):
    from dataclasses import replace

    settings = replace(project({}), name="Über-Shop 2.0 of a very long and winding name")
    databases = open_databases(settings)
    name = databases.clone().database
    assert name.startswith("_ber_Shop_2_0_of_a_very__tests_")
    assert len(f"{databases.template}_new") < 64
    databases.drop(databases.clone())
    databases.close()
    with databases.server.connect() as connection:
        for left in names(connection, "\\_ber%"):
            connection.execute(f'DROP DATABASE "{left}"')


def test_what_a_clone_loses_is_carried_over(open_databases, admin, server, project):
    for role in "reader", "stranger":
        admin.execute(f"DROP ROLE IF EXISTS {role}")
        admin.execute(f"CREATE ROLE {role} LOGIN")
    more = """
        DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %%I SET search_path = app, public', current_database());
        EXECUTE format('ALTER DATABASE %%I SET app.tenant = %%L', current_database(), 'it''s {100} %%');
        EXECUTE format('ALTER ROLE reader IN DATABASE %%I SET statement_timeout = 1234', current_database());
        EXECUTE format('REVOKE ALL ON DATABASE %%I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CONNECT ON DATABASE %%I TO reader WITH GRANT OPTION', current_database());
        END $$"""
    make = f"def make(connection):\n    connection.exec_driver_sql({more!r})\n"
    settings = project({"make.py": make}, tiers='migrations = "make:make"')
    databases = open_databases(settings)
    expected = """SELECT current_setting('search_path'), current_setting('app.tenant'),
        has_database_privilege('stranger', current_database(), 'CONNECT'),
        has_database_privilege('reader', current_database(), 'CONNECT WITH GRANT OPTION')"""
    engine = create_engine(databases.clone())
    databases.close_behind(engine)
    engine.dispose()
    databases.replace(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(expected).one() == ("app, public", "it's {100} %", False, True)
    engine.dispose()
    name = databases.clone().database
    assert query(server, name, expected) == [("app, public", "it's {100} %", False, True)]
    reader = Address(server.host, server.port, "reader")
    assert query(reader, name, "SHOW statement_timeout") == [("1234ms",)]
    for role in "reader", "stranger":
        admin.execute(f"DROP OWNED BY {role}")
    databases.drop(databases.clone(name + "x"))


def test_a_closed_database_lets_nobody_else_in_and_can_be_made_anew(open_databases, server):
    databases = open_databases()
    engine = create_engine(databases.clone(), pool_size=1, max_overflow=0)
    databases.close_behind(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO customers (email) VALUES ('a')"))
    with pytest.raises(psycopg.OperationalError, match="is not currently accepting connections"):
        psycopg.connect(host=server.host, user=server.user, dbname=engine.url.database)
    engine.dispose()
    databases.replace(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM customers")) == 0
    engine.dispose()


def test_a_full_disk_is_named_with_what_to_do(open_databases, admin, monkeypatch):
    databases = open_databases()
    assert databases.template
    real = databases._admin

    class Full:
        closed = False

        def __getattr__(self, name):
            return getattr(real, name)

        def execute(self, query, parameters=None):
            if "STRATEGY" in query.as_string():
                raise psycopg.errors.DiskFull('could not write to file "base/16": No space left on device')
            return real.execute(query, parameters)

    monkeypatch.setattr(databases, "_admin", Full())
    with pytest.raises(ServerError, match="No space left on device\nFree some space; `tiers clean` removes"):
        databases.clone()
    assert names(admin) == [databases.template]


def test_a_server_that_went_away_is_named(open_databases, admin):
    databases = open_databases()
    query = "SELECT pg_terminate_backend(%s)"
    admin.execute(query, [databases._admin.info.backend_pid])
    with pytest.raises(
        ServerError,
        match="The PostgreSQL server was stopped, or closed the connection, in the middle of the run",
    ):
        databases.clone()


def test_no_way_in_is_said_with_the_usual_reason(open_databases, settings):
    gone = Address("/nowhere", 1, "nobody")
    said = r"(?s)^No connection to PostgreSQL: .*\nIf there are too many .* use fewer workers \(-n\) or raise max_connections"
    with pytest.raises(ServerError, match=said):
        Databases(gone, settings)
    databases = open_databases()
    with pytest.raises(ServerError, match=said):
        databases.close_behind(create_engine(gone.url("x")))
    with pytest.raises(ZeroDivisionError), module._connecting():
        _ = 1 / 0


def test_a_server_that_keeps_its_data_copies_by_its_log(open_databases, monkeypatch):
    assert open_databases()._strategy == "FILE_COPY"
    real = Databases._value
    monkeypatch.setattr(
        Databases, "_value", lambda self, query, *more: "on" if "fsync" in query else real(self, query, *more)
    )
    databases = open_databases()
    assert databases._strategy == "WAL_LOG"
    databases.clone()


def test_migrations_of_alembic_are_what_a_clone_has(open_databases, server, project):
    settings = project(
        migrated()
        | {"migrations/versions/0002.py": revision("op.execute('CREATE TABLE more ()')", "0002", "0001")}
    )
    name = open_databases(settings).clone().database
    assert query(server, name, "SELECT version_num FROM alembic_version") == [("0002",)]
    assert query(server, name, "SELECT count(*) FROM customers") == [(0,)]
