"""Answer the template's questions as a person does: typed, on a machine where chosen programs are installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

# What hooks and cookiecutter need to run at all, and nothing that tells of the machine or of the run around the tests.
KEPT = ("LANG", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")


class Machine:
    """A user's machine: a home folder and a PATH that has only the programs which were put there.

    Programs are small shell scripts or links to real ones; `uv` beside the running Python is hidden. Everything lies
    in `folder`, and `environment` is what its processes get.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.modules = folder / "modules"
        for made in (self.home, self.bin, self.modules):
            made.mkdir(parents=True)
        self.hide_uv_module()
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "PATH": str(self.bin),
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "PYTHONPATH": str(self.modules),
            "PYTHONUTF8": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def hide_uv_module(self) -> None:
        """Make `import uv` fail, as where uv was not installed with pip."""
        (self.modules / "uv.py").write_text("raise ImportError\n")

    def install_script(self, name: str, script: str) -> Path:
        """Put a program on PATH that runs `script` in the shell; return its path."""
        program = self.bin / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    def install(self, name: str, real: str | None = None) -> None:
        """Put the real program `name` on PATH, found there in the tests' own environment or given as `real`."""
        found = real or shutil.which(name)
        assert found, f"{name} is needed by this test; install it"
        (self.bin / name).symlink_to(found)

    def introduce_to_git(self) -> None:
        """Tell git who the user is, in the configuration of the user."""
        (self.home / ".gitconfig").write_text("[user]\n  name = Ann\n  email = ann@example.com\n")

    def run(
        self, command: list[str], typed: str = "", cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` here with `typed` on its standard input; return what came of it, with the output as text."""
        return subprocess.run(
            command,
            cwd=cwd or self.home,
            env=self.environment | environment,
            input=typed,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    def type_answers(
        self, template: Path, output_dir: Path, **answers: str
    ) -> subprocess.CompletedProcess[str]:
        """Render `template` through the command line, answers typed one by one, the default where none is given."""
        lines = []
        for question, default in json.loads(
            (template / "cookiecutter.json").read_text(encoding="utf-8")
        ).items():
            if not question.startswith("_"):
                answer = answers.get(question, "")
                lines.append(
                    str(default.index(answer) + 1) if answer and isinstance(default, list) else answer
                )
        return self.run(
            [sys.executable, "-m", "cookiecutter", str(template), "--output-dir", str(output_dir)],
            typed="".join(f"{line}\n" for line in lines),
        )

    def render(self, template: Path, output_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Render `template` through the command line without questions; `options` are answers and flags."""
        command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "-o", str(output_dir)]
        return self.run([*command, *options])


def small_copy(template: Path, destination: Path) -> Path:
    """Copy the parts of `template` in which free text lands, and the hooks; return `destination`.

    The rest of a service takes most of the time of a render, and no answer reaches it but names that are checked.
    """
    folder = "{{cookiecutter.project_slug}}"
    shutil.copytree(template / "hooks", destination / "hooks")
    (destination / folder).mkdir()
    for name in (
        "cookiecutter.json",
        *(f"{folder}/{name}" for name in ("pyproject.toml", "README.md", "LICENSE")),
    ):
        shutil.copy(template / name, destination / name)
    return destination
