# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""Doppler without the network."""

import httpx2


class FakeSecrets:
    """Hands out `values`, as Doppler would for the token `TOKEN`."""

    TOKEN = "dp.st.fake"

    def __init__(self) -> None:
        """Start with no secrets."""
        self.values: dict[str, str] = {}
        """What Doppler holds: names, in capitals, and values."""
        self.status = 200
        """The status of every answer: 401 is an expired token, 500 an outage."""
        self.requests: list[httpx2.Request] = []
        self.transport = httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return httpx2.Response(401, json={"messages": ["Invalid Service token"], "success": False})
        if self.status != 200:
            return httpx2.Response(self.status, json={"messages": ["scripted"], "success": False})
        return httpx2.Response(200, json=self.values)
