"""Whose work this is: the test that started a task, a thread or a pool's job owns what that does, whenever it does it.

A context carries the owner into tasks, into `to_thread` and into calls from thread to thread. Threads and the jobs of pools have no
context of their starter: theirs is remembered as they start. Work that a test has begun and not ended can be waited for.

Not seen: tasks of uvloop, `multiprocessing.pool.ThreadPool`, and threads that are started in C.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token, copy_context
from typing import Any
from weakref import WeakKeyDictionary, ref

import pytest

Owner = pytest.Item | pytest.Collector | str
"""A test, a module that is imported, or in words what else: a fixture of a wider scope."""

NOBODY = "code outside of tests and fixtures"
PATIENCE = 1.0
"""Seconds in which work may end that goes on when its test has ended."""

_owner: ContextVar[Owner | None] = ContextVar("tiers_owner", default=None)
_under_way: list[Owner] = []
"""Whom the hooks of pytest are about, the innermost last."""
_threads: WeakKeyDictionary[threading.Thread, Owner] = WeakKeyDictionary()
_begun: dict["ref[Any]", tuple[Owner, str]] = {}
"""Tasks and jobs that may go on: who started them, and what they are called."""
_tagged: set[str] = set()


@contextmanager
def owned_by(owner: Owner | None) -> Iterator[None]:
    """Let all that is started meanwhile belong to somebody."""
    token = _owner.set(owner)
    try:
        yield
    finally:
        _owner.reset(token)


def begin(owner: Owner) -> Token[Owner | None]:
    """Likewise, for what hooks of pytest are about; what it gives goes to `end`."""
    _under_way.append(owner)
    return _owner.set(owner)


def end(token: Token[Owner | None]) -> None:
    """The hook is done."""
    _under_way.pop()
    _owner.reset(token)


def is_under_way(owner: Owner) -> bool:
    """Tell whether a hook of pytest is about it just now."""
    return any(owner is known for known in _under_way)


def _beginner() -> Owner:
    """Return to whom what begins now belongs."""
    return owner() or (_under_way[-1] if _under_way else NOBODY)


def owner() -> Owner | None:
    """Return who started what this thread does; None if that is whatever is under way."""
    found = _owner.get()
    main = threading.current_thread() is threading.main_thread()
    if isinstance(found, str) and main:
        return None  # an event loop of a wider scope, in which tests run
    if found is None and not main:
        return _threads.get(threading.current_thread())
    return found


def thread_started(function: object, *_: object) -> None:
    """Remember who starts a thread: at the audit event of that."""
    thread = getattr(function, "__self__", None)
    if isinstance(thread, threading.Thread):
        _threads[thread] = _beginner()


def tag(module: str | None = None, *_: object) -> None:
    """Tag what asyncio and pools start, as soon as they are imported: at the audit event of that, or now."""
    for name, tagging in _TAGGING.items():
        if name not in _tagged and (module == name or (module is None and name in sys.modules)):
            _tagged.add(name)  # before the import, which is an event as well
            tagging()


def _tag_threads() -> None:
    """Python 3.11 has no audit event of threads that start."""
    start: Callable[..., int] = vars(threading)["_start_new_thread"]

    def start_new_thread(function: Callable[..., object], *arguments: Any) -> int:
        thread_started(function)
        return start(function, *arguments)

    vars(threading)["_start_new_thread"] = start_new_thread


def _remember(work: Any, started: Owner, name: str) -> None:
    if not isinstance(started, str) and not work.done():
        _begun[ref(work, lambda gone: _begun.pop(gone, None))] = (started, name)


def _tag_tasks() -> None:
    from asyncio import base_events

    original = base_events.BaseEventLoop.create_task

    def create_task(self: Any, coro: Any, **options: Any) -> Any:
        started = _beginner()
        if started is not _owner.get() and not isinstance(started, str):
            # A loop of a wider scope was begun by its fixture, and so were the contexts in which it runs tests.
            context = options.setdefault("context", copy_context())
            with suppress(RuntimeError):  # it is entered already
                context.run(_owner.set, started)
        task = original(self, coro, **options)
        _remember(task, started, getattr(coro, "__qualname__", ""))
        return task

    base_events.BaseEventLoop.create_task = create_task  # type: ignore[method-assign]


def _tag_jobs() -> None:
    from concurrent.futures.thread import ThreadPoolExecutor

    original = ThreadPoolExecutor.submit

    def submit(self: Any, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        started = _beginner()
        future = original(self, _run_owned, started, fn, *arguments, **options)
        _remember(future, started, getattr(fn, "__qualname__", ""))
        return future

    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]


def _run_owned(started: Owner, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
    __tracebackhide__ = True
    with owned_by(started):
        return fn(*arguments, **options)


_TAGGING = {
    "asyncio.base_events": _tag_tasks,
    "concurrent.futures.thread": _tag_jobs,
    **({"threading": _tag_threads} if sys.version_info < (3, 12) else {}),
}
"""What tags the work of a module."""


def has_begun() -> bool:
    """Tell whether there may be tasks or jobs that aren't done."""
    return bool(_begun)


def started_by(thread: threading.Thread) -> Owner | None:
    """Return who started a thread, as far as that was seen."""
    return _threads.get(thread)


def unfinished(node: Owner, is_expected: Callable[[str], object]) -> list[str]:
    """Return the names of tasks and jobs that a test began and that go on, after a second in which they may end.

    `is_expected` tells of a name whether it may go on.
    """
    waiting = {}
    for key, (started, name) in list(_begun.items()):
        work = key()
        if work is None or work.done():
            _begun.pop(key, None)
        elif started is node and _goes_on(work) and not is_expected(name):
            waiting[work] = name
    return sorted(name or "a job without a name" for work, name in waiting.items() if not _ends(work))


def _goes_on(work: Any) -> bool:
    get_loop = getattr(work, "get_loop", None)
    return not work.done() and not (get_loop and get_loop().is_closed())


def _ends(work: Any, now: Callable[[], float] = time.monotonic) -> bool:
    """Wait until it ends; a task can while its loop runs. The clock is kept here, out of freezegun's reach."""
    get_loop = getattr(work, "get_loop", None)
    until = now() + PATIENCE
    while _goes_on(work) and now() < until and (get_loop is None or get_loop().is_running()):
        time.sleep(0.005)
    return not _goes_on(work)
