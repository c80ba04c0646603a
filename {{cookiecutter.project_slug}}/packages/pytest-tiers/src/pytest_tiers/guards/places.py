"""Goes through modules, classes, objects and containers, and makes places of what is to be remembered."""

import functools
import sys
from collections import deque
from collections.abc import Iterable
from contextvars import ContextVar
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any

from pytest_tiers.config import Settings
from pytest_tiers.guards.authors import is_a
from pytest_tiers.guards.contents import (
    LONGEST,
    Attributes,
    ClassNames,
    Kind,
    Names,
    OtherNames,
    Place,
    Whereabouts,
    differ,
)
from pytest_tiers.guards.excuses import takes_nothing
from pytest_tiers.guards.probes import GONE

DEEPEST = 6
MOST_PLACES = 20_000
"""Further places aren't seen: to look at them after each test would take longer than the test."""
_REQUESTS = ("get", "post", "put", "patch", "delete", "request")
REPLACED = {
    "builtins": ("open", "print", "input", "exit", "sorted", "ascii"),
    "datetime": ("datetime", "date"),
    "httpx": (*_REQUESTS, "Client", "AsyncClient"),
    "httpx2": (*_REQUESTS, "Client", "AsyncClient"),
    "json": ("dumps", "loads", "dump", "load"),
    "os": ("getenv", "urandom", "system", "remove", "listdir"),
    "random": ("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform"),
    "requests": (*_REQUESTS, "Session"),
    "shutil": ("rmtree", "copy", "which"),
    "smtplib": ("SMTP", "SMTP_SSL"),
    "subprocess": ("run", "Popen", "call", "check_call", "check_output"),
    "tempfile": ("tempdir", "gettempdir", "mkdtemp", "mkstemp"),
    "time": ("time", "time_ns", "sleep", "monotonic", "perf_counter", "localtime", "gmtime", "strftime"),
    "uuid": ("uuid1", "uuid4", "uuid5"),
}
"""What tests like to replace in modules of others, which are watched for just that."""
_CLIENT = (
    "_headers",
    "_params",
    "_cookies",
    "_auth",
    "_timeout",
    "_event_hooks",
    "_base_url",
    "follow_redirects",
)
LIBRARIES: dict[str, tuple[str, ...]] = {
    "starlette.applications.Starlette": (
        "state",
        "dependency_overrides",
        "router",
        "exception_handlers",
        "user_middleware",
    ),
    "starlette.routing.Router": ("routes", "_low_priority_routes"),
    "starlette.testclient.TestClient": ("app",),
    "httpx._client.BaseClient": _CLIENT,
    "httpx2._client.BaseClient": _CLIENT,
    "requests.sessions.Session": (
        "headers",
        "params",
        "cookies",
        "auth",
        "hooks",
        "proxies",
        "verify",
        "cert",
    ),
    "http.cookiejar.CookieJar": ("_cookies",),
    "flask.app.Flask": ("config", "view_functions", "before_request_funcs", "after_request_funcs"),
    "flask.testing.FlaskClient": ("environ_base", "_cookies", "application"),
    "django.test.client.Client": ("cookies", "defaults"),
}
"""Objects that tests share, and what of them tests change."""

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, ModuleType, property, type(len)})


class Places:
    """What was found so far."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings, which say what the project's own is."""
        self._own = settings.of_packages
        self.places: list[Place] = []
        self.caches: list[tuple[Whereabouts, Any, bool]] = []
        """Functions with a `functools.cache`, and whether they have no arguments."""
        self.variables: list[tuple[Whereabouts, ContextVar[Any]]] = []
        self._seen: dict[int, object] = {}
        """By id; held, so that no other object gets it."""

    def add_module(self, name: str, module: ModuleType) -> None:
        """Add a module of the project and all that is in it."""
        where = Whereabouts(name, Kind.MODULE, (name,))
        self._add(Names(where, vars(module), counts_in_module))
        self._visit_named(where, vars(module), DEEPEST)

    def add_replaced(self) -> None:
        """Add some names in some modules of others, but not what these hold."""
        for key, names in REPLACED.items():
            if module := sys.modules.get(key):
                there = tuple(name for name in names if name in vars(module))
                self._add(OtherNames(Whereabouts(key, Kind.MODULE, (key,)), module, there))

    def add_object(self, name: str, value: object) -> None:
        """Add an object, if it is one of the project or one of a library that is known here."""
        if not is_a(value, type, dict, list, set, deque, tuple):
            self._visit(Whereabouts(name, Kind.OBJECT), value, DEEPEST)

    def _add(self, place: Place) -> None:
        self._seen[id(place.holder)] = place.holder
        self.places.append(place)

    def _visit_named(self, where: Whereabouts, names: Any, depth: int) -> None:
        for name, value in [*names.items()]:
            if type(value) not in _ATOMS and isinstance(name, str) and name[:2] != "__":
                self._visit(where.at(name), value, depth - 1)

    def _visit_entries(self, where: Whereabouts, values: Iterable[Any], depth: int) -> None:
        for value in [*values]:
            if type(value) not in _ATOMS:
                self._visit(where, value, depth - 1)

    def _visit(self, where: Whereabouts, value: Any, depth: int) -> None:
        kind = type(value)
        if depth < 0 or id(value) in self._seen or len(self.places) > MOST_PLACES:
            return
        if issubclass(kind, (staticmethod, classmethod)):
            self._visit(where, value.__func__, depth)
        elif kind is FunctionType:
            for defaults in (value.__defaults__ or (), (value.__kwdefaults__ or {}).values()):
                self._visit_entries(where, defaults, 2)
        elif issubclass(kind, type):
            self._visit_class(value, depth)
        elif issubclass(kind, (dict, list, set, deque)):
            self._visit_container(where, value, depth)
        elif kind is tuple:
            self._visit_entries(where, value, depth)
        elif kind is functools._lru_cache_wrapper:
            self._seen[id(value)] = value
            self.caches.append((where, value, takes_nothing(value)))
            if takes_nothing(value) and value.cache_info().currsize:
                self._visit(where, value(), depth - 1)
        elif kind is ContextVar:
            self._seen[id(value)] = value
            self.variables.append((where, value))
        else:
            self._visit_object(where, value, depth)

    def _visit_class(self, value: type, depth: int) -> None:
        if not self._is_own(value) or issubclass(value, Enum):
            return
        around = [
            base.__module__
            for base in (*value.__mro__, *type(value).__mro__)
            if base.__module__ != "builtins"
        ]
        where = Whereabouts(
            f"{value.__module__}.{value.__qualname__}", Kind.CLASS, tuple(dict.fromkeys(around))
        )
        self._add(ClassNames(where, value, counts_in_class))
        self._seen[id(value)] = value
        self._visit_named(where, vars(value), depth)

    def _visit_container(self, where: Whereabouts, value: Any, depth: int) -> None:
        place = Place(where, value)
        self._seen[id(value)] = value
        if not differ(place.live, place.copy):  # else it is a library's, and the same as nothing but itself
            self.places.append(place)
        # What a route keeps for itself, such as the candidates that FastAPI prepares, is no business of a test.
        is_of_routes = where.kind is Kind.LIBRARY and "routes" in where.attribute
        if len(value) <= LONGEST and not isinstance(value, set) and not is_of_routes:
            self._visit_entries(where, value.values() if isinstance(value, dict) else value, depth)

    def _visit_object(self, where: Whereabouts, value: Any, depth: int) -> None:
        kind = type(value)
        if hasattr(kind, "_sa_class_manager"):
            return  # a row of SQLAlchemy's, whose attributes a commit expires and a query loads
        if names := _of_library(kind):
            within = where if where.kind is Kind.LIBRARY else Whereabouts(where.path, Kind.LIBRARY)
            place = Attributes(within, value, names)
            self._add(place)
            for name in names:
                if type(place.copy[name]) not in _ATOMS and place.copy[name] is not GONE:
                    self._visit(within.at(name), place.copy[name], DEEPEST - 1)
            if marks := getattr(
                value, "_mark_routes_changed", None
            ):  # FastAPI remembers which routes there are
                next(found for found in self.places if found.holder is value.routes).then = marks
        elif (self._is_own(kind) and not issubclass(kind, Enum)) or (
            where.kind is Kind.LIBRARY and where.attribute
        ):
            attributes = getattr(value, "__dict__", None)
            if type(attributes) is dict:
                within = where if where.kind is Kind.LIBRARY else Whereabouts(where.path, Kind.OBJECT)
                self._add(Names(within, attributes, counts_in_object))
                self._seen[id(value)] = value
                self._visit_named(within, attributes, min(depth, 3) if where.kind is Kind.LIBRARY else depth)

    def _is_own(self, kind: type) -> bool:
        module = kind.__module__
        return isinstance(module, str) and self._own.match(module) is not None


def _of_library(kind: type) -> tuple[str, ...]:
    """Return which attributes of such objects tests change."""
    names = (LIBRARIES.get(f"{base.__module__}.{base.__qualname__}", ()) for base in kind.__mro__)
    return tuple(name for some in names for name in some)


def counts_in_module(name: str, old: Any, new: Any) -> bool:
    """Tell whether a variable counts that is another one now."""
    del old, new
    return name[:2] != "__"


def counts_in_class(name: str, old: Any, new: Any) -> bool:
    """Likewise, for a class: of what Python and libraries keep between underscores, only methods."""
    if name.startswith("__") and name.endswith("__"):
        return is_a(old, FunctionType) or is_a(new, FunctionType)
    return True


def counts_in_object(name: str, old: Any, new: Any) -> bool:
    """Likewise, for an object."""
    del old, new
    return bool(name)
