"""Threads, tasks and jobs: what goes on when its test has ended is the fault of the test that began it, never of the next."""

import textwrap
from pathlib import Path

import pytest
from watched import Case, Done, file_of, run

HEAD = """
import asyncio, os, socket, threading, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

GO = threading.Event()
POOL = ThreadPoolExecutor(1, thread_name_prefix="kept")
STOPPED = threading.Event()


def reach():
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), 1)


def reach_when_told():
    GO.wait(30)
    reach()
    STOPPED.set()


def soon(do):
    time.sleep(0.05)
    do()


async def soon_in_a_task(do):
    await asyncio.sleep(0.05)
    do()


def set_a_variable():
    os.environ["LATE"] = "1"
"""
CONFTEST = """
import asyncio, threading

import pytest


@pytest.fixture(scope="session")
def loop():
    # What a test client of the web frameworks has: a loop in a thread of its own, for all tests.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop of the client")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def request_that(loop):
    async def fire(coroutine):
        return loop.create_task(coroutine)

    def ask(coroutine):
        return asyncio.run_coroutine_threadsafe(fire(coroutine), loop).result()

    return ask


@pytest.fixture(scope="session")
def ticker():
    stop, more, begun = threading.Event(), threading.Event(), threading.Event()
    others = []

    def tick():
        more.wait(30)
        others.append(threading.Thread(target=stop.wait, name="another one"))
        others[0].start()
        begun.set()
        stop.wait()

    def begin_another():
        more.set()
        assert begun.wait(30)

    thread = threading.Thread(target=tick, name="ticker")
    thread.start()
    yield begin_another
    more.set()
    stop.set()
    for thread in (thread, *others):
        thread.join()
"""
NETWORK = "The test opened a connection to 127.0.0.1:9, and tests/unit has no network."
RUNNING = "The test left threads or tasks running: {}. Join or cancel them in a fixture"
LEFT = [
    Case(
        "leaves a thread",
        "threading.Thread(target=GO.wait, name='poller', daemon=True).start()",
        RUNNING.format("poller"),
    ),
    Case("reaches the network in a thread", "threading.Thread(target=soon, args=(reach,)).start()", NETWORK),
    Case("reaches it in a job", "POOL.submit(soon, reach)", NETWORK),
    Case("reaches it in a task", "request_that(soon_in_a_task(reach))", NETWORK, "request_that"),
    Case(
        "reaches it in a thread of a task",
        "request_that(asyncio.to_thread(soon, reach))",
        NETWORK,
        "request_that",
    ),
    Case(
        "sets a variable in a task",
        "request_that(soon_in_a_task(set_a_variable))",
        "environment changed: LATE.",
        "request_that",
    ),
    Case("sets a variable in a job", "POOL.submit(soon, set_a_variable)", "environment changed: LATE."),
    Case("leaves a task", "request_that(asyncio.sleep(30))", RUNNING.format("sleep"), "request_that"),
    Case("leaves a job", "POOL.submit(GO.wait, 20)", RUNNING.format("Event.wait")),
]
INNOCENT = [
    Case(
        "joins its thread",
        "thread = threading.Thread(target=soon, args=(len.__call__,))\nthread = threading.Thread(target=print)\nthread.start()\nthread.join()",
    ),
    Case("has a thread that ends soon", "threading.Thread(target=time.sleep, args=(0.05,)).start()"),
    Case(
        "has a pool",
        "with ThreadPoolExecutor(2) as pool:\n    assert list(pool.map(len, ['a', 'bc'])) == [1, 2]",
    ),
    Case("forgets a pool", "assert ThreadPoolExecutor(2).submit(len, 'a').result() == 1"),
    Case("uses a pool that is kept", "assert KEPT.submit(len, 'a').result() == 1"),
    Case("has a thread of the loop work", "request_that(asyncio.to_thread(len, 'a'))", takes="request_that"),
    Case("has a task that ends soon", "request_that(asyncio.sleep(0.05))", takes="request_that"),
    Case(
        "runs tasks",
        "async def main():\n    await asyncio.gather(asyncio.sleep(0), asyncio.to_thread(len, 'a'))\nasyncio.run(main())",
    ),
    Case("takes a thread of a wider scope", "pass", takes="ticker"),
    Case("has that begin another one", "ticker()", takes="ticker"),
    Case(
        "has one that is expected", "threading.Thread(target=GO.wait, name='expected-1', daemon=True).start()"
    ),
    Case(
        "may leave one",
        "threading.Thread(target=GO.wait, args=(20,), daemon=True).start()",
        marks="@pytest.mark.unguarded('threads', reason='to see')\n",
    ),
]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them, each with an innocent one behind it."""
    after = [Case(f"{case.does} and the next is innocent", "time.sleep(0.1)") for case in LEFT]
    end = Case("lets them go", "GO.set()")
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": "",
            "tests/conftest.py": CONFTEST,
            "tests/unit/test_a_left.py": file_of(
                HEAD, [case for pair in zip(LEFT, after, strict=True) for case in pair] + [end]
            ),
            "tests/unit/test_b_innocent.py": file_of(
                HEAD + "\nKEPT = ThreadPoolExecutor(1)\n", [*INNOCENT, end]
            ).replace("test_lets", "test_lets_b"),
        },
        tiers='expected_threads = ["expected-"]',
    )


@pytest.mark.parametrize("case", LEFT, ids=lambda case: case.does)
def test_what_goes_on_is_named(done: Done, case: Case) -> None:
    assert case.says in done.of(case.name)


def test_nothing_else_fails(done: Done) -> None:
    innocent = done.failed - {case.name for case in LEFT}
    assert {name: done.of(name) for name in innocent} == {}
    assert len(done.outcomes) == 2 * len(LEFT) + len(INNOCENT) + 2


LATE = """
import threading

import pytest


def test_begins():
    threading.Thread(target=reach_when_told, name="expected", daemon=True).start()


def test_innocent():
    GO.set()
    assert STOPPED.wait(30)


@pytest.mark.xfail(reason="known", strict=False)
def test_begins_and_is_expected_to_fail():
    GO.clear()
    STOPPED.clear()
    threading.Thread(target=reach_when_told, name="expected", daemon=True).start()
    raise AssertionError


def test_innocent_again():
    GO.set()
    assert STOPPED.wait(30)
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["serial", "worker"])
def test_what_is_refused_when_the_test_is_over_fails_it_once_more(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    done = run(
        tmp_path,
        {"src/shop/__init__.py": "", "tests/unit/test_late.py": HEAD + LATE},
        "--junitxml=junit.xml",
        *workers,
        tiers='expected_threads = ["expected"]',
    )
    assert done.status == 1
    assert done.failed == {"test_begins", "test_begins_and_is_expected_to_fail"}
    assert done.of("test_begins").startswith(
        f"Work that the test began went on when the test was over. {NETWORK}"
    )
    assert "ERROR tests/unit/test_late.py::test_begins" in done.output
    assert "test_innocent" not in done.output
    assert (tmp_path / "junit.xml").read_text().count("<error") == 2


UNKNOWN = {
    "thread": """
@pytest.fixture(scope="session")
def server():
    thread = threading.Thread(target=reach_when_told, name="server")
    thread.start()
    yield
    thread.join()
""",
    "task": """
@pytest.fixture(scope="session")
def server():
    # As an application's lifespan has it, in the loop of a client that all tests share.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def poll():
        while not GO.is_set():
            await asyncio.sleep(0.01)
        reach()
        STOPPED.set()

    asyncio.run_coroutine_threadsafe(poll(), loop)
    yield
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
""",
}
UNKNOWN_TESTS = """

def test_takes_a_server(server):
    pass


def test_innocent():
    GO.set()
    assert STOPPED.wait(30)
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["serial", "worker"])
@pytest.mark.parametrize("fixture", UNKNOWN)
def test_what_no_test_has_begun_fails_the_run(tmp_path: Path, workers: tuple[str, ...], fixture: str) -> None:
    body = HEAD + UNKNOWN[fixture] + UNKNOWN_TESTS
    done = run(tmp_path, {"src/shop/__init__.py": "", "tests/unit/test_late.py": body}, *workers)
    assert done.failed == set()
    assert done.status == 1
    assert "= work in the background =" in done.output
    assert "Work of the fixture server (session) went on in the background" in done.output
    assert "opened a connection to 127.0.0.1:9" in done.output


def test_a_server_that_starts_by_reaching_out_is_the_fault_of_who_takes_it(tmp_path: Path) -> None:
    fixture = """
    @pytest.fixture(scope="session")
    def server():
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()


    def test_takes_a_server(server):
        pass


    def test_takes_it_too(server):
        pass
    """
    done = run(
        tmp_path, {"src/shop/__init__.py": "", "tests/unit/test_late.py": HEAD + textwrap.dedent(fixture)}
    )
    assert done.failed == {"test_takes_a_server"}
