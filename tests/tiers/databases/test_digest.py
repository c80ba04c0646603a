"""What belongs to the digest of a template, and what doesn't: a change of the one builds it anew, of the other it doesn't."""

import pytest
from pytest_tiers.databases import digest as module
from pytest_tiers.databases.address import ServerError
from pytest_tiers.databases.digest import shaping_files, template_digest
from shops import ALEMBIC_INI, ENV, MODELS, migrated, revision

TOML = '[tool.alembic]\nscript_location = "%(here)s/{}"\n'


def digest(settings) -> str:
    return template_digest(settings, 180_000)


def shaping(settings) -> set[str]:
    return {settings.relative(path) for path in shaping_files(settings)}


def changed(settings, name: str, text: str = "# more\n") -> bool:
    """Add to a file, or make it, and tell whether the digest is another one then."""
    before = digest(settings)
    path = settings.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)
    return digest(settings) != before


@pytest.mark.parametrize("folder", ["migrations", "alembic", "db/versions of mine"])
def test_the_migrations_count_wherever_they_lie(project, folder):
    settings = project(migrated(folder))
    assert changed(settings, f"{folder}/versions/0001_customers.py")
    assert changed(settings, f"{folder}/versions/0002_more.py")
    assert changed(settings, f"{folder}/versions/data/names.csv"), "a migration may read it"
    assert changed(settings, f"{folder}/env.py")
    assert changed(settings, "alembic.ini")
    assert not changed(settings, f"{folder}/versions/__pycache__/0001_customers.cpython-311.pyc")
    assert not changed(settings, "shop/models.py"), "none of them imports it"
    assert not changed(settings, "pyproject.toml")
    assert not changed(settings, "README.md")


@pytest.mark.parametrize(
    "ini",
    [
        "script_location = migrations\nversion_locations = %(here)s/migrations/versions %(here)s/other",
        "script_location = migrations\nversion_locations = migrations/versions, other",
        "script_location = migrations\npath_separator = os\nversion_locations = migrations/versions:other",
        "script_location = migrations\npath_separator = newline\nversion_locations =\n  migrations/versions\n  other",
        "base = %(here)s/other\nscript_location = migrations\nversion_locations = %(base)s",
    ],
)
def test_folders_of_versions_count_however_they_are_written(project, ini):
    settings = project(migrated() | {"alembic.ini": f"[alembic]\n{ini}\n", "other/0002.py": ""})
    assert changed(settings, "other/0002.py")
    assert changed(settings, "migrations/versions/0001_customers.py")


@pytest.mark.parametrize("location", ["shop:migrations", "shop:db:migrations"])
def test_migrations_may_lie_in_the_package(project, location):
    folder = f"{location.replace(':', '/')}"
    settings = project(
        {
            "shop/__init__.py": "",
            "shop/models.py": MODELS,
            "alembic.ini": f"[alembic]\nscript_location = {location}\n",
            f"{folder}/env.py": ENV,
            f"{folder}/versions/0001.py": revision(),
        }
    )
    assert changed(settings, f"{folder}/versions/0001.py")
    assert not changed(settings, "shop/models.py")


def test_of_pyproject_only_alembics_table_counts(project):
    files = migrated()
    del files["alembic.ini"]
    settings = project(files, pyproject=TOML.format("migrations"))
    before = digest(settings)
    assert digest(project({}, pyproject=f"{TOML.format('migrations')}[tool.other]\nx = 1")) == before
    assert digest(project({}, pyproject=f"{TOML.format('migrations')}timezone = 'UTC'")) != before
    assert changed(settings, "migrations/versions/0001_customers.py")
    assert changed(settings, "alembic.ini", "[loggers]\n"), "it goes with the table"


def test_migrations_that_arent_there_are_an_error(project):
    settings = project({"alembic.ini": ALEMBIC_INI.format(folder="nowhere")})
    with pytest.raises(ServerError, match=r"alembic\.ini: its script_location is no folder"):
        digest(settings)
    settings = project({"alembic.ini": "[alembic]\nscript_location = %(nonsense)s\n"})
    with pytest.raises(ServerError, match=r"alembic\.ini can't be read"):
        digest(settings)


@pytest.mark.parametrize(
    ("line", "imports"),
    [
        ("from shop.models import Base", True),
        ("import shop", True),
        ("    import json, shop.models as m", True),
        ("from shopping import basket", False),
        ("# from shop import models", False),
        ("from myshop import shop", False),
    ],
)
def test_a_migration_that_imports_the_package_changes_with_it(project, line, imports):
    settings = project(migrated() | {"migrations/versions/0002.py": f"{line}\n"})
    assert changed(settings, "shop/models.py") is imports
    assert changed(settings, "shop/new/module.py") is imports
    assert not changed(settings, "shop/page.html")


def test_what_env_imports_shapes_nothing_but_helpers_of_migrations_do(project):
    settings = project(migrated() | {"migrations/env.py": "from shop.models import Base\n"})
    assert not changed(settings, "shop/models.py")
    settings = project({"migrations/helpers.py": "from shop.models import Base\n"})
    assert changed(settings, "shop/models.py")


def test_a_package_may_lie_in_src(project):
    settings = project(
        migrated() | {"src/shop/__init__.py": "", "migrations/versions/0002.py": "import shop"}
    )
    assert changed(settings, "src/shop/models.py")
    assert not changed(settings, "shop/models.py")


def test_a_package_may_be_one_module(project):
    files = {
        "shop.py": MODELS,
        "alembic.ini": ALEMBIC_INI.format(folder="migrations"),
        "migrations/0001.py": "import shop",
    }
    settings = project(files, tiers='packages = ["shop"]')
    assert changed(settings, "shop.py")


def test_files_that_a_migration_names_count(project):
    settings = project(
        migrated()
        | {
            "migrations/versions/0002.py": "Path('sql/views.sql'); op.create_table('docs')",
            "docs/page.md": "",
        }
    )
    assert changed(settings, "sql/views.sql"), "from the root"
    assert not changed(settings, "sql/other.sql")
    assert not changed(settings, "docs/page.md"), "a table of this name is no folder"


SEED = """
from tests.data import factories
from . import texts
import json

HERE = Path(__file__).parent
fill = lambda connection: [HERE / "customers.csv", HERE / "sql", "%", "x" * 3000, "tests"]
"""


@pytest.mark.parametrize("key", ["seed", "migrations"])
def test_a_function_counts_with_what_it_imports_of_the_project_and_the_files_it_names(project, key):
    files = {
        "shop/__init__.py": "",
        "tests/seed.py": SEED,
        "tests/texts.py": "import tests.more",
        "tests/more.py": "import tests.texts",
        "tests/data/__init__.py": "",
        "tests/data/factories.py": "",
        "tests/test_other.py": "",
        "tests/sql/a.sql": "",
        "tests/sql/a.py": "",
        "tests/notes.md": "",
        "tests/customers.csv": "",
    }
    settings = project(files, tiers=f'{key} = "tests.seed:fill"')
    for name in (
        "seed.py",
        "texts.py",
        "more.py",
        "data/__init__.py",
        "data/factories.py",
        "sql/a.sql",
        "sql/b/c.txt",
        "customers.csv",
    ):
        assert changed(settings, f"tests/{name}"), name
    for name in ("tests/test_other.py", "tests/sql/a.py", "tests/notes.md", "shop/__init__.py"):
        assert not changed(settings, name), name
    assert changed(settings, "tests/more.py", "\nfrom shop import models\n")
    assert changed(settings, "shop/__init__.py")


def test_a_function_of_the_package_changes_with_all_of_it(project):
    files = {"shop/__init__.py": "", "shop/schema.py": "", "shop/other.py": ""}
    settings = project(files, tiers='migrations = "shop.schema:create"')
    assert changed(settings, "shop/other.py")


def test_tables_from_the_metadata_change_with_the_package_and_its_module(project):
    files = {"shop/__init__.py": "", "shop/other.py": "", "tests/tables.py": ""}
    settings = project(files, tiers='migrations = "metadata"\nmetadata = "tests.tables:metadata"')
    assert changed(settings, "shop/other.py")
    assert changed(settings, "tests/tables.py")
    # Where Alembic makes them, the metadata shapes nothing.
    settings = project(migrated() | {"tests/tables.py": ""}, tiers='metadata = "tests.tables:metadata"')
    assert settings.migrations == "alembic"
    assert not changed(settings, "tests/tables.py")


def test_what_cant_be_read_is_left_to_whoever_imports_it(project):
    settings = project({"tests/seed.py": "def fill(:\n"}, tiers='seed = "tests.seed:fill"')
    assert shaping(settings) == {"tests/seed.py"}
    settings = project({}, tiers='seed = "tests.nowhere:fill"')
    assert shaping(settings) == set()


def test_a_module_may_lie_elsewhere_on_the_path(project, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "seeds.py").write_text("import json")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    settings = project({}, tiers='seed = "seeds:fill"')
    assert shaping(settings) == {"elsewhere/seeds.py"}


def test_settings_and_the_server_count(project, tmp_path):
    base = digest(project({}))
    seen = {base, template_digest(project({}), 170_000)}
    for tiers in (
        'seed = "tests.nowhere:fill"',
        'seed = "tests.nowhere:fill_more"',
        'migrations = "tests.nowhere:fill"',
        'environment = { TENANT = "a" }',
        'environment = { TENANT = "b" }',
    ):
        seen.add(digest(project({}, tiers=tiers)))
    assert len(seen) == 7
    assert digest(project({})) == base


def test_the_machinery_counts_itself(project, monkeypatch):
    before = digest(project({}))
    monkeypatch.setattr(module, "MACHINERY", module.MACHINERY[:-1])
    assert digest(project({})) != before
    assert module.MACHINERY == ("migrate.py",)


def test_another_checkout_of_the_same_has_the_same(project, tmp_path, tmp_path_factory):
    from shutil import copytree

    from pytest_tiers.config import read

    settings = project(
        migrated()
        | {
            "migrations/versions/0002.py": "import shop; Path('sql/a.sql')",
            "sql/a.sql": "",
            "tests/seed.py": "",
        },
        tiers='seed = "tests.seed:fill"',
    )
    other = tmp_path_factory.mktemp("other") / "shop"
    copytree(tmp_path, other)
    assert digest(read(other)) == digest(settings)
