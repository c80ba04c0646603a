"""What the tests of the template and of the services share: the template, and a user who renders it."""

from pathlib import Path

import pytest
from rendering import copy_template
from service import outside_environment


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template as it stands in the working tree. Tests change nothing in it."""
    return copy_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user who knows nothing of this run: what a rendered service's commands get.

    But for one thing: services that this user's commands run in share a virtual environment, which uv points at the one
    it works for. From an environment of its own each would compile all libraries anew, some seconds every time.
    """
    folder = tmp_path_factory.mktemp("outside")
    return outside_environment(folder) | {"UV_PROJECT_ENVIRONMENT": str(folder / "environment")}
