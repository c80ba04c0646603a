"""OpenAI's API without the network: the real SDK runs, and this answers its HTTP requests.

So the service's own client code, the SDK's retries and its parsing are tested as well. Synchronous and asynchronous clients work:
`OpenAI(http_client=httpx2.Client(transport=fake_ai.transport))`, `AsyncOpenAI` with an `httpx2.AsyncClient`.
"""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import httpx2

from pytest_tiers.guards import refuse

Body = dict[str, Any]
When = str | Callable[[Body], bool] | None
Usage = tuple[int, int]


class _Scripted(NamedTuple):
    said: str
    """How it was scripted, for messages."""
    answer: Callable[[Body], httpx2.Response]
    when: When

    def fits(self, body: Body) -> bool:
        if isinstance(self.when, str):
            return _json(self.when)[1:-1] in _json(body)
        return self.when is None or self.when(body)


class _Stream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of an answer, in pieces; its connection is lost at the end if `drop`."""

    def __init__(self, pieces: list[str], *, drop: bool) -> None:
        self._pieces = pieces
        self._drop = drop

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            yield piece.encode()
        if self._drop:
            raise httpx2.RemoteProtocolError("scripted: connection lost within the answer")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class FakeAI:
    """Answers requests with what the test scripted: each answer once, in order.

    With `when`, an answer is kept for a request that has this text in it, or of whose JSON body this function is true; any
    thread may ask. A request that nothing was scripted for fails the test, and so does an answer that was never used.
    """

    def __init__(self) -> None:
        """Start with no answers."""
        self.requests: list[Body] = []
        """The JSON bodies that the service sent, in order; each try of a request that is repeated."""
        self.transport = httpx2.MockTransport(self._answer)
        """What carries the SDK's requests: `httpx2.Client(transport=fake_ai.transport)`."""
        self._script: list[_Scripted] = []
        self._lock = threading.Lock()

    @property
    def unused(self) -> list[str]:
        """The answers that were scripted and not given yet."""
        return [scripted.said for scripted in self._script]

    def reset(self) -> None:
        """Forget what was scripted and what was asked."""
        self.requests.clear()
        self._script.clear()

    def reply(self, text: str, *, usage: Usage = (20, 10), drop: bool = False, when: When = None) -> None:
        """Answer with `text`; in one piece if the request asks for a stream. The rest is as with `stream`."""
        self._add(
            f"reply({text!r})",
            lambda body: _reply((text,), usage, drop, stream=bool(body.get("stream"))),
            when,
        )

    def stream(self, *texts: str, usage: Usage = (20, 10), drop: bool = False, when: When = None) -> None:
        """Answer with `texts`, one event for each, in the form of the Responses API.

        `usage` is the number of tokens of the request and of the answer. With `drop` the connection is lost after the last
        text, before the answer is complete.
        """
        said = f"stream({', '.join(map(repr, texts))})"
        self._add(said, lambda body: _reply(texts, usage, drop, stream=bool(body.get("stream"))), when)

    def respond(
        self, status: int, body: object, *, headers: dict[str, str] | None = None, when: When = None
    ) -> None:
        """Answer with any status, JSON body and headers."""
        answer = httpx2.Response(status, json=body, headers=headers)
        self._add(f"respond({status}, {body!r})", lambda _: answer, when)

    def malformed(self, body: str = '{"id": "resp_1', *, when: When = None) -> None:
        """Answer with a body that says it is JSON, and isn't."""
        answer = httpx2.Response(200, text=body, headers={"content-type": "application/json"})
        self._add(f"malformed({body!r})", lambda _: answer, when)

    def fail(
        self,
        status: int,
        *,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
        when: When = None,
    ) -> None:
        """Answer with an error of the API, such as 429 or 500. `retry_after` is in seconds; the SDK waits for them."""
        error = {"message": "scripted", "type": "error", "code": None, "param": None}
        wait = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        answer = httpx2.Response(status, json={"error": error}, headers=wait | (headers or {}))
        self._add(f"fail({status})", lambda _: answer, when)

    def break_connection(self, error: Exception | None = None, *, when: When = None) -> None:
        """Let a request fail below HTTP; by default the connection is refused."""
        broken = error or httpx2.ConnectError("refused")

        def answer(_: Body) -> httpx2.Response:
            raise broken

        self._add(f"break_connection({broken!r})", answer, when)

    def time_out(self, *, when: When = None) -> None:
        """Let a request time out, at once: waiting for the answer takes too long."""
        self.break_connection(httpx2.ReadTimeout("scripted"), when=when)

    def _add(self, said: str, answer: Callable[[Body], httpx2.Response], when: When) -> None:
        condition = "" if when is None else f", when {when!r}"
        self._script.append(_Scripted(said + condition, answer, when))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        body: Body = json.loads(request.content or b"{}")
        with self._lock:
            self.requests.append(body)
            try:
                scripted = next((scripted for scripted in self._script if scripted.fits(body)), None)
            except Exception as error:
                refuse(f"A `when` of fake_ai raised {error!r} for this request: {_json(body)}")
            if scripted is not None:
                self._script.remove(scripted)
        if scripted is None:
            # Only to raise would do nothing: the SDK takes any exception for a lost connection, and the service copes.
            refuse(
                f"The service asked the AI provider, and nothing was scripted for it:\n"
                f"{request.method} {request.url.path} {_json(body)}\n"
                f"Scripted and not used yet: {', '.join(self.unused) or 'nothing'}.\n"
                "Script an answer first: fake_ai.reply('…')"
            )
        return scripted.answer(body)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _reply(texts: tuple[str, ...], usage: Usage, drop: bool, *, stream: bool) -> httpx2.Response:
    """Return an answer of the Responses API, https://platform.openai.com/docs/api-reference/responses."""
    part = {"type": "output_text", "text": "".join(texts), "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": "fake",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": usage[0],
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage[1],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sum(usage),
        },
    }
    pieces = _events(texts, part, item, response) if stream else [_json(response)]
    if drop:
        pieces = pieces[: 4 + len(texts)] if stream else [pieces[0][:100]]
    headers = {"content-type": "text/event-stream" if stream else "application/json"}
    return httpx2.Response(200, headers=headers, stream=_Stream(pieces, drop=drop))


def _events(texts: tuple[str, ...], part: Body, item: Body, response: Body) -> list[str]:
    """Return the events of a stream, https://platform.openai.com/docs/api-reference/responses-streaming."""
    begun = response | {"status": "in_progress", "output": [], "usage": None}
    at_item: Body = {"output_index": 0}
    at_part: Body = at_item | {"item_id": item["id"], "content_index": 0}
    events: list[tuple[str, Body]] = [
        ("created", {"response": begun}),
        ("in_progress", {"response": begun}),
        ("output_item.added", at_item | {"item": item | {"status": "in_progress", "content": []}}),
        ("content_part.added", at_part | {"part": part | {"text": ""}}),
        *(("output_text.delta", at_part | {"delta": text, "logprobs": []}) for text in texts),
        ("output_text.done", at_part | {"text": part["text"], "logprobs": []}),
        ("content_part.done", at_part | {"part": part}),
        ("output_item.done", at_item | {"item": item}),
        ("completed", {"response": response}),
    ]
    numbered = [
        {"type": f"response.{name}", "sequence_number": number} | data
        for number, (name, data) in enumerate(events)
    ]
    return [f"event: {event['type']}\ndata: {_json(event)}\n\n" for event in numbered]
