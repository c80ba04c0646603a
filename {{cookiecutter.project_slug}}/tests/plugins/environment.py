# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Keeps secrets of the real environment out of the tests, and of the workers, which inherit it."""

import os
import re

SECRET = re.compile(
    r"^(DATABASE_URL|REDIS_URL|DOPPLER_\w+|PG\w+|\w*(TOKEN|SECRET|PASSWORD|API_KEY|ACCESS_KEY)\w*)$",
    re.IGNORECASE,
)
"""Names of variables that no test may see. TEST_DATABASE_URL and TEST_REDIS_URL are made for tests and stay."""


def remove_secrets() -> None:
    """Remove every variable that looks like a secret or names a real database from this process's environment."""
    for name in list(os.environ):
        if SECRET.match(name) and not name.startswith(("TEST_", "PYTEST_")):
            del os.environ[name]
