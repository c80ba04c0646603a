"""Tests that are known to be flaky, in `tests/quarantine.toml`: they run, and their failures don't count until a date.

    ["tests/committed/test_concurrency.py::test_two_agents"]
    owner = "ada@example.com"
    expires = 2026-12-31
    reason = "loses the race once in a hundred runs"

After that day they count again. A run says which tests are in quarantine, and which are out of it.
"""

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.timing.stopwatch import names_parts

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


@dataclass(frozen=True)
class Quarantined:
    """Who mends a test, until when, and what is wrong with it."""

    owner: str
    expires: date
    reason: str

    @property
    def over(self) -> bool:
        """Whether its failures count again."""
        return datetime.now(UTC).date() > self.expires

    def __str__(self) -> str:
        """Return it in words."""
        return f"until {self.expires}, {self.owner}: {self.reason}"


def read(path: Path) -> dict[str, Quarantined]:
    """Return the tests in quarantine by node id. Raises ValueError, which says what is wrong with the file."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise ValueError(f"{path.name}: {error}") from None
    found = {}
    for nodeid, entry in content.items():
        wanted = {"owner": str, "expires": date, "reason": str}
        if (
            not isinstance(entry, dict)
            or entry.keys() != wanted.keys()
            or not all(type(entry[name]) is kind and entry[name] for name, kind in wanted.items())
        ):
            raise ValueError(
                f'{path.name}: "{nodeid}" needs an owner = "…", expires = 2026-12-31 and a reason = "…", and nothing else'
            )
        found[nodeid] = Quarantined(**entry)
    return found


class Quarantine:
    """Lets the failures of tests in quarantine not count."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run, whose settings say where the file is."""
        self._config = config
        self._known: dict[str, Quarantined] = {}
        self._missing: set[str] = set()
        self._file = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Read the file. Raises UsageError if it isn't right."""
        settings = settings_of(config)
        if settings.quarantine is None:
            return
        self._file = settings.relative(settings.quarantine)
        try:
            self._known = read(settings.quarantine)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None

    def pytest_report_header(self) -> list[str]:
        """Say which tests are in quarantine, and which are no more."""
        return [
            f"quarantine {'is OVER, failures count again' if known.over else 'of'}: {nodeid} ({known})"
            for nodeid, known in self._known.items()
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark them."""
        if not self._known:
            return
        collected = {item.nodeid: item for item in items}
        files = {nodeid.partition("::")[0] for nodeid in collected}
        partly = self._config.option.tiers_shard or names_parts(self._config)
        for nodeid, known in self._known.items():
            if nodeid in collected:
                if not known.over:
                    reason = f"quarantine {known}"
                    collected[nodeid].add_marker(pytest.mark.xfail(reason=reason, strict=False))
            elif not partly:
                file = nodeid.partition("::")[0]
                if file in files or not (self._config.rootpath / file).exists():
                    self._missing.add(nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker missed."""
        self._missing.update(getattr(node, "workeroutput", {}).get("not in quarantine", ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run whose quarantine has a test that doesn't exist, with `--ci`."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["not in quarantine"] = sorted(self._missing)
        elif self._missing and self._config.option.tiers_ci and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "TerminalReporter") -> None:
        """Say which tests don't exist."""
        for nodeid in sorted(self._missing):
            terminalreporter.write_line(f"{self._file}: there is no test {nodeid}: take it out", red=True)
