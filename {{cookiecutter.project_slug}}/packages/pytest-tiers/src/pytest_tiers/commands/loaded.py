"""Which plugins pytest loads in a suite."""

import os
import shlex
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pytest_tiers.config import pytest_ini


class Loaded(NamedTuple):
    """Which plugins pytest loads here."""

    named: frozenset[str]
    autoload: bool

    @classmethod
    def read(cls, root: Path) -> "Loaded":
        """Find out from pytest's configuration and the environment."""
        written = pytest_ini(root).get("addopts") or []
        words = shlex.split(written) if isinstance(written, str) else list(map(str, written))
        words += shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
        named = {after for option, after in pairwise(words) if option == "-p"}
        named |= {word[2:] for word in words if word.startswith("-p") and len(word) > 2}
        off = "--disable-plugin-autoload" in words or os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
        return cls(frozenset(map(str.strip, named)), not off)
