"""The guards by name, and `@pytest.mark.unguarded("network", reason="…")`, which lifts one of them for a test."""

import ast
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path

import pytest

GUARDS = {
    "network": "connections, datagrams and names looked up, by whatever library",
    "database": "connections of psycopg, which are made in C",
    "rollback": "what would end, or get past, the transaction around a test",
    "secrets": "secrets of the real environment, .env",
    "environment": "environment variables and the working directory left changed",
    "threads": "threads, tasks and jobs of pools left running",
    "logging": "the configuration of logging and structlog left changed",
    "locale": "time zone and locale left changed",
    "process": "sys.path, sys.modules, signal handlers and other settings of the process left changed",
    "patches": "patchers of unittest.mock started and not stopped",
    "caches": "variables, classes and caches of the project's modules left changed",
    "shared": "clients, apps and settings that tests share left changed",
    "files": "files written among the sources",
    "budget": "tests that take longer than their tier's budget; with --ci",
    "tier": "tests that lie in no tier; with --ci",
}
"""What `unguarded` lifts, and what each refuses."""
REASONED = ("unguarded", "differs")
"""The markers that say why."""

Node = pytest.Item | pytest.Collector
"""What is watched: a test, or a module of tests while it is imported."""


def how_to_lift(guard: str, node: Node | None = None) -> str:
    """Return the last line of a guard's message, about a test or about a module that is imported."""
    where = "pytestmark = " if isinstance(node, pytest.Collector) else "@"
    return f'\nIf it is meant: {where}pytest.mark.unguarded("{guard}", reason="…")'


def lifted(node: Node, guard: str) -> bool:
    """Tell whether `unguarded` lifts `guard` for a test, or for a module while it is imported."""
    if isinstance(node, pytest.Module) and guard in _lifted_at_import(node.path):
        return True
    return any(guard in marker.args for marker in node.iter_markers("unguarded"))


@lru_cache(maxsize=8)
def _lifted_at_import(path: Path) -> frozenset[str]:
    """Return what `pytestmark` of a module lifts, as its source says: it has no markers yet."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, ValueError, SyntaxError):
        return frozenset()
    values = [
        statement.value
        for statement in body
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in statement.targets)
    ]
    return frozenset(
        str(argument.value)
        for value in values
        for call in ast.walk(value)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "unguarded"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    )


class Markers:
    """Declares the markers of the guards, and refuses those that would do nothing, or don't say why."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare them."""
        names = ", ".join(GUARDS)
        config.addinivalue_line("markers", f"unguarded(*guards, reason): lift guards for this test: {names}")

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Refuse a file with a wrong marker."""
        report = yield
        items = [item for item in report.result or () if isinstance(item, pytest.Item)]
        wrong = [said for said in map(_wrong_marker, items) if said]
        if wrong:
            report.outcome, report.longrepr, report.result = "failed", "\n".join(wrong), []
        return report


def _wrong_marker(item: pytest.Item) -> str | None:
    for marker in item.iter_markers():
        if marker.name == "unguarded" and not (marker.args and set(marker.args) <= GUARDS.keys()):
            unknown = ", ".join(str(name) for name in marker.args if name not in GUARDS)
            return f"{item.nodeid}: unguarded({unknown}) names no guard; they are: {', '.join(GUARDS)}"
        if marker.name in REASONED and not str(marker.kwargs.get("reason", "")).strip():
            arguments = ", ".join([*(f'"{name}"' for name in marker.args), 'reason="…"'])
            return f"{item.nodeid}: say why: {marker.name}({arguments})"
    return None
