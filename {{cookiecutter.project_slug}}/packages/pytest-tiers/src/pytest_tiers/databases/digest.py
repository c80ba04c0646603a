"""A digest of all that shapes a template database: while it stays the same, nobody migrates again.

In it are the migrations, wherever they lie, and whatever else is in their folders; Alembic's configuration; the modules of
`migrations` and `seed`, those of the project that they import, and files that any of these name; the packages, where any of
these imports them. Not in it: what a migration asks other packages, the network or the clock for.
"""

import ast
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_tiers.config import ConfigError, Settings, migration_folders
from pytest_tiers.databases.address import ServerError

MACHINERY = ("migrate.py", "templates.py")
"""The modules that shape a template themselves."""
ENTRY = "env.py"
"""Alembic's own entry: it imports the packages for their metadata, which no upgrade looks at."""
TEXT = re.compile(rb"""["']([^"'\n\0]{1,200})["']""")
"""A text in the source, which may be the name of a file."""


def template_digest(settings: Settings, server_version: int) -> str:
    """Return the digest, 12 hexadecimal digits. Raises ServerError if Alembic's migrations aren't there."""
    said = [settings.migrations, settings.metadata, settings.seed, sorted(settings.environment.items())]
    digest = hashlib.sha256(json.dumps([server_version, *said]).encode())
    for name in MACHINERY:
        digest.update(Path(__file__).with_name(name).read_bytes())
    digest.update(_of_pyproject(settings))
    for path in sorted(shaping_files(settings)):
        digest.update(f"{settings.relative(path)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def shaping_files(settings: Settings) -> set[Path]:
    """Return the files that shape the template, but for pyproject.toml."""
    alembic, modules = set(_of_alembic(settings)), _called(settings)
    code = {path for path in alembic if path.suffix == ".py" and path.name != ENTRY} | modules
    named = {path for script in code for path in _named_in(script, settings.root, folders=script in modules)}
    packages: set[Path] = set()
    uses = settings.migrations == "metadata" or any(_is_of_packages(path, settings) for path in modules)
    if uses or any(_imports_packages(path, settings) for path in code):
        packages = {path for source in settings.sources for path in _content(source) if path.suffix == ".py"}
    return alembic | modules | named | packages


def _of_pyproject(settings: Settings) -> bytes:
    """Return what pyproject.toml has for Alembic; the rest of it shapes no database."""
    config = settings.alembic
    if config is None or config.suffix != ".toml":
        return b""
    return json.dumps(
        tomllib.loads(config.read_text(encoding="utf-8"))["tool"]["alembic"], default=str
    ).encode()


def _of_alembic(settings: Settings) -> Iterator[Path]:
    """Give Alembic's configuration and all that is in the folders which it names."""
    config = settings.alembic
    if config is None:
        return
    ini = (
        config.with_name("alembic.ini") if config.suffix == ".toml" else config
    )  # there may be one beside [tool.alembic]
    if ini.is_file():
        yield ini
    try:
        folders = migration_folders(settings)
    except ConfigError as error:
        raise ServerError(str(error)) from None
    if not folders:
        raise ServerError(
            f"{settings.relative(config)}: its script_location is no folder: correct that, or say with `migrations` in"
            " [tool.tiers] what makes the tables"
        )
    for folder in folders:
        yield from _content(folder)


def _content(place: Path) -> Iterator[Path]:
    """Give the files of a folder, or the file itself."""
    for path in [place] if place.is_file() else place.rglob("*"):
        if path.suffix != ".pyc" and path.is_file():
            yield path


def _called(settings: Settings) -> set[Path]:
    """Return the modules of `migrations` and `seed`, and those of the project that they import, packages apart."""
    places = [*dict.fromkeys(path.parent for path in settings.sources), settings.root]
    names = [
        place.partition(":")[0] for place in (settings.migrations, settings.seed) if place and ":" in place
    ]
    if settings.migrations == "metadata" and settings.metadata:
        names.append(settings.metadata.partition(":")[0])
    # What isn't found is left to the import, which says so better.
    left = [path for name in names if (path := _module(name, [*places, *map(Path, sys.path)]))]
    found: set[Path] = set()
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            if not _is_of_packages(path, settings):
                left += [
                    path
                    for base, name in _imports(path)
                    if (path := _module(name, [base] if base else places))
                ]
    return found


def _module(name: str, places: Iterable[Path]) -> Path | None:
    for place in places:
        base = place.joinpath(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _imports(path: Path) -> Iterator[tuple[Path | None, str]]:
    """Give the modules that a module may import: by name, and for relative imports the folder to look in."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # which the import reports better
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield None, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if node.level else None
            for name in (
                node.module,
                *(f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names),
            ):
                if name:
                    yield base, name


def _is_of_packages(path: Path, settings: Settings) -> bool:
    return any(path.is_relative_to(source) for source in settings.sources)


def _imports_packages(path: Path, settings: Settings) -> bool:
    names = b"|".join(re.escape(name).encode() for name in settings.packages) or rb"(?!)"
    imports = rb"^\s*(?:from|import)\s+(?:[\w.]+\s*,\s*)*(?:" + names + rb")\b"
    return bool(re.search(imports, path.read_bytes(), re.MULTILINE))


def _named_in(script: Path, root: Path, *, folders: bool) -> Iterator[Path]:
    """Give the files that a script names, from its own folder or from `root`; with `folders`, also what isn't code in those."""
    for text in set(TEXT.findall(script.read_bytes())):
        name = text.decode(errors="replace")
        for place in (script.parent, root):
            path = place / name
            try:
                if "." in name and path.is_file():
                    yield path.resolve()
                elif folders and path.is_dir() and not script.is_relative_to(path.resolve()):
                    yield from (file for file in _content(path.resolve()) if file.suffix != ".py")
            except OSError:  # too long for a name, for instance
                continue
