"""Environment, locale, settings of the process, sys.modules and patchers: what a test leaves is named and put back."""

from pathlib import Path

import pytest
from watched import Case, Done, file_of, run

HEAD = """
import decimal, gc, importlib, locale, textwrap, os, signal, socket, sys, time, types
from pathlib import Path
from unittest import mock
from unittest.mock import patch

import pytest
from shop import rates
"""
LEFT = [
    Case(
        "sets a variable",
        "os.environ['LEFT'] = '1'",
        "left the environment changed: LEFT. Use monkeypatch's setenv()",
    ),
    Case("removes a variable", "del os.environ['HOME']", "left the environment changed: HOME."),
    Case("changes a variable", "os.environ['PATH'] += ':/left'", "left the environment changed: PATH."),
    Case(
        "changes the folder",
        "os.chdir(tmp_path)",
        "left the environment changed: working directory.",
        "tmp_path",
    ),
    Case(
        "removes the folder that it is in",
        "gone = tmp_path / 'gone'\ngone.mkdir()\nos.chdir(gone)\ngone.rmdir()",
        "left the environment changed: working directory.",
        "tmp_path",
    ),
    Case(
        "sets the time zone",
        "monkeypatch.setenv('TZ', 'Asia/Tokyo')\ntime.tzset()",
        "left time zone or locale changed: time zone. Put it back in a fixture",
        "monkeypatch",
    ),
    Case(
        "sets the locale",
        "locale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')",
        "locale changed: locale. Put it back",
    ),
    Case(
        "adds to sys.path",
        "sys.path.insert(0, '/left')",
        "left settings of the process changed: sys.path. Use",
    ),
    Case("removes from sys.path", "sys.path.pop()", "settings of the process changed: sys.path."),
    Case(
        "adds an importer",
        "sys.meta_path.append(object())",
        "settings of the process changed: sys.meta_path.",
    ),
    Case(
        "adds a path hook", "sys.path_hooks.append(print)", "settings of the process changed: sys.path_hooks."
    ),
    Case("replaces excepthook", "sys.excepthook = print", "settings of the process changed: sys.excepthook."),
    Case(
        "allows recursion", "sys.setrecursionlimit(5000)", "settings of the process changed: recursion limit."
    ),
    Case("stops the collector", "gc.disable()", "settings of the process changed: garbage collection."),
    Case("sets umask", "os.umask(0o007)", "settings of the process changed: umask."),
    Case("sets a time-out", "socket.setdefaulttimeout(7)", "changed: default time-out of sockets."),
    Case(
        "sets precision", "decimal.getcontext().prec = 5", "settings of the process changed: decimal context."
    ),
    Case(
        "has decimal trap",
        "decimal.getcontext().traps[decimal.Inexact] = True",
        "settings of the process changed: decimal context.",
    ),
    Case(
        "handles a signal",
        "signal.signal(signal.SIGTERM, lambda *_: None)",
        "settings of the process changed: handler of SIGTERM.",
    ),
    Case("ignores a signal", "signal.signal(signal.SIGINT, signal.SIG_IGN)", "changed: handler of SIGINT."),
    Case(
        "sets an event loop",
        "import asyncio\nasyncio.set_event_loop(asyncio.new_event_loop())",
        "settings of the process changed: event loop.",
    ),
    Case(
        "puts a mock in the place of a module",
        "sys.modules['boto3'] = mock.Mock()",
        "left sys.modules changed: boto3. Use monkeypatch's setitem()",
    ),
    Case(
        "makes up a module",
        "sys.modules['made_up'] = types.ModuleType('made_up')",
        "sys.modules changed: made_up.",
    ),
    Case("hides a module", "sys.modules['json.tool'] = None", "sys.modules changed: json.tool."),
    Case("removes a module", "del sys.modules['shop.rates']", "sys.modules changed: shop.rates."),
    Case(
        "imports a module anew",
        "del sys.modules['shop.rates']\nimportlib.import_module('shop.rates')",
        "sys.modules changed: shop.rates.",
    ),
    Case(
        "starts a patcher",
        "patch('textwrap.fill').start()",
        "left patchers started: textwrap.fill. Use monkeypatch or mocker",
    ),
    Case(
        "starts a patcher of an object",
        "patch.object(textwrap, 'indent').start()",
        "patchers started: textwrap.indent.",
    ),
    Case(
        "starts a patcher of a dictionary",
        "patch.dict(os.environ, X='1').start()",
        "patchers started: a dictionary.",
    ),
    Case(
        "starts a patcher of its package",
        "patch('shop.rates.price').start()",
        "patchers started: shop.rates.price.",
    ),
]
CLEAN = """
import decimal, gc, importlib, locale, textwrap, os, signal, socket, sys, time
from pathlib import Path

import shop.rates


def now():
    umask = os.umask(0)
    os.umask(umask)
    decimals = repr(decimal.getcontext()).partition("flags")[0], decimal.getcontext().traps[decimal.Inexact]
    signals = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    paths = [*sys.path], [*sys.meta_path], [*sys.path_hooks], sys.excepthook, sys.getrecursionlimit()
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    modules = [sys.modules.get(name) for name in ("boto3", "made_up", "json.tool", "shop.rates")]
    return (
        umask, decimals, signals, paths, variables, modules, gc.isenabled(), socket.getdefaulttimeout(),
        time.tzname, locale.setlocale(locale.LC_ALL), Path.cwd(), textwrap.fill, textwrap.indent, shop.rates.price,
    )


BEFORE = []


def test_0_as_it_is():
    BEFORE.extend(now())


def test_z_all_was_put_back():
    assert list(now()) == BEFORE
"""
INNOCENT = [
    Case(
        "patches with monkeypatch",
        """
        monkeypatch.setenv("LEFT", "1")
        monkeypatch.delenv("HOME")
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(sys.modules, "boto3", mock.Mock())
        monkeypatch.delitem(sys.modules, "shop.rates")
        importlib.import_module("shop.rates")
        """,
        takes="monkeypatch, tmp_path",
    ),
    Case("puts it back itself", "before = os.umask(0o007)\nos.umask(before)"),
    Case("has a local decimal context", "with decimal.localcontext() as context:\n    context.prec = 5"),
    Case(
        "raises flags of decimal",
        "assert decimal.Decimal(1) / 3\nassert decimal.getcontext().flags[decimal.Inexact]",
    ),
    Case(
        "has a signal", "before = signal.signal(signal.SIGALRM, print)\nsignal.signal(signal.SIGALRM, before)"
    ),
    Case("patches for a while", "with patch('textwrap.fill'), patch.dict(os.environ, X='1'):\n    pass"),
    Case("patches as a decorator", "assert fill", takes="fill", marks="@patch('textwrap.fill')\n"),
    Case("stops its patcher", "patcher = patch('textwrap.fill')\npatcher.start()\npatcher.stop()"),
    Case("has the application handle signals and errors", "rates.start()"),
    Case("imports what nobody has", "import wave\nimport xml.dom.minidom"),
    Case("runs a loop", "import asyncio\nasyncio.run(asyncio.sleep(0))"),
    Case("asks for the time zone", "time.tzset()"),
    Case("sees a variable that is given", "assert os.environ['GIVEN'] == 'to the suite'"),
]
LIFTED = [
    Case(
        f"may {case.does}",
        case.body,
        takes=case.takes,
        marks=f"@pytest.mark.unguarded('{guard}', reason='to see it')\n",
    )
    for case, guard in (
        (LEFT[0], "environment"),
        (LEFT[6], "locale"),
        (LEFT[8], "process"),
        (LEFT[22], "process"),
        (LEFT[27], "patches"),
    )
]
RATES = """
import signal, sys


def price():
    return 1


def start():
    signal.signal(signal.SIGTERM, print)
    sys.excepthook = print
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them."""
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": "",
            "src/shop/rates.py": RATES,
            "tests/unit/test_a_clean.py": CLEAN,
            "tests/unit/test_b_left.py": file_of(HEAD, LEFT),
            "tests/unit/test_c_innocent.py": file_of(HEAD, INNOCENT),
            "tests/unit/test_d_lifted.py": file_of(HEAD, LIFTED),
        },
        "tests/unit/test_a_clean.py::test_0_as_it_is",
        "tests/unit/test_b_left.py",
        "tests/unit/test_c_innocent.py",
        "tests/unit/test_d_lifted.py",
        "tests/unit/test_a_clean.py::test_z_all_was_put_back",
        environment={"GIVEN": "to the suite"},
    )


@pytest.mark.parametrize("case", LEFT, ids=lambda case: case.does)
def test_what_is_left_is_named(done: Done, case: Case) -> None:
    assert done.of(case.name).startswith("The test left ")
    assert case.says in done.of(case.name)
    assert "If it is meant: @pytest.mark.unguarded(" in done.of(case.name)


def test_nothing_else_fails(done: Done) -> None:
    innocent = done.failed - {case.name for case in LEFT}
    assert {name: done.of(name) for name in innocent} == {}
    assert len(done.outcomes) == len(LEFT) + len(INNOCENT) + len(LIFTED) + 2


def test_names_are_said_up_to_a_number(tmp_path: Path) -> None:
    body = "for number in range(12):\n    os.environ[f'LEFT_{number:02}'] = '1'"
    done = run(tmp_path, {"tests/unit/test_many.py": file_of("import os", [Case("sets many", body)])})
    assert (
        "changed: LEFT_00, LEFT_01, LEFT_02, LEFT_03, LEFT_04, LEFT_05, LEFT_06, LEFT_07 and 4 more."
        in done.of("test_sets_many")
    )
