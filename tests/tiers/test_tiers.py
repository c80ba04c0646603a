"""A folder is a tier: where a file lies says which, and gives its tests the marker of that name."""

from pathlib import Path

import pytest
from pytest_tiers.config import read
from pytest_tiers.tiers import Tiers
from watched import run, written

FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n[tool.tiers]\nfolders = { unit = ["tests/unit", "tests/fast"], integration = "tests/db", committed = "tests/db/real" }\n',
    **dict.fromkeys(
        [
            "tests/unit/a/test_a.py",
            "tests/fast/test_b.py",
            "tests/db/test_c.py",
            "tests/db/real/test_d.py",
            "tests/test_e.py",
        ],
        "",
    ),
}


@pytest.fixture
def tiers(tmp_path: Path) -> Tiers:
    written(tmp_path, FILES)
    return Tiers(read(tmp_path))


@pytest.mark.parametrize(
    ("path", "tier"),
    [
        ("tests/unit/a/test_a.py", "unit"),
        ("tests/unit", "unit"),
        ("tests/fast/test_b.py", "unit"),
        ("tests/db/test_c.py", "integration"),
        ("tests/db/real/test_d.py", "committed"),
        ("tests/test_e.py", None),
        ("tests", None),
        ("tests/unit_of_others/test_f.py", None),
    ],
)
def test_a_path_lies_in_the_tier_of_the_nearest_folder(
    tiers: Tiers, tmp_path: Path, path: str, tier: str | None
) -> None:
    assert tiers.of(tmp_path / path) == tiers.of(tmp_path / path) == tier
    assert tiers.of_nodeid(f"{path}::Test::test_a[a::b]", tmp_path) == tier
    assert tiers.configured


def test_a_tier_is_called_by_its_folder_or_by_its_name(tiers: Tiers, tmp_path: Path) -> None:
    assert (tiers.place("unit"), tiers.place("integration")) == ("tests/unit", "tests/db")
    assert Tiers(read(tmp_path / "tests")).place("unit") == "the unit tier"


@pytest.mark.parametrize(
    ("paths", "may"),
    [
        (["tests/unit"], False),
        (["tests/unit", "tests/db"], True),
        (["tests/db/real/test_d.py"], True),
        (["tests"], True),
        (["."], True),
        (["tests/test_e.py"], False),
        ([], False),
    ],
)
def test_a_run_may_have_tests_on_postgresql_or_not(
    tiers: Tiers, tmp_path: Path, paths: list[str], may: bool
) -> None:
    assert tiers.databases_in(tmp_path / path for path in paths) is may


def test_without_tiers_any_run_may(tmp_path: Path) -> None:
    tiers = Tiers(read(tmp_path))
    assert not tiers.configured
    assert tiers.databases_in([tmp_path])
    assert tiers.of(tmp_path / "tests/unit") is None


TEST = "def test_a():\n    pass\n"


def test_tests_have_the_marker_of_their_tier(tmp_path: Path) -> None:
    files = {
        f"tests/{tier}/test_{tier}.py": TEST.replace("test_a", f"test_{tier}")
        for tier in ("unit", "integration", "committed")
    }
    files["tests/test_beside.py"] = TEST.replace("test_a", "test_beside")
    for tier in ("unit", "integration", "committed"):
        assert run(tmp_path, files, "-m", tier).outcomes.keys() == {
            f"tests/{tier}/test_{tier}.py::test_{tier}"
        }
    said = run(tmp_path, files, "--markers").output
    assert (
        "@pytest.mark.unit: tier of the folder: logic and requests, on SQLite in memory; no network" in said
    )


def test_markers_of_the_suite_stay_its_own(tmp_path: Path) -> None:
    marked = "import pytest\n\n\n@pytest.mark.unit\ndef test_marked():\n    pass\n\n\ndef test_plain():\n    pass\n"
    conftest = 'def pytest_configure(config):\n    config.addinivalue_line("markers", "unit(of): what the suite calls so")\n'
    files = {
        "tests/conftest.py": conftest,
        "tests/unit/test_a.py": marked,
        "tests/integration/test_b.py": TEST,
    }
    assert run(tmp_path, files, "-m", "unit").outcomes.keys() == {"tests/unit/test_a.py::test_marked"}
    assert run(tmp_path, files, "-m", "integration").outcomes.keys() == {
        "tests/integration/test_b.py::test_a"
    }
    said = run(tmp_path, files, "--markers").output
    assert "@pytest.mark.unit(of): what the suite calls so" in said
    assert "tier of the folder: logic" not in said
