# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Keeps secrets of the real environment out of the tests, and of the workers and programs, which inherit it.

Removed, before anything of the service is imported, is every variable that is named like a secret, that holds a URL with a
password, or that the service's settings declare as a SecretStr, whatever it is called. Then no test can depend on what
the machine it runs on happens to know. What brings such a value back is refused.
"""

import ast
import os
import re
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import pytest

from tests.plugins.guards import SecretError, on, refuse, running

SECRET_NAME = re.compile(
    r"^(DOPPLER_|PG)|DATABASE_UR[IL]|REDIS_URL|TOKEN|SECRET|PASSW|_PASS$|API_?KEY|_KEY$|_PAT$|DSN$|CREDENTIAL",
    re.IGNORECASE,
)
"""How variables are named that no test may see. Those that begin with TEST_ are made for tests and stay."""
SECRET_VALUE = re.compile(r"://[^/\s@]*:[^/\s@]+@")
"""A URL with a password in it."""
SHORTEST = 8
"""Shorter values stand for too much else to be recognised."""
ROOT = Path(__file__).parents[2]
INSTEAD = (
    ".\nScript what the test needs with fake_secrets, or set a value of its own with monkeypatch.setenv()."
)

_digests: set[str] = set()
"""Of the values that were removed: enough to recognise them, and nothing that could be printed."""


def marked_secret(folder: Path) -> set[str]:
    """Return names, in lower case, and aliases of all settings below `folder` that are declared as Secret or SecretStr.

    Read from the source: importing the service would be too late, it may read its settings right then.
    """
    names: set[str] = set()
    for text in (path.read_text(errors="replace") for path in folder.rglob("*.py")):
        with suppress(SyntaxError):  # which the import of the file reports better
            for node in ast.walk(ast.parse(text)) if "Secret" in text else ():
                if isinstance(node, ast.AnnAssign) and re.search(r"\bSecret", ast.unparse(node.annotation)):
                    names.add(ast.unparse(node.target))
                    keywords = getattr(node.value, "keywords", ())
                    aliases = " ".join(ast.unparse(word) for word in keywords if "alias" in (word.arg or ""))
                    names.update(re.findall(r"'(\w+)'", aliases))
    return {name.lower() for name in names}


def remove_secrets() -> None:
    """Remove them from the environment. Names may have a prefix: `SUPPORT_KEY_ID` is removed for a field `key_id`."""
    marked = marked_secret(ROOT / "src")
    for name, value in list(os.environ.items()):
        lower = name.lower()
        found = (
            SECRET_NAME.search(name)
            or SECRET_VALUE.search(value)
            or any(lower == field or lower.endswith(f"_{field}") for field in marked)
        )
        if found and not name.startswith(("TEST_", "PYTEST_")):
            del os.environ[name]
            if len(value) >= SHORTEST:
                _digests.add(_digest(value))
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # python-dotenv would bring back what .env holds


def _digest(value: str) -> str:
    return blake2b(value.encode(errors="surrogateescape")).hexdigest()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker what to recognise: its environment never had it."""
    vars(node)["workerinput"]["secrets"] = sorted(_digests)


def pytest_configure(config: pytest.Config) -> None:
    """Hear what to recognise."""
    _digests.update(getattr(config, "workerinput", {}).get("secrets", ()))


def _refuse(what: str) -> None:
    __tracebackhide__ = True
    refuse(f"{what}{INSTEAD}", "secrets", SecretError)


@on("os.putenv")
def _set(name: bytes, value: bytes) -> None:
    __tracebackhide__ = True
    if _digests and running("secrets") and _digest(os.fsdecode(value)) in _digests:
        _refuse(f"The test set {os.fsdecode(name)} to a secret of the real environment")


@on("open")
def _read(path: object, *_: object) -> None:
    __tracebackhide__ = True
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if name.endswith((".env", "/environ")) and running("secrets"):
        absolute = os.path.abspath(name)  # noqa: PTH100 - Path.absolute() leaves the dots in
        if absolute == str(ROOT / ".env") or re.fullmatch(r"/proc/[^/]+/environ", absolute):
            _refuse(
                f"The test opened {absolute.removeprefix(f'{ROOT}/')}, with secrets of the real environment"
            )
