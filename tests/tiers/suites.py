"""What the tests of pytest-tiers call a suite."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.Pytester]
"""Writes the files of a suite, and gives what runs it: the fixture `suite`."""
