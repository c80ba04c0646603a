"""Engines that an application made as it was imported are led to the test's database."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from pytest_tiers import redirect
from pytest_tiers.databases.address import Address, ServerError
from sqlalchemy import URL, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

NOWHERE = "postgresql+{}://someone:hunter2@nowhere.invalid:1/{}?application_name=old"
WHERE = "SELECT current_database(), current_user, current_setting('application_name')"


@pytest.fixture(scope="module")
def other(server: Address) -> Iterator[URL]:
    """The URL of another database than the one that everybody has, and that engines lead to before."""
    with server.connect() as connection:
        connection.execute("CREATE DATABASE other")
    yield server.url("other")
    with server.connect() as connection:
        connection.execute("DROP DATABASE other WITH (FORCE)")


@pytest.mark.parametrize("driver", ["psycopg"])
def test_the_whole_url_counts_and_the_engines_own_options_stay(
    server: Address, other: URL, driver: str
) -> None:
    engine = create_engine(NOWHERE.format(driver, "old"), connect_args={"options": "-c work_mem=1234kB"})
    redirect(engine, other)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(WHERE).one() == ("other", server.user, "")
        assert connection.exec_driver_sql("SHOW work_mem").scalar() == "1234kB"
    assert (engine.url.database, engine.url.drivername) == ("other", f"postgresql+{driver}")
    engine.dispose()


def test_an_engine_that_was_used_before_keeps_no_old_connection(server: Address, other: URL) -> None:
    engine = create_engine(server.url("postgres"), pool_size=1, max_overflow=0)
    with engine.connect() as connection:
        before = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    redirect(engine, other)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT current_database()").scalar() == "other"
    with server.connect() as admin:
        for _ in range(1000):  # the server may take a moment to notice
            if not admin.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [before]).fetchall():
                break
        else:
            pytest.fail("the old connection is still open")
    engine.dispose()


def test_an_engine_can_be_led_on(server: Address, other: URL) -> None:
    engine = create_engine(NOWHERE.format("psycopg", "old"))
    redirect(engine, other)
    redirect(engine, server.url("postgres"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT current_database()").scalar() == "postgres"
    engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_async_engine(other: URL, driver: str) -> None:
    engine = create_async_engine(NOWHERE.format(driver, "old").partition("?")[0])
    redirect(engine, other)

    async def ask() -> object:
        async with engine.connect() as connection:
            found = (await connection.exec_driver_sql("SELECT current_database()")).scalar()
        await engine.dispose()
        return found

    assert asyncio.run(ask()) == "other"
    assert engine.url.drivername == f"postgresql+{driver}"


def test_an_engine_that_connects_as_it_likes_is_refused(server: Address, other: URL) -> None:
    where = server.dsn("postgres")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(where))
    with pytest.raises(ServerError, match=r"creator=.*\nGive the test database's URL"):
        redirect(engine, other)
    engine.dispose()
