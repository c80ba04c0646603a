"""Fixtures of wider scopes: what they set up is theirs, what they don't put back is their fault; what they give is watched."""

import pytest
from watched import Case, Done, file_of, run

CONFTEST = """
import logging, os, sys

import pytest
import shop.state


@pytest.fixture(scope="session")
def for_the_session():
    os.environ["SESSION"] = "1"
    logging.getLogger("shop").setLevel("ERROR")
    shop.state.CURRENT["session"] = 1
    return "session"


@pytest.fixture(scope="module")
def for_the_module():
    os.environ["MODULE"] = "1"
    sys.path.append("/module")
    shop.state.CURRENT["module"] = 1
    yield "module"
    del os.environ["MODULE"]
    sys.path.remove("/module")
    del shop.state.CURRENT["module"]


@pytest.fixture(scope="module")
def leaves_a_variable():
    os.environ["MODULE_LEFT"] = "1"
    yield


@pytest.fixture(scope="class")
def leaves_much(request):
    request.getfixturevalue("for_the_session")
    sys.path.append("/left")
    shop.state.CURRENT["left"] = 1
    shop.state.function = None
    logging.getLogger("shop.other").setLevel("ERROR")
    yield


@pytest.fixture(scope="module")
def lazily_makes():
    return shop.state.client()
"""
STATE = """
import functools

CURRENT: dict[str, int] = {}
_client: object | None = None


def function():
    return 1


def client():
    global _client
    if _client is None:
        _client = object()
    return _client
"""
TESTS = """
import os, sys, unittest
from unittest.mock import patch

import pytest
import shop.state


def test_0_nothing_yet():
    assert "SESSION" not in os.environ and shop.state.CURRENT == {}


def test_takes_the_session_late(request, monkeypatch):
    monkeypatch.setenv("OWN", "1")
    monkeypatch.setitem(shop.state.CURRENT, "own", 1)
    request.getfixturevalue("for_the_session")
    request.getfixturevalue("for_the_module")


def test_has_what_was_set_up(for_the_session, for_the_module):
    assert os.environ["SESSION"] == os.environ["MODULE"] == "1"
    assert shop.state.CURRENT == {"session": 1, "module": 1}
    assert "OWN" not in os.environ


def test_takes_what_makes_lazily(lazily_makes):
    assert lazily_makes is shop.state.client()


def test_takes_what_leaves_a_variable(leaves_a_variable):
    assert os.environ["MODULE_LEFT"] == "1"


def test_sets_what_is_set_up(for_the_module):
    os.environ["MODULE"] = "2"


def test_finds_it_as_it_was_set_up(for_the_module):
    assert os.environ["MODULE"] == "1"


class TestGroup:
    def test_takes_what_leaves_much(self, leaves_much):
        assert shop.state.CURRENT["left"] == 1


def test_finds_nothing_of_the_group():
    assert "left" not in shop.state.CURRENT and shop.state.function() == 1 and "/left" not in sys.path


class SetUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["CLASS"] = "1"

    @classmethod
    def tearDownClass(cls):
        del os.environ["CLASS"]

    def setUp(self):
        os.environ["TEST"] = "1"

    def tearDown(self):
        del os.environ["TEST"]

    def test_has_both(self):
        assert os.environ["CLASS"] == os.environ["TEST"] == "1"


class LeavesIt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["CLASS_LEFT"] = "1"
        patch("shop.state.function").start()

    def test_of_a_class_that_leaves_a_variable(self):
        assert os.environ["CLASS_LEFT"] == "1"


class LeavesInSetUp(unittest.TestCase):
    def setUp(self):
        os.environ["SET_UP_LEFT"] = "1"

    def test_whose_set_up_leaves_a_variable(self):
        pass


def test_finds_nothing_of_the_classes():
    assert not {"CLASS", "CLASS_LEFT", "SET_UP_LEFT"} & os.environ.keys() and shop.state.function() == 1
"""
SECOND = """
import os, sys

import shop.state


def setup_module():
    os.environ["BY_SETUP_MODULE"] = "1"


def teardown_module():
    del os.environ["BY_SETUP_MODULE"]


def test_finds_nothing_of_the_module():
    assert not {"MODULE", "MODULE_LEFT"} & os.environ.keys() and "/module" not in sys.path
    assert shop.state.CURRENT == {"session": 1} and os.environ["SESSION"] == "1"
    assert os.environ["BY_SETUP_MODULE"] == "1"
"""
THIRD = """
import os

import pytest


@pytest.fixture(scope="module", autouse=True)
def lifted():
    os.environ["LIFTED"] = "1"


@pytest.mark.unguarded("environment", reason="to see it")
def test_may_leave_it():
    assert "BY_SETUP_MODULE" not in os.environ
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them."""
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": "",
            "src/shop/state.py": STATE,
            "tests/conftest.py": CONFTEST,
            "tests/unit/test_a.py": TESTS,
            "tests/unit/test_b.py": SECOND,
            "tests/unit/test_c.py": THIRD,
        },
    )


MUCH = "The fixture leaves_much (class) left {} Put it back behind its yield, or in a tearDownClass or teardown_module."


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "test_finds_nothing_of_the_classes",
            "The fixture leaves_a_variable (module) left the environment changed: MODULE_LEFT.",
        ),
        ("test_sets_what_is_set_up", "The test left the environment changed: MODULE."),
        ("test_takes_what_leaves_much", MUCH.format("settings of the process changed: sys.path.")),
        (
            "test_takes_what_leaves_much",
            MUCH.format(
                "variables or caches of the project changed: shop.state.CURRENT, shop.state.function."
            ),
        ),
        ("test_takes_what_leaves_much", MUCH.format("the configuration of logging changed: shop.other.")),
        (
            "test_of_a_class_that_leaves_a_variable",
            "setUpClass of LeavesIt left the environment changed: CLASS_LEFT.",
        ),
        (
            "test_of_a_class_that_leaves_a_variable",
            "setUpClass of LeavesIt left patchers started: shop.state.function.",
        ),
        ("test_whose_set_up_leaves_a_variable", "The test left the environment changed: SET_UP_LEFT."),
    ],
)
def test_what_is_left_is_named(done: Done, name: str, says: str) -> None:
    assert says in done.of(name)


def test_nothing_else_fails(done: Done) -> None:
    assert done.failed == {
        "test_finds_nothing_of_the_classes",  # behind which the module ends
        "test_sets_what_is_set_up",
        "test_takes_what_leaves_much",
        "test_of_a_class_that_leaves_a_variable",
        "test_whose_set_up_leaves_a_variable",
    }
    assert "MODULE." not in done.of("test_finds_nothing_of_the_classes")


SHARED = """
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from shop.settings import Settings


@pytest.fixture(scope="session")
def settings():
    return Settings()


@pytest.fixture(scope="session")
def app(settings):
    async def start(app):
        app.state.started = True
        yield

    from contextlib import asynccontextmanager
    app = FastAPI(lifespan=asynccontextmanager(start))
    app.state.settings = settings

    @app.get("/cookie")
    def cookie():
        from fastapi import Response
        response = Response()
        response.set_cookie("a", "b")
        return response

    @app.get("/thread")
    async def thread():
        import asyncio
        return await asyncio.to_thread(int)

    return app


@pytest.fixture(scope="session")
def http(app):
    with TestClient(app) as http:
        yield http


@pytest.fixture
def client(http, app):
    app.dependency_overrides = {len: len}
    http.event_hooks = {"request": [print]}
    yield http
    http.event_hooks = {}
    app.dependency_overrides = {}


@pytest.fixture(scope="module")
def requests_session():
    import requests
    return requests.Session()


@pytest.fixture(scope="session")
def plain():
    return {"a": [1]}
"""
SETTINGS = """
from functools import cached_property


class Settings:
    @cached_property
    def client(self):
        return object()

    def __init__(self):
        self.ttl, self.parts, self.hits = 60, ["a"], 0

    def hit(self):
        self.hits += 1
        self.parts[0] = "a"
"""
HEAD = """
import pytest
from fastapi import APIRouter

router = APIRouter()


@router.get("/new")
def new():
    return 1


def state(http, app, settings):
    return (
        dict(http.headers), dict(http.params), http.base_url, http.timeout, http.event_hooks, dict(http.cookies), http.auth,
        dict(app.dependency_overrides), len(app.routes), app.state.settings is settings, vars(settings).get("ttl"), settings.parts,
        dict(app.exception_handlers), len(app.user_middleware),
    )


BEFORE = []


def test_a_before(http, app, settings):
    BEFORE.append(state(http, app, settings))
"""
ALL = "http, client, app, settings, requests_session"
LEFT = [
    Case("sets a header", "client.headers['Authorization'] = 'Bearer admin'", "http.headers", ALL),
    Case("updates headers", "client.headers.update({'a': 'b'})", "http.headers", ALL),
    Case("replaces headers", "client.headers = {'a': 'b'}", "http.headers", ALL),
    Case("sets parameters", "client.params = client.params.set('a', 'b')", "http.params", ALL),
    Case("sets where it asks", "client.base_url = 'http://other'", "http.base_url", ALL),
    Case("sets a time-out", "client.timeout = 1", "http.timeout", ALL),
    Case("sets who asks", "client.auth = ('ada', 'secret')", "http.auth", ALL),
    Case("keeps an override", "app.dependency_overrides[int] = float", "app.dependency_overrides", "app"),
    Case("sets the state", "app.state.settings = None", "app.state", ALL),
    Case("sets it by the client", "client.app.state.more = 1", "app.state", ALL),
    Case("handles exceptions", "app.exception_handlers[ValueError] = print", "app.exception_handlers", ALL),
    Case("adds a middleware", "app.user_middleware.append(1)", "app.user_middleware", ALL),
    Case("sets a setting", "settings.ttl = 1", "settings.ttl", ALL),
    Case(
        "sets a client by its name",
        "assert client.get('/thread').json() == 0\nsetattr(settings, 'client', 1)",
        "settings.client",
        ALL,
    ),
    Case("adds to a setting", "settings.parts.append(1)", "settings.parts", ALL),
    Case(
        "sets a header of a session", "requests_session.headers['a'] = 'b'", "requests_session.headers", ALL
    ),
    Case(
        "keeps a hook of it",
        "requests_session.hooks['response'].append(print)",
        "requests_session.hooks",
        ALL,
    ),
]
INNOCENT = [
    Case(
        "asks with a header",
        "assert client.get('/thread', headers={'a': 'b'}, params={'c': 'd'}).json() == 0",
        takes=ALL,
    ),
    Case("gets a cookie", "assert client.get('/cookie').cookies['a'] == 'b'", takes=ALL),
    Case("has no cookie", "assert not client.cookies", takes=ALL),
    Case("adds a route", "app.include_router(router)\nassert client.get('/new').json() == 1", takes=ALL),
    Case("adds it again", "app.include_router(router)\nassert client.get('/new').json() == 1", takes=ALL),
    Case("has no route", "assert client.get('/new').status_code == 404", takes=ALL),
    Case("puts it back", "client.headers['a'] = 'b'\ndel client.headers['a']", takes=ALL),
    Case("patches it", "monkeypatch.setattr(settings, 'ttl', 1)", takes=f"monkeypatch, {ALL}"),
    Case(
        "has it make a client when it is asked",
        "assert client.get('/thread').json() == 0\nassert settings.client",
        takes=ALL,
    ),
    Case("has a method set it", "settings.hit()", takes=ALL),
    Case(
        "has a client of its own",
        "from fastapi.testclient import TestClient\nwith TestClient(app):\n    pass",
        takes=ALL,
    ),
    Case("changes what is shared to be changed", "plain['a'].append(2)", takes="plain"),
    Case(
        "may set a header",
        "client.headers['a'] = 'b'",
        takes=ALL,
        marks="@pytest.mark.unguarded('shared', reason='to see')\n",
    ),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of tests that share a client, an app and settings."""
    body = "assert state(http, app, settings) == BEFORE[0]"
    after = [
        Case(f"{case.does} and the next finds nothing", body, takes="http, app, settings")
        for case in [*LEFT, *INNOCENT]
    ]
    pairs = [case for pair in zip([*LEFT, *INNOCENT], after, strict=True) for case in pair]
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": "",
            "src/shop/settings.py": SETTINGS,
            "tests/conftest.py": SHARED,
            "tests/unit/test_shared.py": file_of(HEAD, pairs),
        },
    )


@pytest.mark.parametrize("case", LEFT, ids=lambda case: case.does)
def test_what_is_shared_and_changed_is_named(shared: Done, case: Case) -> None:
    said = shared.of(case.name)
    assert f"The test left what tests share changed: {case.says}. Put it back in a fixture" in said


def test_nothing_else_fails_of_what_shares(shared: Done) -> None:
    innocent = shared.failed - {case.name for case in LEFT}
    assert {name: shared.of(name) for name in innocent} == {}
    assert len(shared.outcomes) == 2 * len([*LEFT, *INNOCENT]) + 1
