"""`python -m pytest_tiers NAME` is `tiers NAME`."""

import sys

from pytest_tiers.commands import main

if __name__ == "__main__":
    sys.exit(main())
