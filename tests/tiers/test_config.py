"""`[tool.tiers]`: what is said, what is found where nothing is said, and what can't be."""

import math
from pathlib import Path

import pytest
from pytest_tiers.config import (
    Budgets,
    ConfigError,
    find_tests,
    migration_folders,
    prepare_cache,
    pytest_ini,
    read,
)
from watched import written

TESTPATHS = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'


def suite(folder: Path, pyproject: str, *files: str, **contents: str) -> Path:
    """Write a pyproject.toml and files, empty ones or with their contents."""
    written(folder, {"pyproject.toml": pyproject, **dict.fromkeys(files, ""), **contents})
    return folder


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert (settings.asked, settings.name, settings.root) == (False, tmp_path.name, tmp_path)
    assert (settings.folders, settings.packages, settings.tests) == ({}, {}, (tmp_path,))
    assert (settings.migrations, settings.alembic, settings.quarantine, settings.seed) == (
        None,
        None,
        None,
        None,
    )
    assert settings.budgets == Budgets()
    assert settings.cache == tmp_path / ".cache" / "tests"
    assert settings.python_files == ("test_*.py", "*_test.py")


def test_an_empty_table_asks_and_all_is_found(tmp_path: Path) -> None:
    suite(
        tmp_path,
        f'[project]\nname = "shop"\n{TESTPATHS}[tool.tiers]\n',
        *("src/shop/__init__.py", "src/tools-of/x.py", "src/empty/readme.txt", "tests/unit/test_a.py"),
        *(
            "tests/committed/test_a.py",
            "tests/api/test_b.py",
            "tests/quarantine.toml",
            "migrations/alembic.ini",
        ),
    )
    settings = read(tmp_path)
    assert settings.asked
    assert settings.name == "shop"
    assert settings.folders == {
        "unit": (tmp_path / "tests/unit",),
        "committed": (tmp_path / "tests/committed",),
    }
    assert settings.packages == {"shop": tmp_path / "src/shop"}
    assert settings.sources == (tmp_path / "src/shop",)
    assert settings.tests == (tmp_path / "tests",)
    assert settings.quarantine == tmp_path / "tests/quarantine.toml"
    assert (settings.migrations, settings.alembic) == ("alembic", tmp_path / "migrations/alembic.ini")


def test_without_the_table_no_folder_is_a_tier(tmp_path: Path) -> None:
    suite(tmp_path, TESTPATHS, "tests/unit/test_a.py", "src/shop/__init__.py")
    settings = read(tmp_path)
    assert (settings.asked, settings.folders) == (False, {})
    assert set(settings.packages) == {"shop"}


def test_tiers_are_found_in_tests_where_pytest_looks_elsewhere(tmp_path: Path) -> None:
    suite(tmp_path, "[tool.tiers]\n", "tests/unit/test_a.py")
    assert read(tmp_path).folders == {"unit": (tmp_path / "tests/unit",)}
    suite(
        tmp_path,
        '[tool.tiers]\n[tool.pytest.ini_options]\ntestpaths = ["checks", "more"]\n',
        "checks/unit/test_a.py",
        "more/unit/test_b.py",
    )
    assert read(tmp_path).folders == {"unit": (tmp_path / "checks/unit", tmp_path / "more/unit")}


def test_everything_can_be_said(tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
        [tool.tiers]
        folders = { unit = "spec/fast", integration = ["spec/db", "spec/api"] }
        packages = ["shop.core", "shop.cli"]
        metadata = "shop.core:Base.metadata"
        migrations = "shop.core:migrate"
        seed = "shop.core:seed"
        engine = "shop.core:engine"
        quarantine = "flaky.toml"
        environment = { KEY = "value" }
        allowed_servers = ["localhost:5432"]
        expected_threads = ["pool-.*"]
        expected_caches = ['shop\\.core\\._known']
        budgets = { unit = 1, slower = 2.5 }
        """,
        *(
            "spec/fast/a.py",
            "spec/db/a.py",
            "spec/api/a.py",
            "src/shop/core/__init__.py",
            "shop/cli.py",
            "alembic.ini",
        ),
    )
    settings = read(tmp_path)
    assert settings.folders == {
        "unit": (tmp_path / "spec/fast",),
        "integration": (tmp_path / "spec/db", tmp_path / "spec/api"),
    }
    assert settings.packages == {
        "shop.core": tmp_path / "src/shop/core",
        "shop.cli": tmp_path / "shop/cli.py",
    }
    assert (settings.metadata, settings.migrations, settings.alembic) == (
        "shop.core:Base.metadata",
        "shop.core:migrate",
        None,
    )
    assert (settings.seed, settings.engines, settings.quarantine) == (
        "shop.core:seed",
        ("shop.core:engine",),
        tmp_path / "flaky.toml",
    )
    assert (settings.environment, settings.allowed_servers) == ({"KEY": "value"}, ("localhost:5432",))
    assert (settings.expected_threads, settings.expected_caches) == (("pool-.*",), ("shop\\.core\\._known",))
    assert settings.budgets == Budgets(unit=1.0, slower=2.5)
    assert settings.budgets.of_tier("unit") == 1.0
    assert (
        settings.budgets.of_tier("committed")
        == settings.budgets.of_tier(None)
        == settings.budgets.of_tier("slower")
        == math.inf
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "folder = 1",
            "folder is none of its keys, which are folders, packages, metadata, migrations, seed, engine,",
        ),
        (
            "folders = 'tests'",
            "folders = 'tests' has to be folders by tier, the tiers being unit, integration, committed",
        ),
        ("folders = { api = 'tests' }", "folders = {'api': 'tests'} has to be folders by tier"),
        ("folders = { unit = 1 }", "folders = {'unit': 1} has to be folders by tier"),
        (
            "folders = { unit = 'nowhere', committed = ['tests', 'gone'] }",
            "folders of committed: there is no folder gone",
        ),
        ("packages = 'shop'", "packages = 'shop' has to be names that are imported: [\"shop\"]"),
        ("packages = ['']", "packages = [''] has to be names that are imported"),
        ("packages = ['nowhere', 'shop', 'gone']", "packages: neither src nor the root has nowhere, gone"),
        ("metadata = 'shop'", "metadata = 'shop' has to be \"module:Base.metadata\""),
        (
            "migrations = 'django'",
            'migrations = \'django\' has to be "alembic", "metadata" or "module:function"',
        ),
        ("migrations = 'metadata'", 'migrations = "metadata" needs metadata = "module:Base.metadata"'),
        (
            "migrations = 'alembic'",
            'migrations = "alembic": there is neither an alembic.ini nor [tool.alembic]',
        ),
        ("seed = 'shop.seed'", "seed = 'shop.seed' has to be \"module:function\""),
        ("engine = ['shop']", "engine = ['shop'] has to be \"module:engine\", or several"),
        ("quarantine = ' '", "quarantine = ' ' has to be a file"),
        ("environment = { A = 1 }", "environment = {'A': 1} has to be variables and their values, as text"),
        ("allowed_servers = [5432]", "allowed_servers = [5432] has to be hosts with or without a port"),
        ("expected_threads = ['(']", "expected_threads = ['('] has to be regular expressions"),
        ("expected_caches = 'a'", "expected_caches = 'a' has to be regular expressions"),
        (
            "budgets = { unti = 1 }",
            "budgets = {'unti': 1} has to be numbers above 0, called unit, integration, committed, fast, all, slower",
        ),
        ("budgets = { unit = 0 }", "budgets = {'unit': 0} has to be numbers above 0"),
        ("budgets = { unit = true }", "budgets = {'unit': True} has to be numbers above 0"),
        ("budgets = { unit = '1' }", "budgets = {'unit': '1'} has to be numbers above 0"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_is_allowed(tmp_path: Path, line: str, says: str) -> None:
    suite(tmp_path, f"[tool.tiers]\n{line}\n", "src/shop/__init__.py", "tests/test_a.py")
    with pytest.raises(ConfigError) as raised:
        read(tmp_path)
    assert str(raised.value).startswith("[tool.tiers] in pyproject.toml:\n  ")
    assert f"\n  {says}" in str(raised.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = (
        "nonsense = 1\nseed = 1\nfolders = { unit = 'gone' }\npackages = ['gone']\nmigrations = 'alembic'\n"
    )
    with pytest.raises(ConfigError) as raised:
        read(suite(tmp_path, f"[tool.tiers]\n{wrong}"))
    lines = str(raised.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "nonsense",
        "seed",
        "folders",
        "packages:",
        "migrations",
    ]


@pytest.mark.parametrize(
    ("pyproject", "says"),
    [
        (
            "[tool.budgets]\nunit = 1\n",
            r"\[tool.budgets\] in pyproject.toml is \[tool.tiers.budgets\] now: rename the table",
        ),
        ("[tool]\ntiers = 1\n", r"tiers under \[tool\] in pyproject.toml has to be a table, \[tool.tiers\]"),
        ("[tool.tiers", "pyproject.toml can't be read: "),
    ],
)
def test_a_file_that_cannot_be_is_an_error(tmp_path: Path, pyproject: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(suite(tmp_path, pyproject))


def test_budgets_of_somebody_else_are_let_be(tmp_path: Path) -> None:
    assert read(suite(tmp_path, "[tool.budgets]\ncoffee = 1\n")).budgets == Budgets()


def test_packages_at_the_root_are_found_but_for_what_is_none(tmp_path: Path) -> None:
    folders = ["shop", "alembic", "docs", "tests", "checks", "not-one"]
    suite(
        tmp_path,
        '[tool.pytest.ini_options]\ntestpaths = ["checks/deep"]\n',
        *(f"{name}/__init__.py" for name in folders),
        "checks/deep/test_a.py",
        "plain/a.py",
    )
    assert read(tmp_path).packages == {"shop": tmp_path / "shop"}
    (tmp_path / "src/other").mkdir(parents=True)
    (tmp_path / "src/other/a.py").touch()
    assert read(tmp_path).packages == {"other": tmp_path / "src/other"}


def test_modules_of_the_packages_are_told_from_others(tmp_path: Path) -> None:
    settings = read(
        suite(tmp_path, "[tool.tiers]\npackages = ['shop', 'a.b']\n", "shop/__init__.py", "a/b.py")
    )
    is_own = settings.of_packages.match
    assert all(map(is_own, ["shop", "shop.deep.er", "a.b"]))
    assert not any(map(is_own, ["shopping", "a", "a.bc", "my.shop", "axb"]))
    assert not read(suite(tmp_path, "[tool.tiers]\npackages = []\n")).of_packages.match("")


def test_paths_are_said_from_the_root(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.relative(tmp_path / "a" / "b.py") == "a/b.py"
    assert settings.relative(Path("/elsewhere")) == "/elsewhere"


def test_alembic_is_found_where_it_may_be(tmp_path: Path) -> None:
    assert (
        read(suite(tmp_path, "[tool.alembic]\nscript_location = 'm'\n")).alembic
        == tmp_path / "pyproject.toml"
    )
    suite(tmp_path, "", "venv/alembic.ini", ".hidden/alembic.ini")
    assert read(tmp_path).alembic is None
    suite(tmp_path, "", "database/alembic.ini")
    assert read(tmp_path).alembic == tmp_path / "database/alembic.ini"
    suite(tmp_path, "", "alembic.ini")
    assert read(tmp_path).alembic == tmp_path / "alembic.ini"
    suite(tmp_path, "[tool.tiers]\nmetadata = 'a:b'\nmigrations = 'metadata'\n")
    assert (read(tmp_path).migrations, read(tmp_path).alembic) == ("metadata", None)


def test_metadata_alone_makes_the_tables(tmp_path: Path) -> None:
    assert read(suite(tmp_path, "[tool.tiers]\nmetadata = 'a:b'\n")).migrations == "metadata"


@pytest.mark.parametrize(
    ("ini", "expected"),
    [
        ("[alembic]\nscript_location = migrations\n", ["db/migrations"]),
        (
            "[alembic]\nscript_location = %(here)s/migrations\nversion_locations = %(here)s/one %(here)s/two\n",
            ["db/migrations", "db/one", "db/two"],
        ),
        ("[alembic]\nscript_location = gone\n", []),
        ("[alembic]\nscript_location = shop:migrations\n", ["src/shop/migrations"]),
        (
            "[alembic]\nscript_location = migrations\nversion_locations = migrations, one\n",
            ["db/migrations", "db/one"],
        ),
    ],
)
def test_the_folders_of_migrations_are_those_that_alembic_names(
    tmp_path: Path, ini: str, expected: list[str]
) -> None:
    suite(
        tmp_path,
        "",
        "src/shop/__init__.py",
        "src/shop/migrations/a.py",
        *(f"db/{name}/a.py" for name in ("migrations", "one", "two")),
        **{"db/alembic.ini": ini},
    )
    assert [
        settings_path.relative_to(tmp_path).as_posix() for settings_path in migration_folders(read(tmp_path))
    ] == expected


def test_the_folders_of_migrations_may_stand_in_pyproject(tmp_path: Path) -> None:
    suite(
        tmp_path,
        "[tool.alembic]\nscript_location = '%(here)s/m'\nversion_locations = ['%(here)s/v']\n",
        "m/a.py",
        "v/a.py",
    )
    assert migration_folders(read(tmp_path)) == [tmp_path / "m", tmp_path / "v"]
    assert migration_folders(read(suite(tmp_path, ""))) == []


def test_a_broken_alembic_ini_says_so(tmp_path: Path) -> None:
    suite(tmp_path, "", **{"alembic.ini": "script_location\n"})
    with pytest.raises(ConfigError, match=r"alembic\.ini can't be read"):
        migration_folders(read(tmp_path))


def test_tests_are_found_without_being_imported(tmp_path: Path) -> None:
    fails = "raise SystemExit"
    names = [
        "tests/unit/test_a.py",
        "tests/b_test.py",
        "tests/conftest.py",
        "tests/venv/test_c.py",
        "tests/.x/test_d.py",
        "tests/helper.py",
    ]
    suite(tmp_path, TESTPATHS, **dict.fromkeys(names, fails))
    assert find_tests(read(tmp_path)) == ["tests/b_test.py", "tests/unit/test_a.py"]
    other = '[tool.pytest.ini_options]\ntestpaths = ["tests/unit/test_a.py", "tests/*.py"]\npython_files = "helper.py"\n'
    assert find_tests(read(suite(tmp_path, other))) == [
        "tests/b_test.py",
        "tests/conftest.py",
        "tests/helper.py",
        "tests/unit/test_a.py",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = spec more\n"),
        ("tox.ini", "[pytest]\ntestpaths = spec more\n"),
        ("setup.cfg", "[tool:pytest]\ntestpaths = spec more\n"),
    ],
)
def test_pytests_options_are_found_wherever_they_are(tmp_path: Path, name: str, content: str) -> None:
    suite(tmp_path, "[project]\nname = 'shop'\n", "spec/a.py", "more/a.py", **{name: content})
    assert read(tmp_path).tests == (tmp_path / "spec", tmp_path / "more")
    assert pytest_ini(tmp_path)["testpaths"] == "spec more"


def test_the_cache_ignores_itself(tmp_path: Path) -> None:
    folder = prepare_cache(read(tmp_path))
    assert (folder / ".gitignore").read_text().endswith("\n*\n")
    (folder / ".gitignore").write_text("mine")
    assert prepare_cache(read(tmp_path)) == folder
    assert (folder / ".gitignore").read_text() == "mine"
