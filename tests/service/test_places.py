"""Awkward answers and awkward places: each is rendered, and its sessions run there."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from service import Account, Service, render_from_outside

pytestmark = pytest.mark.slow

LONGEST = "d" * 19 + "_" + "e" * 20
# What a parent folder, a monorepo's root for instance, may say about everything below it.
AROUND = {
    "pytest.ini": "[pytest]\naddopts = --nonsense\ntestpaths = nowhere\n",
    "pyproject.toml": '[tool.ruff]\nline-length = 40\n[tool.ruff.lint]\nselect = ["ALL"]\n[tool.coverage.report]\nfail_under = 100\n',
    "mypy.ini": "[mypy]\ndisallow_any_expr = True\n",
    "noxfile.py": "raise SystemExit('not this one')\n",
    "conftest.py": "raise SystemExit('not this one')\n",
    "alembic.ini": "[alembic]\nscript_location = nowhere\n",
}


@pytest.mark.parametrize("name", ["app", "main", "api", "service", "env", "a", LONGEST])
def test_any_package_name_works(template, outside, tmp_path, mypy_cache, name):
    slug = f"desk-{len(name)}"
    service = render_from_outside(template, tmp_path, outside, project_slug=slug, package_name=name)
    sessions = ["lint", "unit", "migrations"]
    if name in ("env", "app"):  # a module of that name lies in migrations/; and the usual one
        sessions.append("types")
    done = service.nox("-s", *sessions, MYPY_CACHE_DIR=mypy_cache)
    assert [counts.keys() for counts in done.counts] == [{"passed"}] * 2
    assert re.findall(r"\* (\w+): success", done.output) == sessions


def test_names_that_begin_with_a_digit_work(template, outside, tmp_path):
    service = render_from_outside(template, tmp_path, outside, project_name="3D Printing Queue")
    assert service.folder.name == "3d-printing-queue"
    done = service.nox("-s", "unit", "migrations", "slowest", "--", "-q")
    assert "import service_3d_printing_queue.app: " in done.stdout


def test_a_folder_with_odd_letters_below_others_configurations_works(template, outside, tmp_path, mypy_cache):
    above = tmp_path / "Büro & Söhne (alt)"
    above.mkdir()
    for name, text in AROUND.items():
        (above / name).write_text(text)
    service = render_from_outside(template, above / "unsere dienste", outside)
    sessions = ["lint", "types", "unit", "integration", "committed", "migrations"]
    done = service.nox("-s", *sessions, MYPY_CACHE_DIR=mypy_cache)
    assert re.findall(r"\* (\w+): success", done.output) == sessions


def test_a_service_in_a_monorepo_works(template, outside, tmp_path):
    Service(tmp_path, outside, Account(tmp_path)).run("git", "init", "-q")
    service = render_from_outside(template, tmp_path / "services", outside, project_name="In Monorepo")
    assert not (service.folder / ".git").exists()
    assert service.nox("-s", "unit").counts[0].keys() == {"passed"}


def test_sessions_work_in_a_folder_that_was_moved(clone_service, python, tmp_path):
    service = clone_service()
    own = service.environment | {"UV_PROJECT_ENVIRONMENT": ".venv"}
    service.run("uv", "sync", "--locked", UV_PROJECT_ENVIRONMENT=".venv")
    moved = replace(service, folder=service.folder.rename(tmp_path / "moved"), environment=own)
    # Somebody else's pytest is on PATH.
    other = tmp_path / "programs" / "pytest"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho 'not this one'; exit 7\n")
    other.chmod(0o755)
    path = f"{other.parent}:{own['PATH']}"
    nox = str(Path(python).with_name("nox"))
    sessions = ["unit", "integration", "lint", "types", "doctor"]
    done = moved.run(nox, "-s", *sessions, PATH=path)
    assert re.findall(r"\* (\w+): success", done.output) == sessions
    program = "import helpdesk, pytest_tiers; print(helpdesk.__file__, pytest_tiers.__file__)"
    places = moved.run("uv", "run", "--locked", "python", "-c", program).stdout.split()
    assert all(Path(place).is_relative_to(moved.folder) for place in places)


def test_another_python_is_really_another_one(clone_service, tmp_path):
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [
        python for minor in (12, 13, 14) for python in pyenv.glob(f"versions/3.{minor}.*/bin/python3.{minor}")
    ]
    if not found:
        pytest.skip("there is only one Python on this machine")
    version = found[0].name.removeprefix("python")
    (tmp_path / found[0].name).symlink_to(found[0])
    service = clone_service()
    (service.folder / "tests/unit/test_python.py").write_text(
        f"import sys\n\n\ndef test_python() -> None:\n    assert sys.version.startswith('{version}.')\n"
    )
    done = service.nox(
        *("-P", version, "-s", "unit", "--", "tests/unit/test_python.py"),
        PATH=f"{tmp_path}:{service.environment['PATH']}",
    )
    assert f"unit-{version} was successful" in done.output


def test_two_branches_that_were_merged_pass_migrations(clone_service, mypy_cache):
    service = clone_service()
    project = service.folder / "src/helpdesk/models.py"
    alembic = ("uv", "run", "--locked", "alembic")
    for name in ("left", "right"):
        service.run(*alembic, "revision", "-m", name, "--head", "0002", "--rev-id", name, "--splice")
        (revision,) = (service.folder / "migrations/versions").glob(f"{name}_*.py")
        change = f'op.add_column("tickets", sa.Column("{name}", sa.String(length=5), nullable=True))'
        back = f'op.drop_column("tickets", "{name}")'
        up, _, down = revision.read_text().partition("def downgrade")
        assert up.count("    pass\n") == down.count("    pass\n") == 1
        revision.write_text(
            up.replace("pass\n", f"{change}\n") + "def downgrade" + down.replace("pass\n", f"{back}\n")
        )
        text = project.read_text()
        anchor = "    subject: Mapped[str]"
        assert text.count(anchor) == 1
        project.write_text(
            text.replace(anchor, f"    {name}: Mapped[str | None] = mapped_column(String(5))\n{anchor}")
        )
    assert "test_the_revisions_are_one_line" in service.nox("-s", "migrations", status=1).stdout
    service.run(*alembic, "merge", "heads", "-m", "both")
    done = service.nox("-s", "migrations", "lint", "types", MYPY_CACHE_DIR=mypy_cache)
    assert re.findall(r"\* (\w+): success", done.output) == ["migrations", "lint", "types"]

    # What isn't taken back is still found, on either side of the merge.
    (right,) = (service.folder / "migrations/versions").glob("right_*.py")
    right.write_text(right.read_text().replace('op.drop_column("tickets", "right")', "pass"))
    said = service.nox("-s", "migrations", status=1).stdout
    assert "doesn't undo its upgrade()" in said or "already exists" in said
