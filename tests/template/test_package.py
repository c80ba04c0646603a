"""pytest-tiers in a service: the folder as it is kept here and nothing that lies about in it, or no trace of it."""

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from answering import Machine

pytestmark = pytest.mark.fast

SLUG = "{{cookiecutter.project_slug}}"
PACKAGE = Path("packages", "pytest-tiers")
# What people, uv, pip, pytest, mypy, ruff, coverage and editors leave in a clone.
LYING_ABOUT = [
    ".coverage",
    ".env",
    ".mypy_cache/3.11/cache.json",
    ".pytest_cache/README.md",
    ".venv/lib/python3.11/site-packages/other/__init__.py",
    "build/lib/pytest_tiers/__init__.py",
    "dist/pytest_tiers-0.5.0-py3-none-any.whl",
    "docs/.cache/page.md",
    "docs/_build/index.html",
    "node_modules/axe/axe.js",
    "notes.txt",
    "src/other/__init__.py",
    "src/pytest_tiers.egg-info/PKG-INFO",
    "src/pytest_tiers/.ruff_cache/x.py",
    "src/pytest_tiers/__pycache__/plugin.cpython-311.pyc",
    "src/pytest_tiers/plugin.py.orig",
    "tests/test_left.py",
    "uv.lock",
]
BELONGS = [
    "src/pytest_tiers/commands/page.css",
    "src/pytest_tiers/commands/page.html",
    "src/pytest_tiers/commands/page.js",
]


@pytest.fixture
def machine(tmp_path) -> Machine:
    """A machine without uv and git."""
    return Machine(tmp_path / "machine")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def kept(template: Path) -> set[str]:
    """Return the files of the package in the template: what git tracks, or would track."""
    return files(template / SLUG / PACKAGE)


def render(machine: Machine, template: Path, folder: Path, *options: str) -> Path:
    done = machine.render(template, folder, *options)
    assert done.returncode == 0, done.stderr
    return folder / "helpdesk"


def test_a_service_gets_the_package_and_nothing_that_lies_about_there(template, tmp_path, machine):
    littered = shutil.copytree(template, tmp_path / "littered", symlinks=True)
    for name in (*LYING_ABOUT, *BELONGS):
        path = littered / SLUG / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left\n")
    (littered / SLUG / PACKAGE / ".venv" / "bin").mkdir()
    (littered / SLUG / PACKAGE / ".venv" / "bin" / "python").symlink_to(sys.executable)

    service = render(machine, littered, tmp_path / "out")

    assert files(service / PACKAGE) == kept(template) | set(BELONGS)
    assert [path for path in service.rglob("*") if path.is_dir() and not any(path.iterdir())] == []
    for name in kept(template):
        assert (service / PACKAGE / name).read_bytes() == (template / SLUG / PACKAGE / name).read_bytes()


def test_a_project_points_at_the_folder(template, tmp_path, machine):
    service = render(machine, template, tmp_path / "out")
    uv = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    assert uv["sources"] == {"pytest-tiers": {"path": PACKAGE.as_posix(), "editable": True}}


def test_from_an_index_there_is_no_trace_of_the_folder(template, tmp_path, machine):
    from_folder = render(machine, template, tmp_path / "folder")
    service = render(machine, template, tmp_path / "index", "pytest_tiers=index")
    assert not (service / "packages").exists()
    assert files(service) == {name for name in files(from_folder) if not name.startswith("packages/")}
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))
    assert "sources" not in project["tool"]["uv"]
    for name in files(service):
        assert str(PACKAGE) not in (service / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("choice", ["folder", "index"])
def test_other_packages_of_the_team_stay(template, tmp_path, machine, choice):
    service = render(machine, template, tmp_path / "out")
    (service / "packages" / "ours").mkdir()
    (service / "packages" / "ours" / "code.py").write_text("mine\n")
    (service / PACKAGE / "src" / "pytest_tiers" / "gone.py").write_text("of an older release\n")

    render(machine, template, tmp_path / "out", "--overwrite-if-exists", f"pytest_tiers={choice}")

    assert files(service / "packages" / "ours") == {"code.py"}
    assert files(service / PACKAGE) == (kept(template) if choice == "folder" else set())
    assert (service / PACKAGE).exists() == (choice == "folder")


def test_the_link_at_the_root_is_for_people_only(template, tmp_path, machine):
    link = Path("packages")
    assert (template / link).readlink() == Path(SLUG, "packages")
    without = shutil.copytree(template, tmp_path / "without", symlinks=True)
    (without / link).unlink()
    assert files(render(machine, without, tmp_path / "out") / PACKAGE) == kept(template)
