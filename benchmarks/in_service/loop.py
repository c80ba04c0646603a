"""What each safety measure of the rollback tier takes, and what the statements alone take: a loop without pytest.

`python -m tests.bench.loop 500` prints JSON: what server it is, and for each body and variant the seconds of 500 passes.
A pass runs all variants in random order.
"""

import gc
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from pytest_tiers import Databases, PostgresRollback
from pytest_tiers.config import read
from pytest_tiers.databases.embedded import EmbeddedPostgres
from sqlalchemy import Connection, Engine, create_engine, event
from tests.bench.methods import Sessions, add_and_count, nested, plainly_rolled_back

Method: TypeAlias = Callable[[], AbstractContextManager[Connection]]
Statements: TypeAlias = list[tuple[str, Any]]

# What PostgresRollback sends: behind BEGIN, before ROLLBACK, and behind it.
MEASURES = {
    "constraints": ("", "SET CONSTRAINTS ALL IMMEDIATE;", ""),
    "guard": ("; SAVEPOINT guard", "ROLLBACK TO SAVEPOINT guard;", ""),
    "resets": ("", "", "; SELECT pg_advisory_unlock_all(); DEALLOCATE ALL; DISCARD SEQUENCES"),
}


@contextmanager
def rolled_back(engine: Engine, measures: list[str]) -> Iterator[Connection]:
    """Do what PostgresRollback does, but with these of its measures only, and without its event listeners."""
    begin, before, behind = map(
        "".join, zip(("", "", ""), *(MEASURES[name] for name in measures), strict=True)
    )
    with engine.connect() as connection:
        connection.begin()
        driver: Any = connection.connection.driver_connection
        driver.pgconn.exec_(f"BEGIN{begin}".encode())
        yield connection
        driver.execute(f"{before}ROLLBACK{behind}", prepare=False)


def recorded(engine: Engine) -> Statements:
    """Return the statements of `add_and_count` and their parameters, without the savepoints that stand for transactions."""
    statements: Statements = []

    def record(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if "SAVEPOINT" not in statement:
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", record)
    with plainly_rolled_back(engine) as connection:
        add_and_count(nested(connection))
    event.remove(engine, "before_cursor_execute", record)
    return statements


def send(driver: psycopg.Connection[Any], statements: Statements) -> None:
    """Send the statements of `add_and_count`, or none, in a transaction, fetch what they return, and roll back."""
    cursor = driver.cursor()
    cursor.execute("BEGIN")
    ids: dict[str, int] = {}
    for statement, parameters in statements:
        cursor.execute(statement, parameters | ids)
        rows = cursor.fetchall()
        if not ids:  # the customer has another id each time; its column and its parameters are called so
            ids = {"customer_id": rows[0][0], "pk_1": rows[0][0]}
    cursor.execute("ROLLBACK")


def run(body: Callable[[Sessions], None], method: Method) -> None:
    """Run `body` in sessions in the transaction of `method`."""
    with method() as connection:
        body(nested(connection))


def measure(passes: int, databases: Databases) -> dict[str, Any]:
    """Return what is to be printed."""
    watched, unwatched = (create_engine(databases.clone()) for _ in range(2))
    driver = databases.server.connect(unwatched.url.database)
    methods: dict[str, Method] = {
        "service": PostgresRollback(watched, databases).transaction,
        "unwatched": partial(rolled_back, unwatched, list(MEASURES)),
        **{
            name: partial(rolled_back, unwatched, [other for other in MEASURES if other != name])
            for name in MEASURES
        },
        "none": partial(rolled_back, unwatched, []),
        "plain": partial(plainly_rolled_back, unwatched),
    }
    bodies: dict[str, Callable[[Sessions], None]] = {"nothing": lambda _: None, "rows": add_and_count}
    variants = {
        (name, variant): partial(run, body, method)
        for name, body in bodies.items()
        for variant, method in methods.items()
    }
    variants["nothing", "bare"] = partial(send, driver, [])
    variants["rows", "bare"] = partial(send, driver, recorded(unwatched))
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    order = list(variants)
    gc.freeze()
    gc.disable()  # it takes longer than what is measured, of whichever variant it comes upon
    for count in range(-10, passes):  # the first ones warm up
        random.shuffle(order)
        gc.collect()
        for name, variant in order:
            started = time.perf_counter()
            variants[name, variant]()
            if count >= 0:
                seconds[name][variant].append(time.perf_counter() - started)
    settings = driver.execute("SELECT current_setting('server_version'), current_setting('fsync')").fetchone()
    driver.close()
    for engine in (watched, unwatched):
        engine.dispose()
        databases.drop(engine.url)
    return {"python": sys.version.split()[0], "settings": settings, "seconds": seconds}


if __name__ == "__main__":
    settings = read(Path.cwd())
    with EmbeddedPostgres(settings.name) as server:
        databases = Databases(server, settings)
        print(json.dumps(measure(int(sys.argv[1]), databases)))
        databases.close()
