import httpx2
import pytest
from pytest_tiers import FakeSecrets

from {{ cookiecutter.package_name }}.doppler import DopplerError, download


def answering(answer: httpx2.Response | Exception) -> httpx2.MockTransport:
    """Return a transport that gives every request this answer."""

    def handle(_: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx2.MockTransport(handle)


def test_all_secrets_come_with_one_request() -> None:
    secrets = FakeSecrets()
    secrets.values = {"DATABASE_URL": "postgresql://", "PORT": "1"}

    assert download(secrets.TOKEN, transport=secrets.transport) == secrets.values

    (request,) = secrets.requests
    assert request.method == "GET"
    assert str(request.url) == "https://api.doppler.com/v3/configs/config/secrets/download?format=json"
    assert request.headers["authorization"] == f"Bearer {secrets.TOKEN}"


def test_a_wrong_token_is_refused_without_showing_it() -> None:
    with pytest.raises(DopplerError, match="new service token") as error:
        download("dp.st.wrong", transport=FakeSecrets().transport)

    assert "dp.st.wrong" not in str(error.value)


def test_a_forbidden_config_is_reported_as_a_matter_of_the_token() -> None:
    with pytest.raises(DopplerError, match="new service token"):
        download("dp.st.x", transport=answering(httpx2.Response(403)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(httpx2.Response(500), "HTTPStatusError", id="outage"),
        pytest.param(httpx2.Response(429), "HTTPStatusError", id="rate limit"),
        pytest.param(httpx2.ConnectError("refused"), "ConnectError", id="no connection"),
        pytest.param(httpx2.ReadTimeout("slow"), "ReadTimeout", id="no answer"),
        pytest.param(httpx2.Response(200, text="<html>"), "ValidationError", id="a proxy's login page"),
        pytest.param(httpx2.Response(200, json=None), "ValidationError", id="null"),
    ],
)
def test_no_secrets_is_an_error_that_says_why_and_what_to_do(
    answer: httpx2.Response | Exception, reason: str
) -> None:
    with pytest.raises(DopplerError, match=rf"\({reason}\): check the network, or unset DOPPLER_TOKEN"):
        download("dp.st.x", transport=answering(answer))
