"""Which changes are nobody's fault: what an application makes when it is first asked for, and what it remembers.

A rule tells them from what a test leaves behind, by the code of both:

- a variable that was None, which code of its own module both reads and sets, is a lazy singleton: it may stay. But where the test
  patches anything, the singleton may hold that, and is put back without a word;
- what else its own code reads and sets, and calls by a leading underscore, is put back without a word: a counter, a flag;
- a `functools.cache` of a function without arguments is like a singleton; one with arguments is emptied without a word, since it may hold rows;
- entries that were added to a dictionary or set with a leading underscore are a memo: they are removed without a word;
- what an object's own methods set in it stays.

Whatever the test's own code names is the test's.
"""

import dis
import sys
from enum import Enum
from functools import lru_cache
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FunctionType, ModuleType
from typing import Any

from pytest_tiers.guards.authors import Author, codes_within, defined_in, is_a
from pytest_tiers.guards.contents import ClassNames, Difference, Kind
from pytest_tiers.guards.probes import GONE


class Verdict(Enum):
    """What becomes of a change."""

    BLAMED = "the test is at fault, and it is put back"
    QUIET = "it is put back without a word"
    LAZY = "it may stay, unless something else of its module is put back"
    KEPT = "it may stay"


def judge(difference: Difference, author: Author) -> Verdict:
    """Return what becomes of a change in the project's modules, classes, objects and containers."""
    where, name, old, new = difference.where, difference.name, difference.old, difference.new
    if where.kind is Kind.LIBRARY:
        return _of_library(where.attribute, author)
    if name is GONE:
        return _of_container(difference, author)
    if _is_frozen(old):
        return Verdict.KEPT  # freezegun had its own in the place when it was remembered
    if is_a(new, ModuleType):
        return Verdict.KEPT if old is GONE else Verdict.QUIET if is_a(old, ModuleType) else Verdict.BLAMED
    is_authors = author.sets(name) or author.made(new)
    if where.kind is Kind.OBJECT:
        return Verdict.BLAMED if is_authors else Verdict.KEPT
    if (
        not is_authors
        and old is GONE
        and where.kind is Kind.MODULE
        and "__getattr__" in difference.place.holder
    ):
        return Verdict.KEPT  # a module that imports when it is asked
    if (
        not is_authors
        and (_is_empty(old) or name.startswith("_"))
        and (makers := _makers(where.modules, name))
    ):
        stays = (
            _is_empty(old)
            and old is not False
            and any(map(_takes_nothing, makers))
            and _may_stay(new, author)
        )
        return Verdict.LAZY if stays else Verdict.QUIET
    if not is_authors and old is GONE and isinstance(difference.place, ClassNames) and _is_descriptor(new):
        return Verdict.KEPT  # mappers add such to classes when they are first used
    return Verdict.BLAMED


def judge_cache(function: Any, author: Author, *, is_filled: bool) -> Verdict:
    """Return what becomes of a `functools.cache` that was filled or emptied."""
    if not is_filled:
        return Verdict.KEPT
    return Verdict.LAZY if takes_nothing(function) and _may_stay(function(), author) else Verdict.QUIET


def _may_stay(made: Any, author: Author) -> bool:
    """Tell whether nothing of the test can be in what was made meanwhile: it patches nothing, nor sets anything in it."""
    return not author.patches and not author.may_change(made)


def takes_nothing(function: Any) -> bool:
    """Tell whether a cached function has no arguments."""
    code = getattr(getattr(function, "__wrapped__", None), "__code__", None)
    return isinstance(code, CodeType) and code.co_argcount == 0 and _takes_nothing(code)


def _of_library(attribute: str, author: Author) -> Verdict:
    """Routes and cookies, and the state that an application sets when it starts, are put back without a word."""
    parts = attribute.split(".")
    is_quiet = "routes" in parts or "cookies" in parts or ("state" in parts and not author.mentions("state"))
    return Verdict.QUIET if is_quiet else Verdict.BLAMED


def _of_container(difference: Difference, author: Author) -> Verdict:
    where, old, new = difference.where, difference.old, difference.new
    variable = where.path.rpartition(".")[2]
    added = _added(old, new)
    if author.imports and added is not None and all(map(author.made, added)):
        return Verdict.KEPT  # a class that registers itself where it is defined
    is_mentioned = author.mentions(variable)
    if where.kind is Kind.OBJECT:
        return Verdict.BLAMED if is_mentioned else Verdict.KEPT
    is_memo = (
        variable.startswith("_") and not isinstance(new, list) and added is not None and not is_mentioned
    )
    return Verdict.QUIET if is_memo else Verdict.BLAMED


def _added(old: Any, new: Any) -> list[Any] | None:
    """Return what was added to a container, values of a dictionary; None if anything else has changed."""
    if isinstance(old, dict) and isinstance(new, dict):
        is_kept = all(new.get(key, GONE) is value for key, value in old.items())
        return [value for key, value in new.items() if key not in old] if is_kept else None
    if isinstance(old, set) and isinstance(new, set):
        return list(new - old) if old <= new else None
    if isinstance(old, list) and isinstance(new, list):
        return new[len(old) :] if new[: len(old)] == old else None
    return None


def _is_empty(old: Any) -> bool:
    return old is None or old is GONE or old is False or type(old) is object


def _is_frozen(old: Any) -> bool:
    return defined_in(old).startswith("freezegun")


def _is_descriptor(new: Any) -> bool:
    return hasattr(type(new), "__get__") and not is_a(new, FunctionType, staticmethod, classmethod, property)


def _takes_nothing(code: CodeType) -> bool:
    is_method = code.co_argcount > 0 and code.co_varnames[0] in ("self", "cls")
    takes = code.co_argcount + code.co_kwonlyargcount - is_method
    return takes == 0 and not code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)


def _makers(modules: tuple[str, ...], name: str) -> list[CodeType]:
    """Return the code that makes a variable when it is asked for: it both reads and sets it."""
    return [code for module in modules for code in _codes_of(module) if _reads_and_sets(code, name)]


def _reads_and_sets(code: CodeType, name: str) -> bool:
    if name not in code.co_names:
        return False
    operations = {
        instruction.opname.partition("_")[0]
        for instruction in dis.get_instructions(code)
        if instruction.argval == name
    }
    return {"LOAD", "STORE"} <= operations


@lru_cache(maxsize=256)
def _codes_of(module: str) -> tuple[CodeType, ...]:
    """Return the code of all functions of a module, from its source: decorators may hide the functions themselves."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    try:
        code = spec.loader.get_code(module)  # type: ignore[union-attr]
    except Exception:  # a loader of its own kind
        return ()
    return tuple(codes_within(code))[1:] if isinstance(code, CodeType) else ()
