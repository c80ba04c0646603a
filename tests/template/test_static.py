"""What is rendered reads as if no template had been there, whatever the answers; and so does the template itself."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from answering import Machine
from rendering import ROOT, template_files

pytestmark = pytest.mark.fast

LONGEST = {
    "project_name": "Donaudampfschifffahrtsgesellschaft " * 2 + "Help desk",
    "project_slug": "d" * 19 + "-" + "e" * 20,
    "package_name": "d" * 19 + "_" + "e" * 20,
    "description": "A long sentence about what it does." * 14,
    "author_name": "The Department of Long Names." * 3,
    "author_email": "l" * 60 + "@" + "example." * 6 + "com",
    "github_owner": "o" * 39,
}
SHORTEST = {
    "project_name": "A",
    "project_slug": "b",
    "package_name": "c",
    "description": "D",
    "author_name": "E",
    "author_email": "f@g.h",
    "github_owner": "i",
}
ANSWERS = {
    "default": {},
    "shortest": SHORTEST | {"python_version": "3.12", "license": "Apache-2.0"},
    "longest": LONGEST | {"python_version": "3.13", "license": "BSD-3-Clause"},
    "newest": {"python_version": "3.14", "license": "proprietary"},
    "index": {"pytest_tiers": "index"},
}
PACKAGE = "packages/pytest-tiers"


@pytest.fixture(scope="module")
def renders(template, tmp_path_factory):
    """Return a function that renders the service with the answers of that name, once."""
    machine = Machine(tmp_path_factory.mktemp("machine"))  # without uv: nothing here needs the lock
    done: dict[str, Path] = {}

    def renders(name: str) -> Path:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            options = [f"{question}={answer}" for question, answer in ANSWERS[name].items()]
            rendering = machine.render(template, folder, *options)
            assert rendering.returncode == 0, rendering.stderr
            done[name] = next(folder.iterdir())
        return done[name]

    return renders


@pytest.fixture(params=ANSWERS)
def rendered(renders, request) -> Path:
    """A service, one for each set of answers."""
    return renders(request.param)


def texts(folder: Path) -> dict[str, str]:
    """Return the content of every file that is the team's in a service's folder, by its name."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and ".git" not in path.relative_to(folder).parts
        and not path.is_relative_to(folder / PACKAGE)
    }


def complaints(files: dict[str, str], pattern: str, flags: int = 0) -> list[str]:
    """Return the lines of `files` that have `pattern` in them, as `name:line: text`."""
    return [
        f"{name}:{number}: {line}"
        for name, text in files.items()
        for number, line in enumerate(text.split("\n"), start=1)
        if re.search(pattern, line, flags)
    ]


# A service may say which template it comes from, as its updates do.
DEBRIS = r"(?<!\$)\{\{|\{%|\{#|cookiecutter(?!-nox-service)"


@pytest.mark.parametrize(
    "line", ["a {{ b }}", "{% if x %}", "{# note #}", "by Cookiecutter", "x = cookiecutter.slug"]
)
def test_debris_is_recognised(line):
    assert complaints({"file": line}, DEBRIS, re.IGNORECASE)
    assert not complaints({"file": "run: ${{ matrix.python }}"}, DEBRIS, re.IGNORECASE)


def test_no_debris_of_the_template_is_left(rendered):
    assert complaints(texts(rendered), DEBRIS, re.IGNORECASE) == []


def test_files_end_as_they_should_and_none_is_left_over(rendered):
    files = texts(rendered)
    assert complaints(files, r"[ \t\r]$") == []
    empty = {name for name, text in files.items() if not text.strip()}
    assert all(name.endswith(("__init__.py", "py.typed")) for name in empty)
    for name, text in files.items():
        if name not in empty:
            assert text.endswith("\n"), f"{name} has no line end at its end"
            assert not text.endswith("\n\n"), f"{name} ends with an empty line"
            # The text of the Apache licence does.
            assert not text.startswith("\n") or name == "LICENSE", f"{name} begins with an empty line"
            assert "\n\n\n\n" not in text, f"{name} has more than two empty lines at a place"
    assert [path for path in rendered.rglob("*") if path.is_dir() and not any(path.iterdir())] == []


def test_every_file_can_be_read_by_its_reader(rendered):
    lowest = tomllib.loads((rendered / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "requires-python"
    ]
    readers: dict[str, Callable[[str], object]] = {
        ".json": json.loads,
        ".py": lambda text: ast.parse(text, feature_version=(3, int(lowest.rpartition(".")[2]))),
        ".toml": tomllib.loads,
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
    }
    read = set()
    for name, text in texts(rendered).items():
        if Path(name).suffix in readers:
            readers[Path(name).suffix](text)
            read.add(Path(name).suffix)
    assert {".py", ".toml", ".yml"} <= read


def ruff(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the pinned ruff in `folder`, with the configuration that is there."""
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")


def test_ruff_has_nothing_to_complain_about(rendered):
    for arguments in (["check"], ["format", "--check", "--diff"]):
        done = ruff(rendered, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    looked_at = {Path(line) for line in ruff(rendered, "check", "--show-files").stdout.splitlines()}
    assert {rendered / name for name in texts(rendered) if name.endswith(".py")} <= looked_at


def test_ruff_would_complain(renders, tmp_path):
    service = shutil.copytree(renders("default"), tmp_path / "service")
    # Nobody's business but its own:
    (service / PACKAGE / "src" / "pytest_tiers" / "bad.py").write_text("import  os\n")
    assert ruff(service, "check").returncode == ruff(service, "format", "--check").returncode == 0
    (service / "tests" / "bad.py").write_text("import  os\n")
    assert "F401" in ruff(service, "check").stdout
    assert "bad.py" in ruff(service, "format", "--check").stdout


# The template's own files


@pytest.fixture(scope="module")
def own() -> dict[str, str]:
    """The content of every file of the template, by its name."""
    pictures = (".png",)
    files = [
        name for name in template_files() if name.suffix not in pictures and not (ROOT / name).is_symlink()
    ]
    return {name.as_posix(): (ROOT / name).read_text(encoding="utf-8") for name in files}


# In pieces, so that this file has none of them in it.
HOSTS = r"(pypi|pythonhosted|npmjs|yarnpkg|anaconda|crates|docker)" + r"\.(org|com|io)\b"
MIRRORS = r"https?://(?!127\.)\S*/(simple|npm|debian|wheels)\b"
PLACES = r"(?<![\w.>])/(work|root|home|Users)/"


@pytest.mark.parametrize(
    "line", ["index = https://py" + "pi.org/simple", "see http://mirror/si" + "mple/", "cd /ro" + "ot/x"]
)
def test_places_are_recognised(line):
    assert complaints({"file": line}, f"{HOSTS}|{MIRRORS}|{PLACES}")


def test_no_file_of_the_template_names_a_package_index_or_a_place_on_a_machine(own):
    assert complaints(own, f"{HOSTS}|{MIRRORS}|{PLACES}") == []


def test_files_of_the_template_end_as_they_should(own):
    by_hand = {name: text for name, text in own.items() if not name.endswith(".ambr")}  # syrupy's own format
    assert complaints(by_hand, r"[ \t\r]$") == []
    for name, text in own.items():
        if text.strip():
            assert text.endswith("\n"), f"{name} has no line end at its end"
            assert not text.endswith("\n\n"), f"{name} ends with an empty line"


def test_versions_agree(own):
    version = tomllib.loads(own["pyproject.toml"])["project"]["version"]
    releases = re.findall(r"^## (\S+)", own["CHANGELOG.md"], re.MULTILINE)
    assert releases[0] == version
    package = own[f"{{{{cookiecutter.project_slug}}}}/{PACKAGE}/pyproject.toml"]
    assert tomllib.loads(package)["project"]["version"] == version
