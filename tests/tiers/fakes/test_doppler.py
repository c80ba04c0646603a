"""The fake of Doppler: what it answers, and what it refuses."""

import httpx2
import pytest
from pytest_tiers import FakeSecrets

URL = "https://api.doppler.com/v3/configs/config/secrets/download"


@pytest.fixture
def secrets():
    return FakeSecrets()


def ask(secrets, token=FakeSecrets.TOKEN):
    with httpx2.Client(transport=secrets.transport) as http:
        return http.get(URL, headers={"authorization": f"Bearer {token}"})


def test_a_valid_token_gets_the_values_as_they_are_then(secrets):
    assert ask(secrets).json() == {}
    secrets.values["DATABASE_URL"] = "postgresql://"
    answer = ask(secrets)
    assert (answer.status_code, answer.json()) == (200, {"DATABASE_URL": "postgresql://"})
    assert [str(request.url) for request in secrets.requests] == [URL, URL]


def test_another_token_gets_nothing(secrets):
    secrets.values["KEY"] = "value"
    answer = ask(secrets, "dp.st.stolen")
    assert (answer.status_code, answer.json()["success"]) == (401, False)
    assert "value" not in answer.text


@pytest.mark.parametrize(("change", "status"), [("expire_token", 401), ("fail", 429)])
def test_errors_last_until_the_end(secrets, change, status):
    getattr(secrets, change)(*([status] if change == "fail" else []))
    for _ in range(2):
        answer = ask(secrets)
        assert (answer.status_code, answer.json()) == (status, {"messages": ["scripted"], "success": False})


def test_a_broken_connection(secrets):
    secrets.break_connection()
    with pytest.raises(httpx2.ConnectError):
        ask(secrets)
    secrets.break_connection(httpx2.ReadTimeout("slow"))
    with pytest.raises(httpx2.ReadTimeout):
        ask(secrets)
    assert len(secrets.requests) == 2
