"""What was found of this suite and its tools, what is missing, and what to do about it, a line for each.

The exit code is 1 if something is missing that the suite's settings need.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from typing import NamedTuple

from pytest_tiers.commands.loaded import Loaded
from pytest_tiers.commands.running import parser_of, suite
from pytest_tiers.config import DATABASE_TIERS, TIERS, Settings, prepare_cache

EXTRAS = {
    "postgresql": ("psycopg", "pytest_postgresql", "platformdirs"),
    "sqlalchemy": ("sqlalchemy", "alembic"),
    "redis": ("redis", "fakeredis"),
    "openai": ("openai", "httpx2"),
    "time": ("time_machine",),
    "changed": ("testmon",),
    "isolation": ("pytest_randomly", "detect_test_pollution"),
}
"""What each extra brings."""
OURS = ("pytest_reportlog", "tiers", "xdist.looponfail")
"""Plugins that nobody has to name: what the first of them does, this package has it do."""
MARKS = {True: "ok", None: "-", False: "MISSING"}


class Finding(NamedTuple):
    """One line: whether all is well, None for what nobody needs here; what was found; and what to do."""

    well: bool | None
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the line."""
        return f"{MARKS[self.well]:8} {self.what}" + (f": {self.remedy}" if self.remedy else "")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _programs() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding(sys.version_info >= (3, 11), f"Python {python}, {sys.executable}")
    for name in ("pytest", "pytest-reportlog", "pytest-tiers"):
        found = _installed(name)
        yield Finding(bool(found), f"{name} {found or ''}".strip(), "" if found else f"install {name}")
    xdist = _installed("pytest-xdist")
    yield Finding(
        bool(xdist) or None,
        f"pytest-xdist {xdist or ''}".strip(),
        "" if xdist else "install it to run in parallel",
    )
    uv = shutil.which("uv")
    yield Finding(
        bool(uv) or None, f"uv {uv or ''}".strip(), "" if uv else "not on PATH; sessions of nox may need it"
    )


def _plugin(settings: Settings, loaded: Loaded) -> Iterator[Finding]:
    named = "tiers" in loaded.named
    if settings.asked and not loaded.autoload and not named:
        yield Finding(
            False,
            "plugin: [tool.tiers] asks for it, but plugins aren't loaded by themselves here",
            "add -p tiers to addopts",
        )
    elif settings.asked or named:
        yield Finding(True, f"plugin: active, by {'[tool.tiers]' if settings.asked else '-p tiers'}")
    else:
        yield Finding(
            None, "plugin: not active", "add [tool.tiers] to pyproject.toml, or run pytest with -p tiers"
        )
    if not loaded.autoload:
        others = {
            point.name
            for point in entry_points(group="pytest11")
            if not {point.name, point.value} & loaded.named and point.name not in OURS
        }
        if others:
            yield Finding(
                None, f"installed plugins that nobody loads: {', '.join(sorted(others))}", "-p NAME loads one"
            )


def _settings(settings: Settings) -> Iterator[Finding]:
    for tier in TIERS:
        if folders := settings.folders.get(tier):
            yield Finding(True, f"tier {tier}: {', '.join(map(settings.relative, folders))}")
    if not settings.folders:
        yield Finding(
            None, "tiers: none", "name their folders in [tool.tiers], folders = { unit = ['tests/unit'] }"
        )
    packages = [f"{name} ({settings.relative(path)})" for name, path in settings.packages.items()]
    remedy = (
        "" if packages else 'no guard watches their variables; name them in [tool.tiers], packages = ["shop"]'
    )
    yield Finding(bool(packages) or None, f"packages: {', '.join(packages) or 'none'}", remedy)
    where = settings.relative(settings.alembic) if settings.alembic else settings.migrations
    without = "" if where or not DATABASE_TIERS & settings.folders.keys() else "databases of tests are empty"
    yield Finding(bool(where) or None, f"migrations: {where or 'none'}", without)
    if settings.environment:
        yield Finding(True, f"environment of the tests: {', '.join(settings.environment)}")


def _server(settings: Settings) -> Finding:
    """Say which PostgreSQL tests would get."""
    needed = False if DATABASE_TIERS & settings.folders.keys() else None
    if missing := [name for name in EXTRAS["postgresql"] if not find_spec(name)]:
        return Finding(
            needed, f"PostgreSQL: {', '.join(missing)} can't be imported", "install pytest-tiers[postgresql]"
        )
    from pytest_tiers.databases.address import ServerError
    from pytest_tiers.databases.embedded import EmbeddedPostgres
    from pytest_tiers.databases.programs import Programs
    from pytest_tiers.databases.server import checked, parsed

    try:
        if url := os.environ.get("TEST_DATABASE_URL"):
            address = checked(parsed(url)[0], "TEST_DATABASE_URL")
            with address.connect(connect_timeout=5) as connection:
                number = connection.execute("SHOW server_version").fetchone()
            return Finding(
                True,
                f"PostgreSQL: TEST_DATABASE_URL, {address.host}:{address.port}, {number[0] if number else ''}",
            )
        server = EmbeddedPostgres(settings.name)
        return Finding(
            True, f"PostgreSQL: embedded, {Programs(server.folder, None).said}, in {server.folder}"
        )
    except ServerError as error:
        return Finding(needed, f"PostgreSQL: {' '.join(str(error).split())}")


def _extras(settings: Settings) -> Iterator[Finding]:
    needs = {
        "postgresql": bool(DATABASE_TIERS & settings.folders.keys()),
        "sqlalchemy": settings.migrations in ("alembic", "metadata"),
    }
    for extra, modules in EXTRAS.items():
        if missing := [name for name in modules if not find_spec(name)]:
            well = False if needs.get(extra) else None
            yield Finding(
                well, f"extra {extra}: without {', '.join(missing)}", f"install pytest-tiers[{extra}]"
            )
        else:
            yield Finding(True, f"extra {extra}")


def _cache(settings: Settings) -> Finding:
    name = settings.relative(settings.cache)
    try:
        probe = prepare_cache(settings) / f"probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(
            False, f"cache: {name} can't be written ({error.strerror})", "nothing that is measured is kept"
        )
    return Finding(True, f"cache: {name}")


def main(arguments: list[str]) -> int:
    """Print what was found, and return the exit code."""
    parser_of("doctor", __doc__).parse_args(arguments)
    settings = suite()
    findings = [
        *_programs(),
        *_plugin(settings, Loaded.read(settings.root)),
        *_settings(settings),
        _server(settings),
        *_extras(settings),
        _cache(settings),
    ]
    for finding in findings:
        print(finding)
    return 1 if any(finding.well is False for finding in findings) else 0
