"""Where pytest-tiers comes from: the service's folder, an index, a workspace; and that the folder is nobody else's business."""

import re
import shutil
import tarfile
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from rendering import ROOT
from service import Account, Service, render_from_outside

pytestmark = pytest.mark.slow

PACKAGE = Path("packages", "pytest-tiers")
SOURCE = '\n[tool.uv.sources]\npytest-tiers = { path = "packages/pytest-tiers", editable = true }\n'
WORKSPACE = """\
[project]
name = "company"
version = "1"
requires-python = ">=3.11"

[tool.uv]
package = false

[tool.uv.workspace]
members = ["services/*"]
"""


@pytest.fixture(scope="session")
def wheels(template, outside, tmp_path_factory) -> Path:
    """A folder with a wheel of pytest-tiers, which stands for an index that has it."""
    folder = tmp_path_factory.mktemp("wheels")
    home = Service(template, outside, Account(template))
    home.run(
        "uv",
        "build",
        "-q",
        "--wheel",
        "--out-dir",
        str(folder),
        "{{cookiecutter.project_slug}}/" + PACKAGE.as_posix(),
    )
    assert [path.suffix for path in folder.iterdir() if path.name != ".gitignore"] == [".whl"]
    return folder


def imported_from(service: Service) -> Path:
    """Return the file of the package that the service's tests import."""
    program = "import pytest_tiers; print(pytest_tiers.__file__)"
    done = service.run("uv", "run", "--locked", "python", "-c", program)
    return Path(done.stdout.strip())


def without_source(service: Service) -> None:
    """Take the two lines out of pyproject.toml that point at the folder."""
    project = service.folder / "pyproject.toml"
    text = project.read_text()
    assert text.count(SOURCE) == 1
    project.write_text(text.replace(SOURCE, ""))


def test_from_an_index_every_session_works_and_nothing_of_the_folder_is_there(
    template, outside, wheels, tmp_path
):
    environment = outside | {"UV_FIND_LINKS": str(wheels)}
    service = render_from_outside(
        template, tmp_path, environment, pytest_tiers="index", project_name="From Index"
    )
    assert not (service.folder / "packages").exists()
    done = service.nox("-s", "lint", "unit", "integration", "migrations")
    assert all(counts.keys() == {"passed"} for counts in done.counts)
    assert "site-packages" in imported_from(service).parts
    (found,) = (
        package
        for package in tomllib.loads((service.folder / "uv.lock").read_text())["package"]
        if package["name"] == "pytest-tiers"
    )
    assert found["source"].keys() == {"registry"}


def test_from_the_folder_to_an_index_are_two_lines(template, outside, wheels, tmp_path):
    service = render_from_outside(template, tmp_path, outside, project_name="To Index")
    assert imported_from(service).is_relative_to(service.folder / PACKAGE)
    readme = (service.folder / "README.md").read_text()
    assert all(line in readme for line in SOURCE.split("\n") if line)

    without_source(service)
    shutil.rmtree(service.folder / PACKAGE)
    service = replace(service, environment=outside | {"UV_FIND_LINKS": str(wheels)})
    service.run("uv", "lock")
    done = service.nox("-s", "unit", "migrations")
    assert all(counts.keys() == {"passed"} for counts in done.counts)
    assert "site-packages" in imported_from(service).parts


def test_a_fresh_clone_and_a_build_without_git_have_all_that_uv_needs(template, outside, tmp_path):
    service = render_from_outside(template, tmp_path / "first", outside, project_name="Cloned")
    service.run("git", "add", "--all")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    service.run("git", *who, "commit", "-qm", "All of it", "--allow-empty")
    service.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = Service(tmp_path / "clone", outside | {"UV_PROJECT_ENVIRONMENT": ".venv"}, service.account)
    clone.run("uv", "sync", "--locked")
    assert clone.run("uv", "run", "--locked", "pytest", "tests/unit").counts[0].keys() == {"passed"}

    # What an image is built from: no tests, and nothing of them is installed.
    context = tmp_path / "context"
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE", "src", "packages"):
        source = service.folder / name
        context.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, context / name)
    image = Service(context, outside | {"UV_PROJECT_ENVIRONMENT": ".venv"}, service.account)
    image.run("uv", "sync", "--locked", "--no-dev", "--no-editable")
    python = str(context / ".venv/bin/python")
    image.run(python, "-c", "import cloned.app")
    assert "No module named 'pytest_tiers'" in image.run(python, "-c", "import pytest_tiers", status=1).stderr


def test_the_folder_is_outside_of_lint_types_coverage_and_collection(clone_service, mypy_cache):
    service = clone_service()
    planted = service.folder / PACKAGE / "src/pytest_tiers/planted.py"
    planted.write_text('import  os\n\nNUMBER: int = "one"\n')
    (service.folder / PACKAGE / "tests").mkdir()
    (service.folder / PACKAGE / "tests/test_planted.py").write_text("def test_planted():\n    assert False\n")
    (service.folder / "tests/unit/test_imports.py").write_text(
        '"""Imports it."""\n\nimport pytest_tiers.planted\n\n\ndef test_imports() -> None:\n'
        "    number: int = pytest_tiers.planted.NUMBER\n    assert number\n"
    )
    done = service.nox("-s", "lint", "types", MYPY_CACHE_DIR=mypy_cache)
    assert re.findall(r"\* (\w+): success", done.output) == ["lint", "types"]
    service.nox("-s", "ci", "--", "tests/unit", "--cov-fail-under=0")
    measured = ET.parse(service.folder / ".cache/tests/coverage.xml").iter("class")
    assert {str(of_file.get("filename")).partition("/")[0] for of_file in measured} == {"helpdesk"}
    everywhere = service.run("uv", "run", "--locked", "pytest", "--collect-only", "-q", ".")
    assert "test_imports" in everywhere.stdout
    assert "test_planted" not in everywhere.output
    # Each of them would have found it elsewhere.
    shutil.move(planted, service.folder / "src/helpdesk/planted.py")
    done = service.nox("-s", "lint", "types", status=1, MYPY_CACHE_DIR=mypy_cache)
    assert "`os` imported but unused" in done.stdout
    assert "Incompatible types in assignment" in done.stdout


def test_the_services_own_distributions_leave_it_out(clone_service, tmp_path):
    service = clone_service()
    service.run("uv", "build", "-q", "--out-dir", str(tmp_path / "dist"))
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert any(name.endswith("src/helpdesk/app.py") for name in names)
    assert [name for name in names if "packages" in name or "pytest_tiers" in name] == []


@pytest.mark.parametrize("choice", ["folder", "index"])
def test_two_services_share_a_workspace(template, outside, wheels, tmp_path, choice):
    (tmp_path / "pyproject.toml").write_text(WORKSPACE)
    environment = outside | ({"UV_FIND_LINKS": str(wheels)} if choice == "index" else {})
    services = [
        render_from_outside(
            template, tmp_path / "services", environment, project_name=name, pytest_tiers=choice
        )
        for name in ("First", "Second")
    ]
    first, second = services
    if choice == "folder":
        said = second.run("uv", "lock", status=None).output
        assert "conflicting URLs for package `pytest-tiers`" in said
        # What the READMEs say.
        readme = (second.folder / "README.md").read_text()
        (block,) = re.findall(r"```toml\n(\[tool\.uv\.workspace\].*?)```", readme, re.DOTALL)
        assert "services/second/packages/pytest-tiers" in block
        (tmp_path / "pyproject.toml").write_text(WORKSPACE.partition("[tool.uv.workspace]")[0] + block)
        for service in services:
            without_source(service)
        second.run("uv", "lock")
    for service in services:
        assert not (service.folder / "uv.lock").exists()
        done = service.nox("-s", "migrations")
        assert all(counts.keys() == {"passed"} for counts in done.counts)
    if choice == "folder":
        assert imported_from(first).is_relative_to(second.folder / PACKAGE)


def test_every_name_that_a_service_installs_is_taken(service):
    hook = (ROOT / "hooks" / "pre_gen_project.py").read_text()
    taken = set(hook.partition("TAKEN = words(")[2].partition('"""')[2].partition('"""')[0].split())
    locked = {
        package["name"] for package in tomllib.loads((service.folder / "uv.lock").read_text())["package"]
    }
    assert locked - taken == {"helpdesk"}
