"""The plan of the package: arrows go down only, modules stay small, and what isn't installed isn't missed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
import pytest_tiers

PACKAGE = Path(pytest_tiers.__file__).parent
FLOORS = ["config", "tiers", "guards", "databases fakes timing", "commands", "plugin"]
"""The rooms from the ground up. Those on one floor don't know each other."""
LIMIT = 300
FACE = {"__init__", "__main__"}
"""What lies at the top and belongs to no floor: the public face, which imports what it is asked for."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[str]:
    """Yield the rooms that a module imports from, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = node.module == "pytest_tiers"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if whole else [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "pytest_tiers" and len(parts) > 1:
                yield parts[1]


def test_each_room_has_a_floor() -> None:
    known = {room for floor in FLOORS for room in floor.split()}
    assert {room_of(path) for path in modules()} - FACE == known


def test_imports_go_down_only() -> None:
    floor_of = {room: number for number, floor in enumerate(FLOORS) for room in floor.split()}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {room}"
        for path in modules()
        if (own := room_of(path)) not in FACE
        for room in imports(path)
        if room != own and floor_of.get(room, -1) >= floor_of[own]
    ]
    assert not wrong


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LIMIT


def test_every_module_and_public_function_says_what_it_is() -> None:
    silent = []
    for path in modules():
        tree = ast.parse(path.read_text())
        named = [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        silent += [
            f"{path.relative_to(PACKAGE)}: {getattr(node, 'name', 'the module')}"
            for node in (tree, *named)
            if not getattr(node, "name", "").startswith("_") and not ast.get_docstring(node)
        ]
    assert silent == []


HEAVY = (
    "sqlalchemy",
    "psycopg",
    "alembic",
    "redis",
    "fakeredis",
    "openai",
    "httpx2",
    "time_machine",
    "testmon",
    "platformdirs",
)


def test_the_plugin_imports_nothing_that_a_run_may_not_need() -> None:
    program = f"import sys, pytest_tiers, pytest_tiers.plugin; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_that_the_face_offers_is_there() -> None:
    for name in pytest_tiers.__all__:
        assert getattr(pytest_tiers, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pytest_tiers.nonsense


def test_the_core_needs_pytest_and_reportlog_alone() -> None:
    core = [line for line in requires("pytest-tiers") or [] if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in core) == ["pytest", "pytest-reportlog"]
