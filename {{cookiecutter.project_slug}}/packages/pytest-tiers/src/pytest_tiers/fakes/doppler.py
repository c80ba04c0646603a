"""Doppler without the network."""

import httpx2


class FakeSecrets:
    """Hands out `values`, as Doppler would for the token `TOKEN`, until something is made to go wrong."""

    TOKEN = "dp.st.fake"  # noqa: S105 - a fake one

    def __init__(self) -> None:
        """Start with no secrets."""
        self.values: dict[str, str] = {}
        """What Doppler holds: names, in capitals, and values. What isn't in it is missing there, too."""
        self.requests: list[httpx2.Request] = []
        self.transport = httpx2.MockTransport(self._answer)
        self._status = 200
        self._error: Exception | None = None

    def expire_token(self) -> None:
        """Refuse the token from now on."""
        self.fail(401)

    def fail(self, status: int) -> None:
        """Answer every request with this status: 429 is the rate limit, 500 an outage."""
        self._status = status

    def break_connection(self, error: Exception | None = None) -> None:
        """Let every request fail below HTTP; by default the connection is refused."""
        self._error = error or httpx2.ConnectError("refused")

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self._error is not None:
            raise self._error
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return httpx2.Response(401, json={"messages": ["Invalid Service token"], "success": False})
        if self._status != 200:
            return httpx2.Response(self._status, json={"messages": ["scripted"], "success": False})
        return httpx2.Response(200, json=self.values)
