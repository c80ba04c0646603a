"""What pytest loads: does nothing until `[tool.tiers]` or `-p tiers` asks for it, then brings what this run needs.

Asked for, it takes secrets out of the environment, watches each test, measures it, and offers the fixtures of the parts that
are installed. `-p tiers` is for suites without `[tool.tiers]`, and where plugins aren't loaded by themselves.
"""

import gc
import sys
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import ConftestImportFailure

from pytest_tiers.config import TIERS, settings_of
from pytest_tiers.tiers import tiers_of

OPTIONS: dict[str, dict[str, Any]] = {
    "ci": {
        "action": "store_true",
        "help": "fail tests over budget, those that lie in no tier, and what is slower than before",
    },
    "plan": {"metavar": "FILE", "help": "the shards, from `tiers plan`; with --shard"},
    "shard": {"metavar": "I/N", "help": "run the I-th of the N shards of --plan"},
    "record": {
        "metavar": "FILE",
        "type": Path,
        "help": "write the record of this run there, and keep no times of it",
    },
    "slowest": {
        "metavar": "N",
        "type": int,
        "default": 0,
        "help": "list the N slowest tests, fixtures and files",
    },
}
"""Each is `--tiers-NAME`, and `--NAME` where the suite has no such option itself."""

_ACTIVE = pytest.StashKey[bool]()


def asked_for(config: pytest.Config) -> bool:
    """Tell whether this run is to have tiers. Raises UsageError for a `[tool.tiers]` that can't be."""
    return "tiers" in map(str.strip, config.known_args_namespace.plugins) or _has_table(config)


def _has_table(config: pytest.Config) -> bool:
    # Before anything is read: another project's pyproject.toml, right or wrong, is none of this plugin's business.
    try:
        text = (config.rootpath / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return "tool.tiers" in text and settings_of(config).asked


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Begin before anything of the project is imported, and add the options behind those of the suite."""
    if not asked_for(early_config):
        return (yield)
    # The values of options that nobody knows yet look like paths, next to which pytest would look for conftests.
    places = early_config.known_args_namespace.file_or_dir
    values = _values(args)
    places[:] = [place for place in places if place not in values]
    activate(early_config)
    try:
        return (yield)
    except ConftestImportFailure as error:
        secrets = early_config.pluginmanager.get_plugin("tiers-secrets")
        # There is none with `-p no:tiers-secrets`.
        if secrets is not None and (hint := secrets.hint(f"{error.cause!r} {error.cause}")):
            print(hint, file=sys.stderr)
        raise
    finally:
        _add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin now, where it was not possible before: a worker of xdist loads plugins that are named only now."""
    if asked_for(config):
        activate(config)


def _values(arguments: list[str]) -> set[str]:
    names = {
        prefix + name
        for name, settings in OPTIONS.items()
        if "action" not in settings
        for prefix in ("--", "--tiers-")
    }
    return {value for name, value in pairwise(arguments) if name in names}


def _add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("tiers", "tests in tiers")
    taken = {
        name
        for known in (parser._anonymous, *parser._groups)
        for option in known.options
        for name in option.names()
    }
    for name, settings in OPTIONS.items():
        names = [f"--tiers-{name}", *([f"--{name}"] if f"--{name}" not in taken else [])]
        if names[0] not in taken:
            group.addoption(*names, dest=f"tiers_{name}", **settings)


def activate(config: pytest.Config) -> None:
    """Bring what this run needs, once."""
    if _ACTIVE in config.stash:
        return
    config.stash[_ACTIVE] = True
    for name, settings in OPTIONS.items():  # which there are none of where a conftest loaded this
        vars(config.option).setdefault(
            f"tiers_{name}", settings.get("default", False if "action" in settings else None)
        )
    _spare_time(config)
    for name, plugin in _plugins(config).items():
        config.pluginmanager.register(plugin, name)


def _spare_time(config: pytest.Config) -> None:
    # PYTHONDONTWRITEBYTECODE is set in many containers. With it each run, and each worker, would compile every test anew.
    sys.dont_write_bytecode = False
    # Until the first test nothing is thrown away but time: the collector would go through all that is imported again and again.
    if gc.isenabled():
        gc.disable()
        config.add_cleanup(gc.enable)


def _plugins(config: pytest.Config) -> dict[str, object]:
    """Return all plugins of this run by name, in their order."""
    from pytest_tiers import databases, fakes, guards, timing

    found = dict(guards.plugins(config))
    for room in (timing, databases, fakes):
        found |= getattr(room, "plugins", lambda _: {})(config)
    return found | {"tiers-start": Start()}


class Start:
    """What a run says and does at its start."""

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Say what was found, and where a guard watches nothing."""
        settings, tiers = settings_of(config), tiers_of(config)
        folders = [
            f"{tier} ({', '.join(map(settings.relative, settings.folders[tier]))})"
            for tier in TIERS
            if tier in settings.folders
        ]
        said = [f"tiers: {', '.join(folders) or 'none'}"]
        said.append(f"packages: {', '.join(settings.packages) or 'none'}")
        if settings.migrations:
            said.append(
                f"migrations: {settings.relative(settings.alembic) if settings.alembic else settings.migrations}"
            )
        lines = ["; ".join(said)]
        if not settings.packages:
            lines.append(
                "WARNING: no packages were found, so no guard watches their variables: name them in [tool.tiers] packages"
            )
        if settings.asked and not tiers.configured:
            lines.append("WARNING: [tool.tiers] has no folders of tiers: no test is held to one")
        return lines

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Collect garbage from now on, but never look at what was imported again."""
        gc.freeze()
        gc.enable()
