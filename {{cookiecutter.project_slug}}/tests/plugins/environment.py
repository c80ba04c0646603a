# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Keeps secrets of the real environment out of the tests, and of the workers, which inherit it."""

import os
import re

SECRET_NAME = re.compile(
    r"^(DOPPLER_|PG)|DATABASE_UR[IL]|REDIS_URL|TOKEN|SECRET|PASSW|_PASS$|API_?KEY|_KEY$|_PAT$|DSN$|CREDENTIAL",
    re.IGNORECASE,
)
"""How variables are named that no test may see. Those that begin with TEST_ are made for tests and stay."""
SECRET_VALUE = re.compile(r"://[^/\s@]*:[^/\s@]+@")
"""A URL with a password in it."""


def remove_secrets() -> None:
    """Remove every variable that is named like a secret, or holds a URL with a password, from the environment."""
    for name in list(os.environ):
        found = SECRET_NAME.search(name) or SECRET_VALUE.search(os.environ[name])
        if found and not name.startswith(("TEST_", "PYTEST_")):
            del os.environ[name]
