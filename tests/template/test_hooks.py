"""What the post hook does on machines where something is missing, in the way, or done already."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from answering import Machine, small_copy
from cookiecutter.utils import create_env_with_context

pytestmark = pytest.mark.fast

SUBJECT = "Begin the service as cookiecutter-nox-service renders it"


@pytest.fixture(scope="session")
def small(template, tmp_path_factory) -> Path:
    """The template with few files in its service."""
    return small_copy(template, tmp_path_factory.mktemp("small"))


@pytest.fixture
def machine(tmp_path) -> Machine:
    """A machine with git and its user's name, without uv and nox."""
    machine = Machine(tmp_path / "machine")
    machine.install("git")
    machine.introduce_to_git()
    return machine


@pytest.fixture
def service(tmp_path) -> Path:
    """The folder of the service that a test renders or finishes."""
    return tmp_path / "out" / "helpdesk"


@pytest.fixture
def render(machine, small, tmp_path, service):
    """Return a function that renders Helpdesk on `machine` with cookiecutter and returns what was printed."""

    def render(*options: str) -> str:
        done = machine.render(small, tmp_path / "out", *options)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert (service / "pyproject.toml").is_file()
        return done.stdout

    return render


@pytest.fixture(scope="session")
def rendered(small, tmp_path_factory) -> Path:
    """Helpdesk as it is before the post hook runs, and beside it the hook itself with the answers filled in."""
    folder = tmp_path_factory.mktemp("rendered")
    machine = Machine(folder / "machine")
    done = machine.render(small, folder)
    assert done.returncode == 0, done.stderr
    context = json.loads(
        (machine.home / ".cookiecutter_replay" / f"{small.name}.json").read_text(encoding="utf-8")
    )
    source = (small / "hooks" / "post_gen_project.py").read_text(encoding="utf-8")
    hook = create_env_with_context(context).from_string(source).render(**context)
    (folder / "hook.py").write_text(hook, encoding="utf-8")
    return folder


@pytest.fixture
def finish(machine, rendered, tmp_path):
    """Return a function that runs the post hook as cookiecutter does, and returns what was printed."""

    def finish(
        project: str = "", folder: Path = tmp_path / "out", hasty: bool = False, **environment: str
    ) -> str:
        shutil.copytree(rendered / "helpdesk", folder / "helpdesk")
        if project:
            (folder / "helpdesk" / "pyproject.toml").write_text(project, encoding="utf-8")
        hook = rendered / "hook.py"
        if hasty:
            source = hook.read_text(encoding="utf-8")
            assert "LOCK_SECONDS = 300" in source
            hook = tmp_path / "hasty.py"
            hook.write_text(source.replace("LOCK_SECONDS = 300", "LOCK_SECONDS = 0.2"), encoding="utf-8")
        done = machine.run([sys.executable, str(hook)], cwd=folder / "helpdesk", **environment)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return finish


def git(machine: Machine, folder: Path, *arguments: str) -> str:
    done = machine.run(["git", *arguments], cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# The lock


def test_uv_locks_the_service_and_no_other_project(finish, machine, service):
    machine.install_script("uv", 'echo "$PWD|$*|$UV_PROJECT$UV_LOCKED$UV_FROZEN$UV_WORKING_DIR" > uv.lock')
    said = finish(UV_PROJECT="/elsewhere", UV_LOCKED="1", UV_FROZEN="1", UV_WORKING_DIR="/elsewhere")
    assert "Dependencies: locked in" in said
    assert (service / "uv.lock").read_text() == f"{service}|lock --color never|\n"


def test_uv_beside_the_running_python_is_found(finish, machine, service):
    program = machine.install_script("hidden-uv", "echo locked > uv.lock")
    (machine.modules / "uv.py").write_text(f"def find_uv_bin():\n    return {str(program)!r}\n")
    assert "Dependencies: locked in" in finish()
    assert (service / "uv.lock").exists()


def test_without_uv_it_says_how_to_lock_later(finish, service):
    said = finish()
    assert "not locked, because uv was not found" in said
    assert "then run: uv lock" in said
    assert not (service / "uv.lock").exists()


@pytest.mark.parametrize(
    ("environment", "cause"),
    [
        ({"UV_OFFLINE": "1"}, "was not found in the cache"),
        ({"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}, "Failed to fetch"),
    ],
    ids=["offline", "no connection"],
)
def test_without_network_it_says_how_to_lock_later(finish, machine, tmp_path, service, environment, cause):
    uv = pytest.importorskip("uv")
    machine.install("uv", uv.find_uv_bin())
    said = finish(
        '[project]\nname = "helpdesk"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["nox"]\n',
        UV_CACHE_DIR=str(tmp_path / "cache"),
        UV_PYTHON_DOWNLOADS="never",
        UV_PYTHON=os.path.realpath(sys.executable),
        **environment,
    )
    assert "not locked, because uv said: " in said
    assert cause in said
    assert "later, in its folder: uv lock" in said
    assert "first commit made" in said
    assert not (service / "uv.lock").exists()


def test_a_uv_that_never_ends_is_not_waited_for(finish, machine):
    machine.install_script("uv", "/bin/sleep 2; echo late > uv.lock")
    said = finish(hasty=True)
    assert "not locked, because uv said: no answer within 0.2 s" in said


# The repository


def test_the_first_commit_holds_everything_on_branch_main(render, machine, service):
    machine.install_script("uv", "echo locked > uv.lock")
    assert "Git: repository on branch main, first commit made." in render()
    assert git(machine, service, "log", "--format=%s %an", "main") == f"{SUBJECT} Ann"
    assert git(machine, service, "status", "--porcelain") == ""
    assert "uv.lock" in git(machine, service, "ls-files").splitlines()


def test_a_git_that_knows_no_initial_branch_is_enough(finish, machine, service):
    real = shutil.which("git")
    (machine.bin / "git").unlink()
    machine.install_script(
        "git",
        'for argument; do case "$argument" in -b|--initial-branch*)\n'
        '  echo "error: unknown switch" >&2; exit 129;; esac; done\n'
        f'exec {real} -c init.defaultBranch=master "$@"',
    )
    assert "first commit made" in finish()
    assert git(machine, service, "branch", "--show-current") == "main"


def test_without_git_it_says_how_to_begin_later(finish, machine, service):
    (machine.bin / "git").unlink()
    said = finish()
    assert "no repository, because git was not found" in said
    assert "git init" in said
    assert not (service / ".git").exists()


def test_without_a_name_nothing_is_committed_under_a_made_up_one(finish, machine, service):
    (machine.home / ".gitconfig").unlink()
    # From this and the name of the account, git would make up an identity.
    said = finish(EMAIL="root@build-7.example.com")
    assert "no first commit, because git knows no name and e-mail of yours" in said
    assert "git config --global user.email" in said
    assert git(machine, service, "symbolic-ref", "HEAD") == "refs/heads/main"
    # What it said to do is enough.
    git(machine, service, "config", "user.name", "Bob")
    git(machine, service, "config", "user.email", "bob@example.com")
    command = next(line.partition("folder: ")[2] for line in said.splitlines() if "git commit" in line)
    assert machine.run(["/bin/sh", "-c", command], cwd=service).returncode == 0
    assert git(machine, service, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "configuration",
    [
        "[core]\n  hooksPath = {hooks}\n",
        "[commit]\n  gpgSign = true\n[gpg]\n  program = {hooks}/pre-commit\n",
    ],
    ids=["hook", "signature"],
)
def test_a_commit_that_fails_is_said_and_left_for_later(finish, machine, service, configuration):
    hooks = machine.home / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\necho 'ask your platform team' >&2\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    with (machine.home / ".gitconfig").open("a") as file:
        file.write(configuration.format(hooks=hooks))
    said = finish()
    assert "no first commit, because git said: " in said
    assert f'folder: git commit -m "{SUBJECT}"' in said
    assert "pyproject.toml" in git(machine, service, "diff", "--cached", "--name-only").splitlines()


def test_a_git_that_does_not_work_is_said(finish, machine, service):
    (machine.bin / "git").unlink()
    machine.install_script("git", "echo 'fatal: developer tools are missing' >&2; exit 1")
    said = finish()
    assert "Git: no first commit, because `git init` failed: fatal: developer tools are missing" in said
    assert not (service / ".git").exists()


@pytest.mark.parametrize("kind", ["repository", "worktree"])
def test_no_repository_is_nested_in_another(finish, machine, tmp_path, service, kind):
    outer = tmp_path / "out"
    first = outer if kind == "repository" else tmp_path / "first"
    first.mkdir()
    git(machine, first, "init")
    git(machine, first, "commit", "--allow-empty", "-m", "outer")
    if kind == "worktree":
        git(machine, first, "worktree", "add", "--detach", str(outer))
    said = finish()
    assert f"the service lies in that of {outer}" in said
    assert not (service / ".git").exists()
    assert git(machine, outer, "log", "--format=%s") == "outer"
    assert git(machine, outer, "status", "--porcelain") == "?? helpdesk/"
    # Of a monorepo, GitHub reads one folder only.
    assert f"GitHub reads {outer}/.github and no other" in said
    assert "`defaults.run.working-directory: helpdesk`" in said


def test_the_repository_that_an_outer_tool_works_in_is_left_alone(finish, machine, tmp_path, service):
    other = tmp_path / "other"
    other.mkdir()
    git(machine, other, "init")
    said = finish(
        GIT_DIR=str(other / ".git"),
        GIT_WORK_TREE=str(other),
        GIT_INDEX_FILE=str(other / ".git" / "other-index"),
    )
    assert "first commit made" in said
    assert git(machine, service, "log", "--format=%s") == SUBJECT
    assert git(machine, other, "status", "--porcelain") == ""
    assert not (other / ".git" / "other-index").exists()


def test_a_name_that_comes_from_the_environment_is_used(finish, machine, service):
    (machine.home / ".gitconfig").unlink()
    who = {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Eve"}
    finish(**who, GIT_CONFIG_KEY_1="user.email", GIT_CONFIG_VALUE_1="eve@example.com")
    assert git(machine, service, "log", "--format=%an %ae") == "Eve eve@example.com"


# Nobody listens, or somebody has had enough


@pytest.mark.parametrize("closed", ["a pipe", "a full disk"])
def test_an_output_that_cant_be_written_keeps_the_service(machine, small, tmp_path, service, closed):
    machine.install_script("uv", "echo locked > uv.lock")
    if closed == "a pipe":
        read, output = os.pipe()
        os.close(read)
    else:
        output = os.open("/dev/full", os.O_WRONLY)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cookiecutter", str(small), "--no-input", "-o", str(tmp_path / "out")],
            cwd=machine.home,
            env=machine.environment,
            stdout=output,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    finally:
        os.close(output)
    assert (done.returncode, done.stderr) == (0, "")
    assert (service / "uv.lock").exists()
    assert git(machine, service, "log", "--format=%s") == SUBJECT


@pytest.mark.parametrize("nested", [False, True])
def test_an_interruption_keeps_the_service_and_says_how_to_go_on(machine, small, tmp_path, service, nested):
    # Ctrl-C reaches all that runs in the terminal: cookiecutter, the hook and uv.
    machine.install_script("uv", "kill -INT 0; /bin/sleep 60")
    if nested:
        (tmp_path / "out").mkdir()
        git(machine, tmp_path / "out", "init")
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(small), "--no-input", "-o", str(tmp_path / "out")],
        cwd=machine.home,
        env=machine.environment,
        capture_output=True,
        encoding="utf-8",
        start_new_session=True,
    )
    assert "Traceback" not in done.stderr
    assert (service / "pyproject.toml").is_file()
    said = done.stdout.partition(
        "Interrupted. The service is complete but for this, to be done in its folder:\n"
    )[2]
    commands = [line.strip() for line in said.splitlines()]
    begin = [] if nested else ["git init", "git add --all", f'git commit -m "{SUBJECT}"']
    assert commands == [f"cd {service}", "uv lock", *begin]

    # They are enough.
    machine.install_script("uv", "echo locked > uv.lock")
    assert machine.run(["/bin/sh", "-ec", "\n".join(commands)]).returncode == 0
    assert (service / "uv.lock").exists()
    assert nested or git(machine, service, "status", "--porcelain") == ""


# Twice, and afterwards


def test_a_second_render_keeps_history_and_lock(render, machine, service):
    machine.install_script("uv", '[ -e uv.lock ] || echo "first" > uv.lock')
    render()
    (service / "notes.txt").write_text("mine")
    git(machine, service, "add", "notes.txt")
    git(machine, service, "commit", "-m", "Mine")
    head = git(machine, service, "rev-parse", "HEAD")
    said = render("--overwrite-if-exists")
    assert "Git: the repository that is here stays as it is." in said
    assert git(machine, service, "rev-parse", "HEAD") == head
    assert git(machine, service, "status", "--porcelain") == ""
    assert (service / "uv.lock").read_text() == "first\n"


@pytest.mark.parametrize(
    ("programs", "commands"),
    [
        ([], ['python -m pip install "nox[uv]"', "nox -s fast"]),
        (["uv"], ["uv tool install nox", "nox -s fast"]),
        (["nox"], ["nox -s fast", "nox -s serve"]),
        (["nox", "uv"], ["nox -s fast", "nox -s serve"]),
    ],
    ids=["nothing", "uv", "nox", "both"],
)
def test_three_commands_come_last(finish, machine, service, programs, commands):
    for program in programs:
        machine.install_script(program, "exit 0")
    said = finish()
    assert said.splitlines()[-4:] == ["Next:", *(f"  {command}" for command in [f"cd {service}", *commands])]
    assert "\x1b" not in said
    assert len(said.splitlines()) <= 12


def test_the_folder_is_named_as_seen_from_where_one_stands(finish, tmp_path):
    assert "  cd helpdesk\n" in finish(PWD=str(tmp_path / "out"))


def test_a_folder_with_spaces_can_be_entered(finish, tmp_path):
    said = finish(folder=tmp_path / "my services")
    assert f"  cd '{tmp_path}/my services/helpdesk'\n" in said
