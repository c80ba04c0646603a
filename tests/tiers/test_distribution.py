"""What goes to an index: a wheel and an sdist with correct metadata and nothing that lies about."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from uv import find_uv_bin

pytestmark = pytest.mark.slow  # builds in an environment of its own, which is installed

PACKAGE = Path(__file__).resolve().parents[2] / "packages" / "pytest-tiers"
EXTRAS = {"postgresql", "sqlalchemy", "redis", "openai", "time", "changed", "isolation", "dashboard"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    copy = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "pytest-tiers")
    subprocess.run([find_uv_bin(), "build", "--quiet", "--out-dir", str(folder), str(copy)], check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_twine_finds_nothing_wrong(built: Path) -> None:
    files = [str(path) for path in built.glob("pytest_tiers-*")]
    assert len(files) == 2
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)


def test_the_metadata_say_what_it_is(metadata: Message) -> None:
    assert metadata["Name"] == "pytest-tiers"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    assert "Framework :: Pytest" in metadata.get_all("Classifier", [])
    assert len(str(metadata.get_payload())) > 500, "the README"


def test_pytest_and_the_shell_find_it(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    said = wheel.read(name).decode()
    assert "[pytest11]\ntiers = pytest_tiers.plugin" in said
    assert "[console_scripts]\ntiers = pytest_tiers.commands:main" in said


def test_the_wheel_has_the_sources_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    source = PACKAGE / "src"
    there = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    assert packed == there
    assert "pytest_tiers/py.typed" in packed


def test_the_sdist_has_the_pages_as_well(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "docs/guards.md"} <= names
