"""Remove what was not chosen, lock the dependencies, begin a git repository, and say what to do next.

The service is on disk by now, so nothing here fails the render, which would delete it: what could not be done is said,
with the command that does it later. cookiecutter runs this file from a temporary folder, in the folder
of the service, so it can import nothing that lies beside it.
"""

import importlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Safe whatever was typed: JSON never has three double quotes in a row, and a raw string leaves its backslashes alone.
ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
SERVICE = Path.cwd()
SUBJECT = "Begin the service as cookiecutter-nox-service renders it"
COMMIT = f'git commit -m "{SUBJECT}"'
LATER = f"  Later, in the service's folder: git init, git add --all, {COMMIT}"

PACKAGE = SERVICE / "packages" / "pytest-tiers"
SOURCE = b"""
[tool.uv.sources]
pytest-tiers = { path = "packages/pytest-tiers", editable = true }
"""
# What belongs to the package: at its top by name, below by kind of file.
TOP = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"}
BELOW = {"docs": {".md"}, "src": {".LICENSE", ".css", ".html", ".js", ".py", ".ts", ".typed"}}

LOCK_SECONDS = 300  # On a slow line a first lock downloads some tens of megabytes of metadata.
GIT_SECONDS = 60  # A commit that is signed may ask for a passphrase where nobody sees the question.


def say(text: str) -> None:
    """Print `text` at once, so that it stands above what a child process prints; nothing where nobody reads any more."""
    try:
        print(text, flush=True)
    except (
        OSError
    ):  # a closed pipe, a full disk: Python would fail again when it ends, with what is still to be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(command: list[str], seconds: float, environment: dict[str, str]) -> tuple[bool, str]:
    """Run `command` in the service's folder; return whether it succeeded, and its output or the reason why not."""
    # A file, because a pipe would be waited for as long as any grandchild holds it, timeout or not.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                command,
                cwd=SERVICE,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return False, f"no answer within {seconds} s"
        except OSError as error:
            return False, str(error)
        output.seek(0)
        return done.returncode == 0, output.read().decode("utf-8", "replace").strip()


def is_throwaway() -> bool:
    """Say whether cruft renders this service only to compare it with another render, as its update and diff do.

    cruft gives its templates a commit but no output folder. Its first render, `cruft create`, differs from the others
    in the place alone: those lie in a folder that Python's tempfile made.
    """
    if "_commit" not in ANSWERS or "_output_dir" in ANSWERS:
        return False
    above = SERVICE.parent
    return bool(re.fullmatch(r"tmp[a-z0-9_]{8}", above.name)) and above.parent.samefile(tempfile.gettempdir())


def place_package() -> None:
    """Leave of packages/pytest-tiers what belongs to it; nothing, and no word of it, where it comes from an index."""
    try:
        if ANSWERS["pytest_tiers"] == "folder":
            prune(PACKAGE)
            return
        project = SERVICE / "pyproject.toml"
        project.write_bytes(project.read_bytes().replace(SOURCE, b""))
        shutil.rmtree(PACKAGE, ignore_errors=True)
        PACKAGE.parent.rmdir()
    except OSError as error:
        if PACKAGE.exists():  # else it is `packages`, in which there is something else
            say(f"packages/pytest-tiers: {error}; compare it with the template's.")


def prune(folder: Path) -> None:
    """Remove what doesn't belong to the package from `folder`, and folders that are empty then.

    cookiecutter copies all that lies in the template's: caches, environments, builds.
    """
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            prune(path)
            if not any(path.iterdir()):
                path.rmdir()
        elif not belongs(path.relative_to(PACKAGE)):
            path.unlink()


def belongs(file: Path) -> bool:
    """Say whether a file belongs to the package, by its path from there."""
    top, *below = file.parts
    if not below:
        return top in TOP
    hidden = any(part.startswith(".") for part in below)
    return file.suffix in BELOW.get(top, ()) and not hidden and (top != "src" or below[0] == "pytest_tiers")


def find_uv() -> str | None:
    """Return the path of uv: the one on PATH, else one that is installed beside the running Python, else None."""
    on_path = shutil.which("uv")
    if on_path:
        return on_path
    try:
        return str(importlib.import_module("uv").find_uv_bin())
    except (ImportError, AttributeError, OSError):
        return None


def lock() -> None:
    """Write `uv.lock`; one that is there already keeps its versions where they still fit."""
    uv = find_uv()
    if uv is None:
        say(
            "Dependencies: not locked, because uv was not found. `nox -s fast` tells how to get it; then run: uv lock"
        )
        return
    # Each of these would lock another project, or refuse to write.
    elsewhere = {"UV_FROZEN", "UV_LOCKED", "UV_PROJECT", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY"}
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    say("Dependencies: uv writes uv.lock, a few seconds ...")
    started = time.monotonic()
    locked, output = run([uv, "lock", "--color", "never"], LOCK_SECONDS, environment)
    if locked:
        say(f"Dependencies: locked in {time.monotonic() - started:.1f} s.")
    else:
        say(f"Dependencies: not locked, because uv said: {reason(output)}")
        say("  The service is complete without; later, in its folder: uv lock")
        if "conflicting URLs for package `pytest-tiers`" in output:
            say(
                "  Another service of this uv workspace has it, too. The README says what to do, under: pytest-tiers"
            )


def reason(output: str) -> str:
    """Return the line of `output` that says what went wrong, with the first cause that uv gives for it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["nothing"]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(("error:", "fatal:")):
            return f"{line}; {following}" if following.startswith("cause:") else line
    return lines[-1]


def begin_repository() -> None:
    """Make the service a git repository on branch main with one commit, unless it is in a repository already."""
    if (SERVICE / ".git").exists():
        say("Git: the repository that is here stays as it is.")
        return
    outer = outer_repository()
    if outer:
        place = SERVICE.relative_to(outer).as_posix()
        say(f"Git: no repository of its own, because the service lies in that of {outer}; commit it there.")
        say(
            f"  GitHub reads {outer / '.github'} and no other. Move the service's workflows and dependabot.yml there:"
        )
        say(
            f"  give each workflow `defaults.run.working-directory: {place}`, and each path in it {place}/ in front."
        )
        return
    git = shutil.which("git")
    if git is None:
        say("Git: no repository, because git was not found.")
        say(LATER)
        return
    # Inside a git hook or `git rebase --exec` these point at another repository. Git itself knows their names. The
    # GIT_CONFIG ones among them stay: some machines configure name and e-mail that way.
    environment = dict(os.environ)
    known, names = run([git, "rev-parse", "--local-env-vars"], GIT_SECONDS, environment)
    for name in names.split() if known else []:
        if not name.startswith("GIT_CONFIG"):
            environment.pop(name, None)
    # Before git 2.28, `git init` knows no --initial-branch.
    for arguments in (["init"], ["symbolic-ref", "HEAD", "refs/heads/main"], ["add", "--all"]):
        succeeded, output = run([git, *arguments], GIT_SECONDS, environment)
        if not succeeded:
            say(f"Git: no first commit, because `git {arguments[0]}` failed: {reason(output)}")
            say(LATER)
            return
    # Without this option git makes up an address from the machine's name, and the first commit keeps it for ever.
    own_name = [git, "-c", "user.useConfigOnly=true"]
    if not run([*own_name, "var", "GIT_COMMITTER_IDENT"], GIT_SECONDS, environment)[0]:
        say("Git: repository on branch main, no first commit, because git knows no name and e-mail of yours.")
        say("  Later: git config --global user.name NAME, git config --global user.email ADDRESS,")
        say(f"  then in the service's folder: {COMMIT}")
        return
    succeeded, output = run([*own_name, "commit", "-m", SUBJECT], GIT_SECONDS, environment)
    if succeeded:
        say("Git: repository on branch main, first commit made.")
    else:
        say(f"Git: repository on branch main, no first commit, because git said: {reason(output)}")
        say(f"  Later, in the service's folder: {COMMIT}")


def outer_repository() -> Path | None:
    """Return the git work tree that the service lies in, without having one itself; None if there is none."""
    return next((folder for folder in SERVICE.parents if is_repository(folder)), None)


def is_repository(folder: Path) -> bool:
    """Say whether `folder` is the top of a git work tree; worktrees and submodules have a file there."""
    try:
        return (folder / ".git").is_file() or (folder / ".git" / "HEAD").exists()
    except OSError:
        return False


def next_commands() -> list[str]:
    """Return the three commands to type next, the first of them from the folder where cookiecutter was called."""
    called_from = os.environ.get("PWD")
    near = called_from and SERVICE.parent == Path(called_from).resolve()
    far = f'"{SERVICE}"' if os.name == "nt" else shlex.quote(str(SERVICE))
    enter = f"cd {SERVICE.name if near else far}"
    if shutil.which("nox"):
        return [enter, "nox -s fast", "nox -s serve"]
    if shutil.which("uv"):
        return [enter, "uv tool install nox", "nox -s fast"]
    return [enter, 'python -m pip install "nox[uv]"', "nox -s fast"]


def main() -> None:
    """Do all of it, in the order in which it is said."""
    place_package()
    if is_throwaway():
        return
    # A folder's name may hold what the terminal's encoding doesn't.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        lock()
        begin_repository()
    except KeyboardInterrupt:
        # cookiecutter is interrupted as well, and keeps what is there.
        say("\nInterrupted. The service is complete but for this, to be done in its folder:")
        enter, *_ = next_commands()
        begin = [] if outer_repository() else ["git init", "git add --all", COMMIT]
        for command in [enter, "uv lock", *begin]:
            say(f"  {command}")
        return
    if "_commit" in ANSWERS and "_output_dir" not in ANSWERS:
        say("cruft: writes .cruft.json after this; commit it before the first `cruft update`.")
    say("\nNext:")
    for command in next_commands():
        say(f"  {command}")


if __name__ == "__main__":
    main()
