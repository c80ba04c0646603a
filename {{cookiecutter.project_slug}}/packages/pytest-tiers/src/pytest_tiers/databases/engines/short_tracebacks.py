"""Tracebacks of what an engine refuses: the test's line first, then the project's, and none of the libraries between."""

import sysconfig
from pathlib import Path
from types import TracebackType

import pytest

from pytest_tiers.guards import GuardError

_LIBRARIES = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("purelib", "platlib", "stdlib")}
)
_HERE = str(Path(__file__).parents[2])


def shorten(call: "pytest.CallInfo[None]") -> None:
    """Leave out the lines of libraries from what a refusal's report shows."""
    if call.excinfo is None or not isinstance(error := call.excinfo.value, GuardError):
        return
    kept = [
        tb
        for tb in _chain(error.__traceback__)
        if not tb.tb_frame.f_code.co_filename.startswith((*_LIBRARIES, _HERE, "<"))
    ]
    if not kept:
        return
    shortened: TracebackType | None = None
    for tb in reversed(kept):
        shortened = TracebackType(shortened, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    error.__suppress_context__ = True
    call.excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(shortened))


def _chain(tb: TracebackType | None) -> list[TracebackType]:
    found = []
    while tb is not None:
        found.append(tb)
        tb = tb.tb_next
    return found
