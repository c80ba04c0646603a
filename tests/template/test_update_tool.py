"""cruft creates a service like cookiecutter does, and updates it without a trace of the hooks."""

import json
import sys
from pathlib import Path

import pytest
from answering import Machine, small_copy

pytest.importorskip("cruft")
pytestmark = pytest.mark.fast


@pytest.fixture
def machine(tmp_path) -> Machine:
    """A machine with git, and a uv that notes where it was called."""
    machine = Machine(tmp_path / "machine")
    machine.install("git")
    machine.introduce_to_git()
    machine.install_script("uv", f'echo "$PWD" >> {tmp_path}/locked; echo "first lock" > uv.lock')
    return machine


def cruft(machine: Machine, folder: Path, *arguments: str) -> str:
    """Run cruft in `folder` and return what it printed."""
    done = machine.run([sys.executable, "-m", "cruft", *arguments], cwd=folder, PWD=str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def commit(machine: Machine, folder: Path, subject: str) -> None:
    for arguments in (["add", "--all"], ["commit", "-m", subject]):
        done = machine.run(["git", *arguments], cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("choice", ["folder", "index"])
def test_an_update_brings_the_change_and_touches_neither_lock_nor_history(
    template, tmp_path, machine, choice
):
    source = small_copy(template, tmp_path / "source")
    package = source / "{{cookiecutter.project_slug}}" / "packages" / "pytest-tiers"
    package.mkdir(parents=True)
    (package / "LICENSE").write_text("Of the package.\n")
    machine.run(["git", "init"], cwd=source)
    commit(machine, source, "Template, first version")

    answers = json.dumps({"pytest_tiers": choice})
    options = ("--no-input", "--output-dir", str(tmp_path), "--extra-context", answers)
    said = cruft(machine, tmp_path, "create", str(source), *options)
    service = tmp_path / "helpdesk"
    locked = [str(service)]
    assert "Dependencies: locked" in said
    assert "first commit made" in said
    assert "writes .cruft.json after this; commit it" in said
    assert (tmp_path / "locked").read_text().splitlines() == locked

    with (service / "README.md").open("a") as file:
        file.write("\nA paragraph of the team.\n")
    commit(machine, service, "Our own")
    history = machine.run(["git", "log", "--format=%H %s"], cwd=service).stdout
    assert len(history.splitlines()) == 2

    licence = source / "{{cookiecutter.project_slug}}" / "LICENSE"
    licence.write_text("Changed in the template, {{ cookiecutter.copyright_year }}.\n" + licence.read_text())
    (package / "README.md").write_text("New.\n")
    commit(machine, source, "Template, second version")

    for said in (cruft(machine, service, "update", "--skip-apply-ask"), cruft(machine, service, "diff")):
        for word in ("Dependencies", "Git:", "Next:", "uv lock"):
            assert word not in said
    assert "up to date" in cruft(machine, service, "check")

    assert "Changed in the template" in (service / "LICENSE").read_text()
    assert "A paragraph of the team." in (service / "README.md").read_text()
    assert (service / "uv.lock").read_text() == "first lock\n"
    assert (tmp_path / "locked").read_text().splitlines() == locked
    assert machine.run(["git", "log", "--format=%H %s"], cwd=service).stdout == history
    changed = machine.run(["git", "status", "--porcelain"], cwd=service).stdout.split()
    new = ["packages/pytest-tiers/README.md"] if choice == "folder" else []
    assert sorted(changed[1::2]) == [".cruft.json", "LICENSE", *new]
    assert (service / "packages").exists() == (choice == "folder")
    assert (
        json.loads((service / ".cruft.json").read_text())["context"]["cookiecutter"]["project_slug"]
        == "helpdesk"
    )
    assert not list(service.rglob("*.rej"))


def test_cruft_refuses_bad_answers_and_leaves_nothing(template, tmp_path, machine):
    source = small_copy(template, tmp_path / "source")
    machine.run(["git", "init"], cwd=source)
    commit(machine, source, "Template")
    (tmp_path / "out").mkdir()
    answers = json.dumps({"project_slug": "../team/desk", "description": ""})
    done = machine.run(
        [sys.executable, "-m", "cruft", "create", str(source), "--no-input", "--extra-context", answers],
        cwd=tmp_path / "out",
    )
    assert done.returncode != 0
    assert "2 answers cannot be used" in done.stderr
    assert not list((tmp_path / "out").iterdir())
    assert not (tmp_path / "team").exists()
