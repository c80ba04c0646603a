"""Who changed something: what stands in the code of a test, of its fixtures and helpers, as against what the application did.

Code is read only once something differs, so that this costs nothing for nearly all tests.
"""

import dis
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from pytest_tiers.config import NOT_SEARCHED, Settings, settings_of

PATCHING = frozenset(
    {
        "monkeypatch",
        "mocker",
        "class_mocker",
        "module_mocker",
        "session_mocker",
        "freezer",
        "MonkeyPatch",
        "patch",
    }
    | {"setenv", "delenv", "environ", "putenv", "unsetenv", "freeze_time", "travel", "dependency_overrides"}
)
"""What code that patches something names."""
MUTATING = frozenset(
    {
        "add",
        "append",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "remove",
        "reverse",
        "setdefault",
        "sort",
    }
    | {"update", "difference_update", "intersection_update", "symmetric_difference_update"}
)
"""How containers are changed."""
MOST_FUNCTIONS = 500
"""More functions than a test can mean to call aren't read."""


class Author:
    """The code of a test with its fixtures, of a fixture, or of a module that is imported."""

    def __init__(self, settings: Settings, begin: Iterable[object], named: Iterable[str] = ()) -> None:
        """Take where it begins: functions, classes or code; and further names that it uses."""
        self._settings = settings
        self._begin = list(begin)
        self._named = frozenset(named)
        self._fixtures: frozenset[str] = frozenset()
        self.imports = False
        """Whether this is a module that is imported: what it defines may register itself."""
        self.folder = ""
        """For such a module the folder that pytest puts into sys.path."""

    @classmethod
    def of(cls, node: pytest.Item | pytest.Collector) -> "Author":
        """Return who a test is, with the fixtures that are set up for it alone; or a module, with all that it says itself."""
        settings = settings_of(node.config)
        if isinstance(node, pytest.Collector):
            module = cls(settings, [_code_of_module(node)])
            module.imports = True
            module.folder = _folder_in_path(node.path)
            return module
        fixtures = getattr(getattr(node, "_fixtureinfo", None), "name2fixturedefs", {})
        functions = [known[-1].func for known in fixtures.values() if known and known[-1].scope == "function"]
        tests: list[object] = [getattr(node, "obj", None)]
        owner = getattr(node, "cls", None)
        tests += [getattr(owner, name, None) for name in ("setUp", "tearDown", "asyncSetUp", "asyncTearDown")]
        examples = getattr(getattr(node, "dtest", None), "examples", ())  # of a doctest
        words = {word for example in examples for word in re.findall(r"\w+", example.source)}
        author = cls(settings, [*tests, *functions], words)
        author._fixtures = frozenset(getattr(node, "fixturenames", ()))
        return author

    def mentions(self, *names: str) -> bool:
        """Tell whether it says one of these names, be it in a text as `mock.patch` takes it."""
        return not self._said.isdisjoint(names)

    def sets(self, name: str) -> bool:
        """Tell whether it assigns to an attribute of this name, or names it in a text."""
        return name in self._stored or name in self._texts or name in self._named

    def made(self, value: Any) -> bool:
        """Tell whether a value comes from the tests: a mock, or a function, a class or an object of one that they define."""
        module = defined_in(value)
        if module == "unittest.mock":
            return True
        found = sys.modules.get(module)
        return self._is_ours(getattr(found, "__file__", None) or "")

    def may_change(self, value: Any) -> bool:
        """Tell whether it sets an attribute that an object has, or an entry of whatever container."""
        if is_a(value, dict, list, set):
            return "[]" in self._stored or self.mentions(*MUTATING)
        return any(map(self.sets, getattr(value, "__dict__", ())))

    @property
    def patches(self) -> bool:
        """Tell whether it patches anything, so that what the application made meanwhile may hold it."""
        return self.mentions(*PATCHING)

    @cached_property
    def _said(self) -> frozenset[str]:
        names = {
            name for code in self._codes for name in (*code.co_names, *code.co_freevars, *code.co_varnames)
        }
        return frozenset(names) | self._texts | self._named | self._fixtures

    @cached_property
    def _texts(self) -> frozenset[str]:
        found: set[str] = set()
        for code in self._codes:
            variables = _shown_by_assertions(code)
            for constant in code.co_consts:
                for text in constant if isinstance(constant, tuple) else (constant,):
                    if isinstance(text, str) and len(text) < 200 and text not in variables:
                        found |= {text, text.rpartition(".")[2]}
        return frozenset(found)

    @cached_property
    def _stored(self) -> frozenset[str]:
        """Names of attributes that it assigns to; and [] if it assigns to entries."""
        done = [instruction for code in self._codes for instruction in dis.get_instructions(code)]
        attributes = {str(one.argval) for one in done if one.opname in ("STORE_ATTR", "DELETE_ATTR")}
        entries = {"[]" for one in done if one.opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE")}
        return frozenset(attributes | entries)

    @cached_property
    def _codes(self) -> list[CodeType]:
        """All code that is reached by its names, as far as it is the tests' own."""
        found: list[CodeType] = []
        seen: set[int] = set()
        waiting = list(self._begin)
        while waiting and len(seen) < MOST_FUNCTIONS:
            value = waiting.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, CodeType):
                nested = list(codes_within(value))
                found += nested
            elif isinstance(value, FunctionType):
                if self._is_ours(value.__code__.co_filename):
                    nested = list(codes_within(value.__code__))
                    found += nested
                    waiting += _named_in(nested, value)
                waiting += _wrapped(value)
            elif isinstance(value, type):
                if self._is_ours(getattr(sys.modules.get(value.__module__), "__file__", None) or ""):
                    waiting += [_function(member) for member in vars(value).values()]
            else:
                waiting += _wrapped(value)
        return found

    def _is_ours(self, file: str) -> bool:
        """Tell whether a file is of the tests: in this project, and in none of its packages."""
        root = f"{self._settings.root}{os.sep}"
        if not file.startswith(root):
            return False
        if any(
            file == str(source) or file.startswith(f"{source}{os.sep}") for source in self._settings.sources
        ):
            return False
        return not any(map(NOT_SEARCHED.match, Path(file.removeprefix(root)).parts[:-1]))


def is_a(value: object, *kinds: type) -> bool:
    """Tell whether a value is of a type. `isinstance` asks the value for its class, and proxies for what they are bound to."""
    return issubclass(type(value), kinds)


def defined_in(value: Any) -> str:
    """Return the name of the module that defines a class or a function, or the class of any other value."""
    module = (value if is_a(value, type, FunctionType) else type(value)).__module__
    return module if isinstance(module, str) else ""


def codes_within(code: CodeType) -> Iterator[CodeType]:
    """Return the code, and that of all functions and classes within."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_within(constant)


def _shown_by_assertions(code: CodeType) -> set[str]:
    """Return the names of variables that are in the code only because pytest rewrites assertions, to show their values."""
    if "@py_builtins" not in code.co_names:
        return set()
    # `@py_format["py0"] = repr(x) if "x" in @py_builtins.locals() or … else "x"`: there, and at the end of it.
    asked, loaded = Counter[str](), Counter[str]()
    instructions = [one for one in dis.get_instructions(code) if one.opname != "PUSH_NULL"]
    for one, following in pairwise(instructions):
        if isinstance(one.argval, str) and one.opname.startswith("LOAD_CONST"):
            loaded[one.argval] += 1
            asked[one.argval] += following.argval == "@py_builtins"
    return {name for name, times in asked.items() if times and loaded[name] <= 2 * times}


def _code_of_module(node: pytest.Collector) -> CodeType | None:
    try:
        return compile(node.path.read_bytes(), str(node.path), "exec", dont_inherit=True)
    except (OSError, ValueError, SyntaxError):
        return None


def _folder_in_path(path: Path) -> str:
    folder = path.parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return str(folder)


def _function(member: object) -> object:
    return getattr(member, "__func__", getattr(member, "fget", None)) or member


def _wrapped(value: Any) -> list[object]:
    """Return what decorators have put around: in closures, under the usual names, in partials."""
    inner = [getattr(value, name, None) for name in ("__wrapped__", "__func__", "func", "inner_test")]
    if test := getattr(value, "hypothesis", None):
        inner.append(getattr(test, "inner_test", None))
    for cell in getattr(value, "__closure__", None) or ():
        try:
            inner.append(cell.cell_contents)
        except ValueError:  # empty as yet
            continue
    return [found for found in inner if is_a(found, FunctionType, MethodType)]


def _named_in(codes: list[CodeType], function: FunctionType) -> list[object]:
    names = {name for code in codes for name in code.co_names}
    used = [function.__globals__[name] for name in names if name in function.__globals__]
    modules = [value for value in used if is_a(value, ModuleType)]
    used += [vars(module)[name] for module in modules for name in names if name in vars(module)]
    if owner := _class_around(function):
        used += [_function(vars(owner)[name]) for name in names if name in vars(owner)]
    return [value for value in used if is_a(value, FunctionType, MethodType, type)]


def _class_around(function: FunctionType) -> type | None:
    """Return the class of a method, so that `self.helper()` is read as well."""
    name, _, _ = function.__qualname__.rpartition(".")
    found = function.__globals__.get(name)
    return found if isinstance(found, type) else None
