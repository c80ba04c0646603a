"""What a fixture says that needs something which isn't installed."""

import sys
from importlib.util import find_spec

from pytest_tiers.guards import refuse


def need(extra: str, *modules: str) -> None:
    """Fail the test unless these modules, which an extra of pytest-tiers brings, can be imported. Raises GuardError."""
    __tracebackhide__ = True
    missing = [name for name in modules if name not in sys.modules and find_spec(name) is None]
    if missing:
        # An exception like any other: a request of the app may be the first to ask, and pytest.fail() would end its event loop.
        refuse(f"{' and '.join(missing)} can't be imported: install pytest-tiers[{extra}]")
