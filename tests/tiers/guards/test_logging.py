"""Logging and structlog: what a test configures is named and put back, what the application configures is put back only."""

import pytest
from watched import Case, Done, file_of, run

APP = """
import logging
import logging.config
import sys

import structlog

log = structlog.get_logger()


def configure_logging(level="INFO"):
    logging.basicConfig(level=level, force=True, stream=sys.stderr)
    logging.getLogger("shop").setLevel(level)
    logging.getLogger("shop.audit").addHandler(logging.NullHandler())
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"shop.access": {"handlers": ["console"], "propagate": False}},
    })
    structlog.configure(cache_logger_on_first_use=False, wrapper_class=structlog.make_filtering_bound_logger(20))


def create_app():
    configure_logging()
    return "app"


def begin_request(user):
    structlog.contextvars.bind_contextvars(user=user)


def make_library_work():
    logger = logging.getLogger("library.client")
    logger.setLevel("ERROR")
    logger.addHandler(logging.NullHandler())
"""
HEAD = """
import logging
import logging.config

import pytest
import structlog
import library
import shop.app

def state():
    loggers = [logging.root, logging.getLogger("shop"), logging.getLogger("shop.known"), logging.getLogger("library.known")]
    states = [
        (one.level, one.propagate, one.disabled, [*one.filters], [h for h in one.handlers if "_pytest" not in type(h).__module__])
        for one in loggers
    ]
    context = structlog.contextvars.get_contextvars()
    return states, logging.root.manager.disable, structlog.get_config(), context, structlog.is_configured()

BEFORE = state()

def test_caplog_still_works(caplog):
    with caplog.at_level("INFO"):
        logging.getLogger("shop.app").info("hello")
    assert caplog.messages == ["hello"]
"""
LEFT = [
    Case("sets the level", "logging.getLogger().setLevel(logging.DEBUG)", "root"),
    Case("sets the level of a logger", "logging.getLogger('shop.known').setLevel(1)", "shop.known"),
    Case("sets a level by assignment", "logging.getLogger('shop.known').level = 7", "shop.known"),
    Case("stops propagation", "logging.getLogger('shop.known').propagate = False", "shop.known"),
    Case("disables a logger", "logging.getLogger('shop.known').disabled = True", "shop.known"),
    Case("disables logging", "logging.disable(logging.ERROR)", "logging.disable()"),
    Case("adds a handler", "logging.getLogger('shop.new').addHandler(logging.NullHandler())", "shop.new"),
    Case(
        "adds a handler by its list",
        "logging.getLogger().handlers.append(logging.NullHandler())\n_ = logging.root.addHandler",
        "root",
    ),
    Case("adds a filter", "logging.getLogger('shop').addFilter(print)", "shop"),
    Case("makes a logger of others", "logging.getLogger('somebody.elses').setLevel(1)", "somebody.elses"),
    Case("sets a logger of a library", "logging.getLogger('library.known').setLevel(1)", "library.known"),
    Case("configures logging", "logging.basicConfig(level=5, force=True)", "root"),
    Case("configures structlog", "structlog.configure(cache_logger_on_first_use=True)", "structlog"),
    Case("binds a context", "structlog.contextvars.bind_contextvars(user='ada')", "context of structlog"),
]
INNOCENT = [
    Case("has the application configure it", "assert shop.app.create_app() == 'app'"),
    Case("has it configured by a fixture", "assert app == 'app'", takes="app"),
    Case("has it configured by one of a wider scope", "assert wide_app == 'app'", takes="wide_app"),
    Case(
        "uses what is configured", "assert wide_app and logging.root.level == logging.ERROR", takes="wide_app"
    ),
    Case("has the application bind a context", "shop.app.begin_request('ada')"),
    Case("has a library make a logger", "shop.app.make_library_work()"),
    Case("sets levels by caplog", "caplog.set_level(1)\ncaplog.set_level(1, 'shop.known')", takes="caplog"),
    Case(
        "makes loggers", "logging.getLogger('shop.other')\nlogging.getLogger('somebody.other').info('hello')"
    ),
    Case("binds for a while", "with structlog.contextvars.bound_contextvars(user='ada'):\n    pass"),
    Case(
        "captures logs",
        "with structlog.testing.capture_logs() as said:\n    shop.app.log.info('hi')\nassert said",
    ),
    Case("puts it back", "logging.root.setLevel(7)\nlogging.root.setLevel(logging.WARNING)"),
    Case(
        "may set a level",
        "logging.root.setLevel(7)",
        marks="@pytest.mark.unguarded('logging', reason='to see')\n",
    ),
]
CONFTEST = """
import pytest
import shop.app


@pytest.fixture
def app():
    return shop.app.create_app()


@pytest.fixture(scope="session")
def wide_app():
    shop.app.configure_logging("ERROR")
    return "app"
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them, each followed by a look at what is there."""
    after = [
        Case(f"{case.does} and the next finds nothing", "assert state() == BEFORE")
        for case in [*LEFT, *INNOCENT[:2], INNOCENT[4]]
    ]
    left = [case for pair in zip(LEFT, after, strict=False) for case in pair]
    innocent = [
        INNOCENT[0],
        after[-3],
        INNOCENT[1],
        after[-2],
        INNOCENT[4],
        after[-1],
        *INNOCENT[5:],
        *INNOCENT[2:4],
    ]
    early = "import logging\n\nlogging.getLogger('{}')\n"
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": early.format("shop.known"),
            "src/shop/app.py": APP,
            "plugins/library.py": early.format("library.known"),
            "tests/conftest.py": CONFTEST,
            "tests/unit/test_a_left.py": file_of(HEAD, left),
            "tests/unit/test_b_innocent.py": file_of(HEAD, innocent),
        },
    )


@pytest.mark.parametrize("case", LEFT, ids=lambda case: case.does)
def test_what_is_left_is_named(done: Done, case: Case) -> None:
    said = done.of(case.name)
    assert f"The test left the configuration of logging changed: {case.says}. Use caplog.set_level()" in said
    assert 'If it is meant: @pytest.mark.unguarded("logging", reason="…")' in said


def test_nothing_else_fails(done: Done) -> None:
    innocent = done.failed - {case.name for case in LEFT}
    assert {name: done.of(name) for name in innocent} == {}
    assert len(done.outcomes) == 2 * len(LEFT) + 3 + len(INNOCENT) + 2
