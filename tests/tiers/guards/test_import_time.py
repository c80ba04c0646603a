"""Guards hold while modules of tests are imported: what such a module sets is its fault, what it imports may set what it likes."""

import textwrap

import pytest
from watched import Done, run

LEFT = {
    "a variable": ("import os\nos.environ['LEFT'] = '1'", "left the environment changed: LEFT."),
    "a folder": ("import os\nos.chdir('src')", "left the environment changed: working directory."),
    "logging": (
        "import logging\nlogging.disable(50)",
        "left the configuration of logging changed: logging.disable().",
    ),
    "sys_path": ("import sys\nsys.path.append('/left')", "left settings of the process changed: sys.path."),
    "a mock": ("import sys\nsys.modules['boto3'] = object()", "left sys.modules changed: boto3."),
    "a patcher": (
        "from unittest.mock import patch\npatch('textwrap.fill').start()",
        "left patchers started: textwrap.fill.",
    ),
    "a function": (
        "import shop.app\nshop.app.function = None",
        "left variables or caches of the project changed: shop.app.function.",
    ),
    "a registry": (
        "import shop.app\nshop.app.REGISTRY['a'] = 1",
        "left variables or caches of the project changed: shop.app.REGISTRY.",
    ),
    "an override": (
        "import shop.app\nshop.app.app.dependency_overrides[len] = max",
        "left variables or caches of the project changed: shop.app.app.dependency_overrides.",
    ),
    "a thread": (
        "import threading\nthreading.Thread(target=threading.Event().wait, name='early', daemon=True).start()",
        "left threads or tasks running: early.",
    ),
    "a file": ("open('left.txt', 'w').close()", "wrote among the sources: left.txt."),
    "the network": (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError:\n    pass",
        "opened a connection to 127.0.0.1:9, and tests/unit has no network.",
    ),
    "a helper": ("import helper_of_tests", "left the environment changed: BY_HELPER."),
}
INNOCENT = {
    "imports": "import shop.early\nimport shop.early.late\nimport unknown_library",
    "defines": "from shop.app import Exporter\n\n\nclass Own(Exporter):\n    pass\n",
    "makes": "from shop.app import client, settings\n\nCLIENT = client()\nSETTINGS = settings()",
    "lifted": (
        "import os, pytest, socket\n\npytestmark = [pytest.mark.unguarded('environment', 'network', reason='to see it')]\n"
        "os.environ['LIFTED'] = '1'\ntry:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError as error:\n"
        "    assert type(error) is ConnectionRefusedError"
    ),
    "restores": "import os\nos.environ['GONE'] = '1'\ndel os.environ['GONE']",
}
APP = """
import functools

from fastapi import FastAPI

app = FastAPI()
REGISTRY = {}
EXPORTERS = []
_client = None


class Exporter:
    def __init_subclass__(cls):
        EXPORTERS.append(cls)


def function():
    return 1


def client():
    global _client
    if _client is None:
        _client = object()
    return _client


@functools.cache
def settings():
    return {}
"""
EARLY = """
import logging, os, sys, threading

from shop.app import REGISTRY

os.environ["{name}"] = "1"
logging.getLogger("{name}").setLevel(7)
sys.path.append("/{name}")
REGISTRY["{name}"] = 1
threading.Thread(target=threading.Event().wait, name="{name}", daemon=True).start()
"""
LAST = """
import logging, os, sys

import shop.app


def test_finds_nothing_that_tests_left():
    assert not {"LEFT", "LIFTED", "BY_HELPER"} & os.environ.keys() and os.environ["CONFTEST"] == "1"
    assert "/left" not in sys.path and "boto3" not in sys.modules and not logging.root.manager.disable
    assert shop.app.function() == 1 and shop.app.app.dependency_overrides == {}


def test_finds_what_was_imported():
    assert {"early", "late", "library"} <= os.environ.keys() & shop.app.REGISTRY.keys() and "/late" in sys.path
    assert logging.getLogger("library").level == logging.getLogger("late").level == 7
    assert [kind.__name__ for kind in shop.app.EXPORTERS] == ["Own"]


def test_imports_late():
    import shop.later

    assert os.environ["later"] == "1" and shop.later


def test_finds_what_that_set():
    assert os.environ["later"] == "1" and shop.app.REGISTRY["later"] == 1
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them, each in a module of its own."""
    test = "\n\n\ndef test_of_{}():\n    pass\n"
    modules = {f"left_{name.replace(' ', '_')}": body for name, (body, _) in LEFT.items()} | INNOCENT
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": "",
            "src/shop/app.py": APP,
            "src/shop/early/__init__.py": EARLY.format(name="early"),
            "src/shop/early/late.py": EARLY.format(name="late"),
            "src/shop/later.py": EARLY.format(name="later"),
            "plugins/unknown_library.py": EARLY.format(name="library"),
            "tests/conftest.py": "import os\n\nos.environ['CONFTEST'] = '1'\n",
            "tests/unit/helper_of_tests.py": "import os\n\nos.environ['BY_HELPER'] = '1'\n",
            **{f"tests/unit/test_{name}.py": body + test.format(name) for name, body in modules.items()},
            "tests/unit/test_z_last.py": textwrap.dedent(LAST),
        },
    )


@pytest.mark.parametrize("name", LEFT)
def test_what_a_module_sets_is_named_by_each_of_its_tests(done: Done, name: str) -> None:
    file = f"left_{name.replace(' ', '_')}"
    said = done.of(f"test_of_{file}")
    assert said.startswith(f"Importing tests/unit/test_{file}.py {LEFT[name][1]}")
    assert "If it is meant: pytestmark = pytest.mark.unguarded(" in said


def test_nothing_else_fails(done: Done) -> None:
    innocent = done.failed - {f"test_of_left_{name.replace(' ', '_')}" for name in LEFT}
    assert {name: done.of(name) for name in innocent} == {}
    assert len(done.outcomes) == len(LEFT) + len(INNOCENT) + 4


def test_what_is_refused_and_not_caught_says_so_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    body = "import socket\n\nsocket.create_connection(('127.0.0.1', 9), 1)\n"
    done = run(tmp_path_factory.mktemp("suite"), {"tests/unit/test_reaches.py": body})
    assert done.status == 2
    assert (
        done.of("tests/unit/test_reaches.py").count(
            "Importing tests/unit/test_reaches.py opened a connection"
        )
        == 1
    )
    assert "1 error in" in done.output


def test_a_module_that_fails_and_leaves_something_says_both(tmp_path_factory: pytest.TempPathFactory) -> None:
    body = "import os\n\nos.environ['LEFT'] = '1'\nassert False\n"
    after = "import os\n\n\ndef test_after():\n    assert 'LEFT' not in os.environ\n"
    files = {"tests/unit/test_fails.py": body, "tests/unit/test_later.py": after}
    done = run(tmp_path_factory.mktemp("suite"), files, "--continue-on-collection-errors")
    said = done.of("tests/unit/test_fails.py")
    assert "assert False" in said
    assert "Importing tests/unit/test_fails.py left the environment changed: LEFT." in said
    assert done.of("test_after") == ""


def test_an_expected_failure_hides_nothing_of_its_module(tmp_path_factory: pytest.TempPathFactory) -> None:
    body = "import os, pytest\n\nos.environ['LEFT'] = '1'\n\n\n@pytest.mark.xfail\ndef test_expected():\n    assert False\n"
    done = run(tmp_path_factory.mktemp("suite"), {"tests/unit/test_left.py": body})
    assert "left the environment changed: LEFT." in done.of("test_expected")
