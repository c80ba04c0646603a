# Kept by the template: an update replaces this file, so change the conftests or pyproject.toml instead.
"""OpenAI's API without the network: the real SDK runs, and this answers its HTTP requests."""

import json
from typing import Any

import httpx2


class FakeAI:
    """Answers in the order that the test scripted. A request that nothing was scripted for fails the test."""

    def __init__(self) -> None:
        """Start with no answers."""
        self.requests: list[dict[str, Any]] = []
        """The JSON bodies that the service sent, in order."""
        self.transport = httpx2.MockTransport(self._answer)
        """What carries the SDK's requests: `httpx2.Client(transport=fake_ai.transport)`."""
        self._script: list[httpx2.Response | Exception] = []

    def reset(self) -> None:
        """Forget what was scripted and what was asked."""
        self.requests.clear()
        self._script.clear()

    def reply(self, text: str) -> None:
        """Answer the next request with `text`, in the form of the Responses API."""
        content = {"type": "output_text", "text": text, "annotations": []}
        message = {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [content],
        }
        self.respond(
            200,
            {
                "id": "resp_1",
                "object": "response",
                "created_at": 0,
                "status": "completed",
                "model": "fake",
                "output": [message],
                "parallel_tool_calls": True,
                "tool_choice": "auto",
                "tools": [],
            },
        )

    def respond(self, status: int, body: object, *, headers: dict[str, str] | None = None) -> None:
        """Answer the next request with any status, JSON body and headers."""
        self._script.append(httpx2.Response(status, json=body, headers=headers))

    def fail(self, status: int, *, headers: dict[str, str] | None = None) -> None:
        """Answer the next request with an error of the API."""
        error = {"message": "scripted", "type": "error", "code": None, "param": None}
        self.respond(status, {"error": error}, headers=headers)

    def break_connection(self, error: Exception | None = None) -> None:
        """Let the next request fail below HTTP; by default the connection is refused."""
        self._script.append(error or httpx2.ConnectError("refused"))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(json.loads(request.content))
        if not self._script:
            raise AssertionError(
                f"The service asked the AI provider, and nothing was scripted for it: {request.content.decode()}\n"
                "Script an answer first: fake_ai.reply('…')"
            )
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
