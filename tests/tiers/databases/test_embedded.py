"""The embedded server: who starts and stops it, what it makes of killed runs, and of the shell's variables."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from pytest_tiers.config import Settings
from pytest_tiers.databases import embedded as module
from pytest_tiers.databases import embedded_server, remove, storage
from pytest_tiers.databases.address import Address, ServerError
from pytest_tiers.databases.embedded import EmbeddedPostgres

HOLD = """
import signal
from pytest_tiers.databases.embedded import EmbeddedPostgres

embedded = EmbeddedPostgres("shop")
print(embedded.acquire().host, flush=True)
signal.pause()
"""
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def shop() -> EmbeddedPostgres:
    """The server of a project in a cache of the test's own."""
    return EmbeddedPostgres("shop")


@pytest.fixture
def others():
    """Starts another process that holds the server."""
    started = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def pid_of(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def runs(server: EmbeddedPostgres) -> bool:
    return (server.data / "postmaster.pid").exists()


def value(address: Address, query: str) -> object:
    with address.connect() as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


def answers(address: Address) -> bool:
    try:
        return value(address, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def test_the_last_one_out_stops_it(shop, others):
    with shop as address:
        assert value(address, "SELECT 1") == 1
        other = others()
    assert runs(shop), "the other one goes on with it"
    assert shop.acquire() == address, "it was found running"
    other.kill()
    other.wait()
    shop.release()
    assert not runs(shop)
    shop.release()


def test_what_was_promised_of_it_holds(shop):
    with shop as address:
        assert value(address, "SHOW data_directory") == str(shop.data)
        for name, expected in module.SETTINGS.items():
            assert value(address, f"SHOW {name}") == expected
        assert value(address, "SELECT datlocprovider FROM pg_database WHERE datname = 'template1'") == "b"
        assert Path(address.host).stat().st_mode & 0o777 == 0o700


def test_projects_have_servers_of_their_own(shop):
    with shop as ours, EmbeddedPostgres("other") as theirs:
        assert value(ours, "SHOW data_directory") != value(theirs, "SHOW data_directory")


def test_data_is_kept_until_the_machine_starts_anew(shop, monkeypatch):
    with shop as address, address.connect() as connection:
        connection.execute("CREATE TABLE kept ()")
    with shop as address:
        assert value(address, "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == 1
    monkeypatch.setattr(storage, "boot_id", lambda: "another")
    with shop as address:
        assert value(address, "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == 0
    with shop as address, address.connect() as connection:
        connection.execute("CREATE TABLE kept ()")
    shop.data.with_suffix(".boot").unlink()
    with shop as address:
        assert value(address, "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == 0


def test_a_half_made_folder_is_no_trap(shop):
    shutil.rmtree(shop.data)
    half = shop.data.with_suffix(".new")
    (half / "base").mkdir(parents=True)
    with shop as address:
        assert value(address, "SELECT 1") == 1
    assert not half.exists()


def test_settings_that_dont_hold_are_named_and_the_server_is_stopped(shop):
    with shop:
        pass
    settings = shop.data / "postgresql.auto.conf"
    settings.write_text(settings.read_text().replace("fsync = 'off'", "fsync = 'on'"))
    with pytest.raises(ServerError, match=r"PostgreSQL runs without \{'fsync': 'off'\}: run `tiers clean`"):
        shop.acquire()
    assert not runs(shop)


@pytest.mark.parametrize(
    "variables",
    [
        {"PGSERVICE": "prod"},
        {"PGHOSTADDR": "192.0.2.1"},
        {"PGREQUIREAUTH": "scram-sha-256"},
        {"PGTARGETSESSIONATTRS": "standby"},
        {"PGOPTIONS": "--nonsense=1"},
        {
            "PGDATA": "/nowhere",
            "PGPORT": "1",
            "PGUSER": "nobody",
            "PGDATABASE": "none",
            "PGSSLMODE": "verify-full",
        },
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_the_shells_variables_dont_reach_it(shop, monkeypatch, variables):
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    shop.acquire()
    assert runs(shop)
    assert variables.items() <= os.environ.items()
    shop.release()
    assert not runs(shop)


def test_a_server_that_starts_and_doesnt_answer_is_stopped(shop, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("no way in")

    with monkeypatch.context() as patch:
        patch.setattr(Address, "connect", fail)
        with pytest.raises(
            ServerError, match=r"started but doesn't answer \(no way in\): see .*, or run `tiers clean`"
        ):
            shop.acquire()
    assert not runs(shop)
    with shop as address:
        assert value(address, "SELECT 1") == 1


def test_a_server_that_gives_no_answer_any_more_is_replaced(shop, others, monkeypatch):
    monkeypatch.setattr(module, "ANSWERS_WITHIN", 1)
    other = others()
    os.kill(pid := pid_of(shop), signal.SIGSTOP)
    with pytest.raises(ServerError, match=rf"\(process {pid}\) doesn't answer, and others hold it"):
        shop.acquire()
    other.kill()
    other.wait()
    with shop as address:
        assert value(address, "SELECT 1") == 1
        assert pid_of(shop) != pid


def test_a_killed_server_is_started_again(shop):
    with shop as address:
        (shop.data / "kept").touch()
        os.kill(pid_of(shop), signal.SIGKILL)
        while answers(address):  # it ends on its own time
            pass
    with shop as address:
        assert value(address, "SELECT 1") == 1
        assert (shop.data / "kept").exists()


def test_a_process_that_has_the_pid_of_a_dead_server_is_left_alone(shop):
    with shop as address:
        pass
    # As the user that the server runs as: PostgreSQL takes no notice of a process that it may not signal.
    account = {"user": 65534, "cwd": "/"} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "600"], **account) as innocent:
        try:
            lines = [innocent.pid, shop.data, 1, 5432, address.host, "", "5432001 1", "ready"]
            (shop.data / "postmaster.pid").write_text("".join(f"{line}\n" for line in lines))
            (Path(address.host) / ".s.PGSQL.5432.lock").write_text(f"{innocent.pid}\n")
            with shop as again:
                assert value(again, "SELECT 1") == 1
            assert innocent.poll() is None
        finally:
            innocent.kill()


@pytest.mark.parametrize("content", ["", "\n", "many\n", "1\n"])
def test_a_broken_pid_file_is_no_trap(shop, content):
    with shop:
        pass
    (shop.data / "postmaster.pid").write_text(content)
    with shop as address:
        assert value(address, "SELECT 1") == 1


def test_one_that_is_full_is_alive(shop, monkeypatch):
    monkeypatch.setitem(module.SETTINGS, "max_connections", "4")
    monkeypatch.setitem(module.SETTINGS, "superuser_reserved_connections", "0")
    monkeypatch.setitem(module.SETTINGS, "reserved_connections", "0")
    with shop as address:
        held = [address.connect() for _ in range(4)]
        with pytest.raises(psycopg.OperationalError):
            address.connect()
        with EmbeddedPostgres("shop") as again:
            assert again == address
        for connection in held:
            connection.close()


@pytest.mark.parametrize("name", ["with spaces and 'quotes'", "ünïcödé 🗄", "long/" * 30])
def test_a_cache_folder_may_have_any_name(cache, monkeypatch, name):
    (cache / name).mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / name))
    shop = EmbeddedPostgres("shop")
    with shop as address:
        assert value(address, "SELECT 1") == 1
    assert shop.data.is_relative_to(cache / name)


def test_a_trap_in_the_temporary_folder_is_not_stepped_into(shop, cache, monkeypatch):
    folders = {name: cache / name for name in ("temporary", "victim")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(folders["temporary"]))
    with shop as address:
        socket = Path(address.host)
    assert socket.parent == folders["temporary"]
    # Its name is known now. Whoever may write to the temporary folder could put this there.
    shutil.rmtree(socket)
    socket.symlink_to(folders["victim"])
    with pytest.raises(ServerError, match="belongs to somebody else: remove it"):
        shop.acquire()
    assert folders["victim"].stat().st_uid == os.geteuid()
    assert list(folders["victim"].iterdir()) == []


def test_its_folder_may_be_deleted_meanwhile(shop):
    shop.acquire()
    while shop.folder.exists():  # the server writes as long as it hasn't noticed
        shutil.rmtree(shop.folder, ignore_errors=True)
    shop.release()
    with EmbeddedPostgres("shop") as address:
        assert value(address, "SELECT 1") == 1


def test_removing_it_waits_for_nobody_and_leaves_nothing(shop, others, tmp_path):
    settings = Settings(root=tmp_path, name="shop")
    other = others()
    with pytest.raises(ServerError, match="is in use: wait for the other run to end"):
        remove(settings)
    assert runs(shop)
    other.kill()
    other.wait()
    pid = pid_of(shop)
    remove(settings)
    assert not shop.folder.exists()
    assert str(shop.data) not in storage.command_line(pid)
    remove(settings)


def test_a_service_can_be_run_on_it(shop, monkeypatch, tmp_path):
    monkeypatch.setenv("PGSERVICE", "prod")
    with embedded_server(Settings(root=tmp_path, name="shop")) as address:
        assert "PGSERVICE" not in os.environ
        assert value(address, "SHOW data_directory") == str(shop.data)
    assert os.environ["PGSERVICE"] == "prod"
    assert not runs(shop)
