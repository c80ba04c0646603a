"""Keeps secrets of the real environment out of the tests, and of the workers and programs, which inherit it.

Removed, before anything of the project is imported, is every variable that is named like a secret, that holds a URL with a
password, or that the project's settings declare as a SecretStr, whatever it is called. Then no test can depend on what
the machine it runs on happens to know. What brings such a value back is refused.
"""

import ast
import os
import re
from collections.abc import Generator, Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from pytest_tiers.config import settings_of
from pytest_tiers.guards.runs import Run, SecretError, refuse, running

SECRET_NAME = re.compile(
    r"^(DOPPLER_|PG)|DATABASE_UR[IL]|REDIS_URL|TOKEN(?!IZER)|SECRET|PASSW|PASSPHRASE|_PASS$|_PWD$|API_?KEY|_KEY$|PRIVATE_KEY|_PAT$|DSN$"
    r"|CREDENTIAL|CONNECTION_STRING|WEBHOOK_URL|SERVICE_ACCOUNT",
    re.IGNORECASE,
)
"""How variables are named that no test may see. Those that begin with TEST_ are made for tests and stay."""
SECRET_VALUE = re.compile(r"://[^/\s@]*:[^/\s@]+@")
"""A URL with a password in it."""
SHORTEST = 8
"""Shorter values stand for too much else to be recognised."""
INSTEAD = (
    ".\nScript what the test needs with fake_secrets, or set a value of its own with monkeypatch.setenv()."
)


def marked_secret(sources: Iterable[Path]) -> set[str]:
    """Return names, in lower case, and aliases of all settings in `sources` that are declared as Secret or SecretStr.

    Read from the source: importing the project would be too late, it may read its settings right then.
    """
    names: set[str] = set()
    files = (path for source in sources for path in ([source] if source.is_file() else source.rglob("*.py")))
    for text in (path.read_text(encoding="utf-8", errors="replace") for path in files):
        with suppress(SyntaxError):  # which the import of the file reports better
            for node in ast.walk(ast.parse(text)) if "Secret" in text else ():
                if isinstance(node, ast.AnnAssign) and re.search(r"\bSecret", ast.unparse(node.annotation)):
                    names.add(ast.unparse(node.target))
                    keywords = getattr(node.value, "keywords", ())
                    aliases = " ".join(ast.unparse(word) for word in keywords if "alias" in (word.arg or ""))
                    names.update(re.findall(r"'(\w+)'", aliases))
    return {name.lower() for name in names}


def _digest(value: str) -> str:
    return blake2b(value.encode(errors="surrogateescape")).hexdigest()


def _enable_dotenv() -> None:
    os.environ.pop("PYTHON_DOTENV_DISABLED", None)


class Secrets:
    """Removes them, and refuses what brings them back."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        """Remove them from the environment of this process, and put `environment` of `[tool.tiers]` in."""
        self._settings = settings_of(config)
        self._digests: set[str] = set()
        """Of the values that were removed: enough to recognise them, and nothing that could be printed."""
        self.removed: list[str] = []
        """The names of the variables that were removed."""
        self._remove(config)
        for name, value in self._settings.environment.items():
            os.environ.setdefault(name, value)
        run.on("os.putenv", call=self._set)
        run.on("open", call=self._read)

    def _remove(self, config: pytest.Config) -> None:
        """Names may have a prefix: `SUPPORT_KEY_ID` is removed for a field `key_id`."""
        marked = marked_secret(self._settings.sources)
        for name, value in list(os.environ.items()):
            lower = name.lower()
            found = (
                SECRET_NAME.search(name)
                or SECRET_VALUE.search(value)
                or any(lower == field or lower.endswith(f"_{field}") for field in marked)
            )
            if found and not name.startswith(("TEST_", "PYTEST_")):
                del os.environ[name]
                self.removed.append(name)
                if len(value) >= SHORTEST:
                    self._digests.add(_digest(value))
        if "PYTHON_DOTENV_DISABLED" not in os.environ:  # python-dotenv would bring back what .env holds
            os.environ["PYTHON_DOTENV_DISABLED"] = "1"
            config.add_cleanup(_enable_dotenv)

    def pytest_report_header(self) -> str | None:
        """Say once what was removed, by name."""
        return (
            f"secrets removed from the environment: {', '.join(sorted(self.removed))}"
            if self.removed
            else None
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker what to recognise: its environment never had it."""
        node.workerinput["secrets"] = [sorted(self._digests), sorted(self.removed)]

    def pytest_configure(self, config: pytest.Config) -> None:
        """Hear what to recognise."""
        digests, removed = getattr(config, "workerinput", {}).get("secrets", ((), ()))
        self._digests.update(digests)
        self.removed += [name for name in removed if name not in self.removed]

    def hint(self, said: str) -> str:
        """Return what to do about an error that may be due to a variable that was removed; nothing if it isn't."""
        named = [name for name in self.removed if re.search(rf"\b{re.escape(name)}\b", said, re.IGNORECASE)]
        if not named:
            return ""
        values = ", ".join(f'{name} = "…"' for name in named)
        return (
            f"{', '.join(named)} {'was' if len(named) == 1 else 'were'} removed from the environment, so that no test sees a real"
            f" secret.\nIf something needs a value, give it a harmless one in pyproject.toml: [tool.tiers] environment = {{ {values} }}"
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Say what a module that can't be imported may be missing."""
        report = yield
        if report.failed and (hint := self.hint(report.longreprtext)):
            report.longrepr = f"{report.longreprtext}\n\n{hint}"
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say what a test that failed may be missing."""
        report = yield
        if self.removed and report.failed and (hint := self.hint(report.longreprtext)):
            report.sections.append(("What may be missing", hint))
        return report

    def _refuse(self, what: str) -> None:
        __tracebackhide__ = True
        refuse(f"{what}{INSTEAD}", "secrets", SecretError)

    def _set(self, name: bytes, value: bytes) -> None:
        __tracebackhide__ = True
        if self._digests and running("secrets") and _digest(os.fsdecode(value)) in self._digests:
            self._refuse(f"The test set {os.fsdecode(name)} to a secret of the real environment")

    def _read(self, path: object, *_: object) -> None:
        __tracebackhide__ = True
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if name.endswith((".env", "/environ")) and running("secrets"):
            absolute = os.path.abspath(name)  # noqa: PTH100 - Path.absolute() leaves the dots in
            if absolute == str(self._settings.root / ".env") or re.fullmatch(
                r"/proc/[^/]+/environ", absolute
            ):
                shown = absolute.removeprefix(f"{self._settings.root}{os.sep}")
                self._refuse(f"The test opened {shown}, with secrets of the real environment")
