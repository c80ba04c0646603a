"""Fixtures of what services reach over HTTP: the AI provider, and the keeper of secrets."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from pytest_tiers.fakes.extras import need

if TYPE_CHECKING:
    from pytest_tiers.fakes.doppler import FakeSecrets
    from pytest_tiers.fakes.openai_api import FakeAI

OUTCOMES = "tiers-outcomes"


class Outcomes:
    """Knows of the test that runs whether something other than passing came of it so far."""

    def __init__(self) -> None:
        """Begin with a test that is as it should be."""
        self.ended_otherwise = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that it failed, if only for what a guard refused; was skipped; or failed as expected."""
        self.ended_otherwise |= report.outcome != "passed"


@pytest.fixture(scope="session")
def ai_provider() -> "FakeAI":
    """The fake AI provider, one for the run: what the service's client is connected to. Tests take `fake_ai`."""
    need("openai", "httpx2")
    from pytest_tiers.fakes.openai_api import FakeAI  # here, since few tests need it: httpx2 takes 60 ms

    return FakeAI()


@pytest.fixture
def fake_ai(ai_provider: "FakeAI", request: pytest.FixtureRequest) -> Iterator["FakeAI"]:
    """The AI provider below its SDK: script its answers, and read what it was asked.

    A request that nothing was scripted for fails the test, and so does an answer that was never used.
    """
    outcomes = cast("Outcomes", request.config.pluginmanager.get_plugin(OUTCOMES))
    outcomes.ended_otherwise = False
    ai_provider.reset()
    yield ai_provider
    # A test that didn't get as far as its end has left them for that reason.
    if ai_provider.unused and not outcomes.ended_otherwise:
        pytest.fail(
            f"Scripted for the AI provider and never used: {', '.join(ai_provider.unused)}.\n"
            "The service asked less often than the test expects: script what it really asks for.",
            pytrace=False,
        )


@pytest.fixture
def fake_secrets(monkeypatch: pytest.MonkeyPatch) -> "FakeSecrets":
    """Doppler with a valid token in DOPPLER_TOKEN: its `transport` answers with what is put into `values`.

    The service's conftest extends it: it puts the transport where the service's own client takes it from.
    """
    need("openai", "httpx2")
    from pytest_tiers.fakes.doppler import FakeSecrets

    secrets = FakeSecrets()
    monkeypatch.setenv("DOPPLER_TOKEN", secrets.TOKEN)
    return secrets
