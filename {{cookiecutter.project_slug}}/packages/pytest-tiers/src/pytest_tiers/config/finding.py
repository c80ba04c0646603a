"""What is found where `[tool.tiers]` says nothing: tests, tiers, packages, migrations. Nothing of the suite is imported."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as IniError
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_tiers.config.settings import NO_PACKAGES, NOT_SEARCHED, TIERS, ConfigError, Settings


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a file says; nothing if there is none. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path.name} can't be read: {error}") from None


def pytest_ini(root: Path) -> dict[str, Any]:
    """Return pytest's options as they are written in a folder's configuration, wherever that is: texts or lists of texts."""
    from inspect import signature

    from _pytest.config.findpaths import determine_setup

    known: dict[str, Any] = {
        "inifile": None,
        "override_ini": None,
        "args": [],
        "rootdir_cmd_arg": None,
        "invocation_dir": root,
    }
    taken = signature(determine_setup).parameters  # which differ between pytest 8 and 9
    found = determine_setup(**{name: value for name, value in known.items() if name in taken})[2]
    return {name: getattr(value, "value", value) for name, value in found.items()}  # pytest 9 wraps values


def pytest_options(root: Path) -> dict[str, Any]:
    """Return pytest's options that tell where tests are."""
    found = pytest_ini(root)
    texts = {name: found.get(name) for name in ("testpaths", "python_files")}
    return {name: value.split() if isinstance(value, str) else value for name, value in texts.items()}


def existing(root: Path, names: list[str]) -> tuple[Path, ...]:
    """Return the folders and files that are there; names may have wildcards."""
    found = [path for name in names for path in sorted(root.glob(name)) if path.is_dir() or path.is_file()]
    return tuple(path.resolve() for path in found)


def folders_found(root: Path, tests: tuple[Path, ...]) -> dict[str, tuple[Path, ...]]:
    """Return the folders that are called as a tier is, by tier: where pytest looks for tests, else in `tests`."""
    found = {tier: tuple(path / tier for path in tests if (path / tier).is_dir()) for tier in TIERS}
    if not any(found.values()):
        found = {tier: tuple(path for path in [root / "tests" / tier] if path.is_dir()) for tier in TIERS}
    return {tier: folders for tier, folders in found.items() if folders}


def folders_named(root: Path, given: Mapping[str, Any], wrong: list[str]) -> dict[str, tuple[Path, ...]]:
    """Return the folders that are named, by tier; what isn't there is added to what is wrong."""
    folders = {}
    for tier, value in given.items():
        named = [value] if isinstance(value, str) else value
        if missing := [name for name in named if not (root / name).is_dir()]:
            wrong.append(f"folders of {tier}: there is no folder {', '.join(missing)}")
        folders[tier] = tuple((root / name).resolve() for name in named)
    return folders


def packages_named(root: Path, given: list[str], wrong: list[str]) -> dict[str, Path]:
    """Return the packages and modules that are named, and where each is; what isn't there is added to what is wrong."""
    found, missing = {}, []
    for name in given:
        part = Path(*name.split("."))
        places = [place / part for place in (root / "src", root)]
        path = next(
            (path for place in places for path in (place, place.with_suffix(".py")) if path.exists()), None
        )
        if path is None:
            missing.append(name)
        else:
            found[name] = path
    if missing:
        wrong.append(f"packages: neither src nor the root has {', '.join(missing)}")
    return found


def packages_found(root: Path, tests: tuple[Path, ...]) -> dict[str, Path]:
    """Return the packages in `src`, else those at the root, and where each is."""
    in_src = [path for path in sorted(root.glob("src/*")) if path.is_dir() and any(path.rglob("*.py"))]
    at_root = [
        path.parent
        for path in sorted(root.glob("*/__init__.py"))
        if path.parent.name not in NO_PACKAGES
        and not any(test.is_relative_to(path.parent) for test in tests if test != root)
    ]
    return {path.name: path for path in in_src or at_root if path.name.isidentifier()}


def alembic_found(root: Path, tool: Mapping[str, Any]) -> Path | None:
    """Return Alembic's configuration: pyproject.toml, or an alembic.ini at the root or in a folder there."""
    if "alembic" in tool:
        return root / "pyproject.toml"
    near = [root / "alembic.ini", *sorted(root.glob("*/alembic.ini"))]
    return next(
        (
            path
            for path in near
            if path.is_file() and not NOT_SEARCHED.match(path.parent.relative_to(root).name)
        ),
        None,
    )


def migration_folders(settings: Settings) -> list[Path]:
    """Return the folders that Alembic's configuration names: the scripts', and those of the versions."""
    config = settings.alembic
    if config is None:
        return []
    here = config.parent.as_posix()
    if config.suffix == ".toml":
        table = read_toml(config)["tool"]["alembic"]
        values = [table.get("script_location", ""), *table.get("version_locations", [])]
        values = [str(value).replace("%(here)s", here) for value in values]
    else:
        parser = ConfigParser({"here": here})
        try:
            parser.read(config, encoding="utf-8")
            section = parser["alembic"] if parser.has_section("alembic") else parser["DEFAULT"]
            versions = section.get("version_locations", "")
            # Between them may be whatever `path_separator` says.
            values = [
                section.get("script_location", ""),
                versions,
                *re.split(r"[\s,;]+", versions),
                *versions.split(":"),
            ]
        except (IniError, ValueError) as error:
            raise ConfigError(f"{settings.relative(config)} can't be read: {error}") from None
    found = [
        folder
        for value in values
        if value.strip()
        for folder in _located(value.strip(), config.parent, settings)
    ]
    return list(dict.fromkeys(found))


def _located(value: str, here: Path, settings: Settings) -> Iterator[Path]:
    """Give the folder that is meant: a path, or `package:path`."""
    package, _, inside = value.partition(":")
    places = [here / value]
    if package in settings.packages:
        places.append(settings.packages[package].joinpath(*inside.split(":")))
    elif inside and (spec := find_spec(package.partition(".")[0])) and spec.submodule_search_locations:
        parts = (*package.split(".")[1:], *inside.split(":"))
        places += [Path(folder, *parts) for folder in spec.submodule_search_locations]
    yield from (place.resolve() for place in places if place.is_dir())


def find_tests(settings: Settings) -> list[str]:
    """Return the files of tests, as node ids name them, without importing or running anything."""
    from fnmatch import fnmatch

    def files(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                if not NOT_SEARCHED.match(path.name):
                    yield from files(path)
            elif path.suffix == ".py" and any(
                fnmatch(path.name, pattern) for pattern in settings.python_files
            ):
                yield path

    found = {path for place in settings.tests for path in ([place] if place.is_file() else files(place))}
    return sorted(settings.relative(path) for path in found)
