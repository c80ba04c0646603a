"""Variables, functions, classes, containers and caches of the project: what a test leaves, as against what the application makes."""

from pathlib import Path

import pytest
from watched import Case, Done, file_of, run

RATES = """
import datetime
import functools
from collections import Counter, OrderedDict, defaultdict, deque
from contextvars import ContextVar
from decimal import Decimal

from shop.money import Money

KNOWN: dict[str, int] = {}
NESTED = {"a": {"b": [1, {"c": 2}]}, "t": ({"in": "a tuple"},)}
NAMES = ["euro"]
SEEN = {"euro"}
LAST = deque([1, 2], maxlen=5)
COUNTS = Counter(a=1)
GROUPS = defaultdict(list)
ORDERED = OrderedDict(a=1)
LONG = list(range(5000))
FIRST = Money(1)
current: str | None = None
ENABLED = False
user: ContextVar[str] = ContextVar("user")
language: ContextVar[str] = ContextVar("language", default="en")


def price():
    return 1


def remembers(item, seen=[]):
    seen.append(item)
    return seen


def enable():
    global ENABLED
    ENABLED = True


def log_in(name):
    global current
    current = name
"""
MONEY = """
import enum
from typing import ClassVar


class Money:
    unit = "euro"
    limits: ClassVar[dict[str, int]] = {}

    def __init__(self, amount):
        self.amount, self.notes = amount, []

    def __str__(self):
        return "1"

    @staticmethod
    def parse(text):
        return Money(int(text))

    @classmethod
    def none(cls):
        return cls(0)

    @property
    def cents(self):
        return self.amount * 100

    class Rounding:
        digits = 2


class Coin(Money):
    pass


class Colour(enum.Flag):
    RED = 1
    BLUE = 2
"""
HEAD = """
import datetime, functools, importlib, random, sys, time
from unittest.mock import Mock, patch

import pytest
from shop import lazy, money, rates
from shop.money import Coin, Colour, Money


class Fake:
    pass


def helper():
    rates.price = lambda: 3


class Group:
    def help(self):
        rates.NAMES.clear()

    def test_calls_a_method(self):
        self.help()
"""
LEFT = [
    Case("replaces a function", "rates.price = lambda: 2", "shop.rates.price"),
    Case("replaces a function by a mock", "rates.price = Mock()", "shop.rates.price"),
    Case("has a helper replace a function", "helper()", "shop.rates.price"),
    Case("has a class replace a function", "Group().test_calls_a_method()", "shop.rates.NAMES"),
    Case("replaces a module", "rates.datetime = Mock()", "shop.rates.datetime"),
    Case("replaces a class", "rates.Money = Fake", "shop.rates.Money"),
    Case("replaces what was imported", "rates.Decimal = int", "shop.rates.Decimal"),
    Case("replaces a method", "Money.__str__ = lambda self: '2'", "shop.money.Money.__str__"),
    Case("replaces a static method", "Money.parse = Mock()", "shop.money.Money.parse"),
    Case("replaces a class method", "Money.none = lambda: 1", "shop.money.Money.none"),
    Case("replaces a property", "Money.cents = 5", "shop.money.Money.cents"),
    Case("sets an attribute of a class", "Money.unit = 'dollar'", "shop.money.Money.unit"),
    Case("sets it by a class of its", "Coin.unit = 'dollar'", "shop.money.Coin.unit"),
    Case(
        "sets an attribute of a class within", "Money.Rounding.digits = 3", "shop.money.Money.Rounding.digits"
    ),
    Case("adds a method", "Money.new = lambda self: 1", "shop.money.Money.new"),
    Case("adds a special method", "Money.__call__ = lambda self: 1", "shop.money.Money.__call__"),
    Case("removes a method", "del Money.parse", "shop.money.Money.parse"),
    Case("uses setattr", "setattr(rates, 'price', 1)", "shop.rates.price"),
    Case("uses the dictionary", "vars(rates)['price'] = 1", "shop.rates.price"),
    Case(
        "keeps a patch of monkeypatch", "pytest.MonkeyPatch().setattr(rates, 'price', 1)", "shop.rates.price"
    ),
    Case("sets a variable", "rates.current = 'dollar'", "shop.rates.current"),
    Case("adds a variable", "rates.added = 1", "shop.rates.added"),
    Case("removes a variable", "del rates.current", "shop.rates.current"),
    Case("has a setter set a variable", "rates.log_in('ada')", "shop.rates.current"),
    Case("has a switch set", "rates.enable()", "shop.rates.ENABLED"),
    Case("sets an attribute of an object", "rates.FIRST.amount = 2", "shop.rates.FIRST.amount"),
    Case("adds to a list of an object", "rates.FIRST.notes.append(1)", "shop.rates.FIRST.notes"),
    Case("adds to a dictionary", "rates.KNOWN['silver'] = 1", "shop.rates.KNOWN"),
    Case("adds to a dictionary of a class", "Money.limits['a'] = 1", "shop.money.Money.limits"),
    Case("adds deep inside", "rates.NESTED['a']['b'][1]['d'] = 3", "shop.rates.NESTED"),
    Case("adds within a tuple", "rates.NESTED['t'][0]['d'] = 3", "shop.rates.NESTED"),
    Case("changes deep inside", "rates.NESTED['a']['b'].pop()", "shop.rates.NESTED"),
    Case("replaces what is inside", "rates.NESTED['a'] = {}", "shop.rates.NESTED"),
    Case("appends to a list", "rates.NAMES.append('dollar')", "shop.rates.NAMES"),
    Case("sorts a list", "rates.LAST.rotate()", "shop.rates.LAST"),
    Case("adds to a set", "rates.SEEN.add('dollar')", "shop.rates.SEEN"),
    Case("counts", "rates.COUNTS['a'] += 1", "shop.rates.COUNTS"),
    Case("makes a group", "rates.GROUPS['x']", "shop.rates.GROUPS"),
    Case("adds to an ordered dictionary", "rates.ORDERED['b'] = 2", "shop.rates.ORDERED"),
    Case("swaps a container", "rates.KNOWN = {'gold': 1}", "shop.rates.KNOWN"),
    Case("adds to a long list", "rates.LONG.append(1)", "shop.rates.LONG"),
    Case("uses a default that remembers", "rates.remembers(1)", "shop.rates.remembers"),
    Case("sets a context variable", "rates.user.set('ada')", "shop.rates.user"),
    Case("sets one with a default", "rates.language.set('de')", "shop.rates.language"),
    Case("puts a fake in the place of a singleton", "lazy._client = Fake()", "shop.lazy._client"),
    Case("sets a singleton itself", "lazy._client = object()", "shop.lazy._client"),
    Case("sets a singleton by its name", "setattr(lazy, '_client', object())", "shop.lazy._client"),
    Case("makes a singleton of a fake", "lazy.client_of(Fake)", "shop.lazy._other"),
    Case("sets a private counter itself", "lazy._served = 7", "shop.lazy._served"),
    Case("adds to a private list", "lazy._history.append('a')", "shop.lazy._history"),
    Case("writes into a memo", "lazy._memo['a'] = 'wrong'", "shop.lazy._memo"),
    Case("changes what a memo holds", "lazy._kept['a']['b'] = 1", "shop.lazy._kept"),
    Case("changes settings that are cached", "lazy.early().debug = True", "shop.lazy.early.debug"),
    Case(
        "loads a module again",
        "importlib.reload(money)",
        "shop.money.Coin, shop.money.Colour, shop.money.Money",
    ),
    Case("replaces a function of Python", "time.sleep = lambda seconds: None", "time.sleep"),
    Case("replaces another one", "random.random = lambda: 0.5", "random.random"),
    Case("replaces a class of Python", "datetime.datetime = Fake", "datetime.datetime"),
    Case("sets where temporary files go", "import tempfile\ntempfile.tempdir = '/'", "tempfile.tempdir"),
    Case("replaces a builtin", "import builtins\nbuiltins.ascii = repr", "builtins.ascii"),
]
LAZY = """
import functools
import os
import sys
from typing import ClassVar

_client: object | None = None
_other: object | None = None
_lock_made = False
_ready = False
_data: dict[str, int] = {}
_memo: dict[str, str] = {}
_kept: dict[str, dict] = {"a": {}}
_warned: set[str] = set()
_ABSENT = object()
_late = _ABSENT


class Settings:
    def __init__(self):
        self.debug = False
        self.name = os.environ.get("NAME", "none")
        self.asked = 0
        self._parts = None

    @functools.cached_property
    def url(self):
        return "http://" + self.name

    def parts(self):
        if self._parts is None:
            self._parts = [1, 2]
        self.asked += 1
        return self._parts


def client():
    global _client
    if _client is None:
        _client = Settings()
    return _client


def client_of(kind):
    global _other
    if _other is None:
        _other = kind()
    return _other


def late():
    global _late
    if _late is _ABSENT:
        _late = Settings()
    return _late


def load():
    global _ready
    if not _ready:
        _data.update(a=1)
        _ready = True
    return _data


@functools.lru_cache
def settings():
    return Settings()


@functools.lru_cache
def early():
    return Settings()


early()


@functools.cache
def doubled(number):
    return 2 * number


@functools.cache
def tripled(number):
    return 3 * number


tripled(1)
tripled(1)


def remembered(name):
    if name not in _memo:
        _memo[name] = name.upper()
    return _memo[name]


def kept(name):
    return _kept.setdefault(name, {})


_greeted = False
_served = 0
_history: list[str] = []


def greet():
    global _greeted
    if not _greeted:
        _greeted = True


def serve():
    global _served
    _served += 1
    return _served


def warn_once(name):
    if name not in _warned:
        _warned.add(name)


class Only:
    _instance: "ClassVar[Only | None]" = None
    _known: ClassVar[dict[str, int]] = {}

    def __new__(cls):
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    @classmethod
    def know(cls, name):
        return cls._known.setdefault(name, len(name))

    @functools.lru_cache
    def twice(self, number):
        return number * 2

    @staticmethod
    @functools.cache
    def parsed():
        return {"a": 1}


class Meta(type):
    _instances: "dict[type, object]" = {}

    def __call__(cls, *arguments):
        if cls not in cls._instances:
            cls._instances[cls] = super().__call__(*arguments)
        return cls._instances[cls]


class Single(metaclass=Meta):
    pass


service = Settings()


def __getattr__(name):
    if name == "heavy":
        globals()["heavy"] = 42
        return 42
    raise AttributeError(name)
"""
INNOCENT = [
    Case("makes a client", "assert lazy.client() is lazy.client()"),
    Case("makes a late one", "assert lazy.late()"),
    Case("loads data", "assert lazy.load() == {'a': 1}"),
    Case("caches settings", "assert lazy.settings().name == 'none'"),
    Case("caches by arguments", "assert lazy.doubled(4) == 8"),
    Case("fills a memo", "assert lazy.remembered('a') == 'A'"),
    Case("fills a memo with what changes", "assert lazy.kept('b') == {}"),
    Case("warns once", "lazy.warn_once('a')"),
    Case("counts privately", "assert lazy.serve() == 1"),
    Case("counts from the same number on", "assert lazy.serve() == 1"),
    Case("makes the only one", "assert lazy.Only() is lazy.Only()"),
    Case("fills a memo of a class", "assert lazy.Only.know('abc') == 3"),
    Case("caches a method", "assert lazy.Only().twice(2) == 4 and lazy.Only.parsed() == {'a': 1}"),
    Case("makes a single one", "assert lazy.Single() is lazy.Single()"),
    Case("asks for what is imported late", "assert lazy.heavy == 42"),
    Case(
        "asks for what is made once",
        "assert lazy.service.url == 'http://none' and lazy.service.parts() == [1, 2]",
    ),
    Case("asks for it again", "assert lazy.service.parts()"),
    Case("clears a cache", "lazy.settings()\nlazy.settings.cache_clear()"),
    Case("combines flags", "assert (Colour.RED | Colour.BLUE).value == 3"),
    Case("imports what nobody has", "from shop import late\nassert late.HERE"),
    Case(
        "asks where temporary files go",
        "import tempfile\ntempfile.tempdir, before = None, tempfile.tempdir\nassert tempfile.gettempdir() == before",
    ),
    Case("reads", "assert rates.KNOWN == {} and rates.price() == 1 and str(Money.none()) == '1'"),
    Case("changes copies", "dict(rates.KNOWN)['a'] = 1\nMoney(1).amount = 2\nMoney(2).notes.append(1)"),
    Case(
        "patches",
        """
        monkeypatch.setattr(rates, "price", Mock())
        monkeypatch.setattr(Money, "unit", "dollar")
        monkeypatch.setitem(rates.KNOWN, "a", 1)
        monkeypatch.setattr(time, "sleep", Mock())
        with patch("shop.rates.log_in"), patch.object(Money, "none"):
            rates.log_in("ada")
        """,
        takes="monkeypatch",
    ),
    Case(
        "puts it back",
        "rates.KNOWN['a'] = 1\ndel rates.KNOWN['a']\nrates.current = 'x'\nrates.current = None",
    ),
    Case("sets for a while", "token = rates.user.set('ada')\nrates.user.reset(token)"),
    Case("changes what is expected", "rates.expected['a'] = 1\nrates.Expected.count = 2"),
]
WHILE_PATCHED = [
    Case("changes what it has made itself", "lazy.settings().debug = True"),
    Case("has it as it is made", "assert not lazy.settings().debug\nlazy.settings.cache_clear()"),
    Case("makes a client while it patches", "MADE.append(lazy.client())", takes="monkeypatch"),
    Case("makes another one", "MADE.append(lazy.client())\nassert MADE[0] is not MADE[1]"),
    Case("has the same again", "assert lazy.client() is MADE[1]"),
    Case(
        "caches settings while it patches",
        "monkeypatch.setenv('NAME', 'patched')\nassert lazy.settings().name == 'patched'",
        takes="monkeypatch",
    ),
    Case("has settings of its own", "assert lazy.settings().name == 'none'"),
    Case(
        "fills it again while it patches",
        "lazy.early.cache_clear()\nmonkeypatch.setenv('NAME', 'patched')\nassert lazy.early().name == 'patched'",
        takes="monkeypatch",
    ),
    Case("has early settings of its own", "assert lazy.early().name == 'none'"),
    Case("clears it and asks again", "lazy.early.cache_clear()\nMADE.append(lazy.early())"),
    Case("has what was made then", "assert lazy.early() is MADE[-1]"),
    Case("fills by arguments", "lazy.doubled(4)\nlazy.remembered('a')"),
    Case("finds that empty", "assert lazy.doubled.cache_info().currsize == 0 and lazy._memo == {}"),
    Case("asks twice for what was there", "assert lazy.tripled(1) == lazy.tripled(1) == 3"),
    Case("still has it", "assert lazy.tripled.cache_info().currsize == 1"),
    Case("empties it and asks for something else", "lazy.tripled.cache_clear()\nassert lazy.tripled(2) == 6"),
    Case("finds it empty", "assert lazy.tripled.cache_info().currsize == 0"),
    Case("sets a flag", "lazy.greet()"),
    Case("finds no flag", "assert not lazy._greeted"),
    Case("loads once", "lazy.load()"),
    Case("has to load again", "assert lazy._data == {} and not lazy._ready"),
]
"""What is made while something is patched may hold that: it is put back without a word."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The run of all of them."""
    after = [Case(f"{case.does} and the next finds nothing", "assert state() == BEFORE") for case in LEFT]
    pairs = [case for pair in zip(LEFT, after, strict=True) for case in pair]
    return run(
        tmp_path_factory.mktemp("suite"),
        {
            "src/shop/__init__.py": "",
            "src/shop/money.py": MONEY,
            "src/shop/rates.py": RATES + "expected = {}\n\n\nclass Expected:\n    count = 1\n",
            "src/shop/lazy.py": LAZY,
            "src/shop/late.py": "import shop.rates\n\nshop.rates.KNOWN.setdefault('late', 1)\ndel shop.rates.KNOWN['late']\nHERE = True\n",
            "tests/unit/test_a_innocent.py": file_of(HEAD, INNOCENT),
            "tests/unit/test_b_left.py": file_of(HEAD + STATE, pairs),
        },
        tiers='expected_caches = ["shop\\\\.rates\\\\.expected", "shop\\\\.rates\\\\.Expected\\\\.count"]',
    )


STATE = '''

def state():
    """Return what there is, by identity where that matters."""
    functions = [vars(rates)[name] for name in ("price", "Money", "Decimal", "datetime")]
    methods = [vars(Money).get(name) for name in ("__str__", "parse", "none", "cents", "unit", "new", "__call__")]
    containers = [
        repr(vars(rates)[name]) for name in vars(rates) if name.isupper() and name not in ("LONG", "FIRST")
    ]
    values = [rates.current, rates.FIRST.amount, [*rates.FIRST.notes], dict(Money.limits), Money.Rounding.digits]
    inner = id(rates.NESTED), id(rates.NESTED["a"]), id(rates.NESTED["a"]["b"]), id(rates.KNOWN)
    others = time.sleep, random.random, datetime.datetime, money.Money, money.Coin, lazy._memo, lazy.kept("a"), rates.language.get()
    return functions, methods, containers, values, inner, others, "unit" in vars(Coin), hasattr(rates, "added")


BEFORE = state()
'''


@pytest.mark.parametrize("case", LEFT, ids=lambda case: case.does)
def test_what_is_left_is_named(done: Done, case: Case) -> None:
    said = done.of(case.name)
    assert f"The test left variables or caches of the project changed: {case.says}." in said
    assert 'If it is meant: @pytest.mark.unguarded("caches", reason="…")' in said


def test_nothing_else_fails(done: Done) -> None:
    innocent = done.failed - {case.name for case in LEFT}
    assert {name: done.of(name) for name in innocent} == {}
    assert len(done.outcomes) == len(INNOCENT) + 2 * len(LEFT)


def test_what_is_made_while_something_is_patched_does_not_stay(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        {
            "src/shop/__init__.py": "",
            "src/shop/money.py": MONEY,
            "src/shop/rates.py": RATES,
            "src/shop/lazy.py": LAZY,
            "tests/unit/test_patching.py": file_of(HEAD + "\n\nMADE = []\n", WHILE_PATCHED),
        },
    )
    assert done.said == {}
    assert len(done.outcomes) == len(WHILE_PATCHED)


def test_a_module_that_a_test_imports_first_is_known_as_it_was_made(tmp_path: Path) -> None:
    cases = [
        Case("replaces what it imports", "import shop.rates\nshop.rates.price = None", "shop.rates.price"),
        Case(
            "caches what it imports",
            "import shop.lazy\nmonkeypatch.setenv('NAME', 'a')\nshop.lazy.settings()",
            "",
            "monkeypatch",
        ),
        Case("finds it as it was made", "import shop.rates\nassert shop.rates.price() == 1"),
        Case("finds nothing cached", "import shop.lazy\nassert shop.lazy.settings().name == 'none'"),
    ]
    files = {
        "src/shop/__init__.py": "",
        "src/shop/money.py": MONEY,
        "src/shop/rates.py": RATES,
        "src/shop/lazy.py": LAZY,
    }
    done = run(tmp_path, {**files, "tests/unit/test_first.py": file_of("", cases)})
    assert done.failed == {"test_replaces_what_it_imports"}
    assert "changed: shop.rates.price." in done.of("test_replaces_what_it_imports")
