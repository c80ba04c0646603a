"""The fake of OpenAI's API: the real SDK, synchronous and asynchronous, understands each of its answers."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from pytest_tiers import FakeAI
from pytest_tiers.guards import GuardError


@pytest.fixture
def fake_ai():
    return FakeAI()


@pytest.fixture
def ai(fake_ai):
    return client(fake_ai)


def client(fake_ai, retries=0):
    http = httpx2.Client(transport=fake_ai.transport)
    return openai.OpenAI(api_key="sk-test", max_retries=retries, http_client=http)


def ask(ai, text, **more):
    return ai.responses.create(model="m", input=text, **more)


def test_a_stream_comes_in_chunks(ai, fake_ai):
    fake_ai.stream("Hel", "lo 🎧", usage=(7, 2))
    events = list(ask(ai, "?", stream=True))
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == ["Hel", "lo 🎧"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type.removeprefix("response.") for event in events] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    done = events[-4]
    assert done.text == "Hello 🎧"
    assert (events[0].response.status, events[0].response.output) == ("in_progress", [])
    assert events[-1].response.output_text == "Hello 🎧"
    usage = events[-1].response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (7, 2, 9)
    # The SDK's own validation, which it doesn't do by itself.
    for event in events:
        type(event).model_validate_json(event.model_dump_json(warnings="error"))


def test_the_helper_of_the_sdk_puts_a_stream_together(ai, fake_ai):
    fake_ai.stream("Hel", "lo")
    with ai.responses.stream(model="m", input="?") as stream:
        seen = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == "Hello"
    assert seen == ["Hel", "Hello"]


def test_a_stream_breaks_off_after_its_last_text(ai, fake_ai):
    fake_ai.stream("Hel", "lo", drop=True)
    seen = []
    stream = ask(ai, "?", stream=True)
    with pytest.raises(openai.APIConnectionError) as error:
        seen.extend(getattr(event, "delta", event.type) for event in stream)
    assert isinstance(error.value.__cause__, httpx2.RemoteProtocolError)
    assert seen[-2:] == ["Hel", "lo"]


def test_an_answer_breaks_off(ai, fake_ai):
    fake_ai.reply("Hello", drop=True)
    with pytest.raises(openai.APIConnectionError):
        ask(ai, "?")


def test_the_form_of_an_answer_is_what_the_request_asks_for(ai, fake_ai):
    fake_ai.reply("Hello")
    fake_ai.stream("Hel", "lo")
    assert [event.delta for event in ask(ai, "?", stream=True) if "delta" in event.type] == ["Hello"]
    assert ask(ai, "?").output_text == "Hello"


def test_tokens_are_counted(ai, fake_ai):
    fake_ai.reply("Hello", usage=(1000, 50))
    fake_ai.reply("Hello")
    response = ask(ai, "?")
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1000, 50, 1050)
    type(response).model_validate_json(response.model_dump_json(warnings="error"))
    assert ask(ai, "?").usage.total_tokens == 30, "twenty and ten, where nothing is said"


def test_an_asynchronous_client_works_as_well(fake_ai):
    fake_ai.stream("Hel", "lo")
    fake_ai.reply("again")

    async def talk():
        http = httpx2.AsyncClient(transport=fake_ai.transport)
        async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http) as ai:
            stream = await ask(ai, "?", stream=True)
            deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            return deltas, (await ask(ai, "?")).output_text

    assert asyncio.run(talk()) == (["Hel", "lo"], "again")


def test_errors_are_those_of_the_sdk(ai, fake_ai):
    fake_ai.fail(429, retry_after=7.5)
    fake_ai.fail(503, headers={"x-request-id": "r1"})
    fake_ai.time_out()
    fake_ai.break_connection()
    with pytest.raises(openai.RateLimitError) as error:
        ask(ai, "?")
    assert error.value.response.headers["retry-after"] == "7.5"
    with pytest.raises(openai.InternalServerError) as error:
        ask(ai, "?")
    assert error.value.request_id == "r1"
    assert "retry-after" not in error.value.response.headers
    for expected in openai.APITimeoutError, openai.APIConnectionError:
        with pytest.raises(expected):
            ask(ai, "?")


def test_an_error_of_ones_own_below_http(ai, fake_ai):
    fake_ai.break_connection(httpx2.ConnectTimeout("no route"))
    with pytest.raises(openai.APITimeoutError) as error:
        ask(ai, "?")
    assert str(error.value.__cause__) == "no route"


def test_any_answer_can_be_given(ai, fake_ai):
    fake_ai.respond(418, {"error": {"message": "short and stout"}}, headers={"x-pot": "tea"})
    with pytest.raises(openai.APIStatusError, match="short and stout") as error:
        ask(ai, "?")
    assert (error.value.status_code, error.value.response.headers["x-pot"]) == (418, "tea")


def test_a_malformed_body_is_passed_on(ai, fake_ai):
    fake_ai.malformed()
    with pytest.raises(ValueError, match="Unterminated string"):
        ask(ai, "?")


def test_the_sdk_tries_again_and_each_try_is_a_request(fake_ai):
    fake_ai.fail(500, retry_after=0)
    fake_ai.reply("at last")
    assert ask(client(fake_ai, retries=1), "?").output_text == "at last"
    assert [body["input"] for body in fake_ai.requests] == ["?", "?"]


def test_answers_match_requests_and_else_come_in_their_order(ai, fake_ai):
    fake_ai.reply("to anything")
    fake_ai.reply("to a text", when='a "quoted"\nßtext')
    fake_ai.reply("to a model", when=lambda body: body["model"] == "big")
    fake_ai.reply("last")
    assert ask(ai, "?").output_text == "to anything"
    assert ai.responses.create(model="big", input="?").output_text == "to a model"
    assert ask(ai, 'It has a "quoted"\nßtext in it').output_text == "to a text"
    assert fake_ai.unused == ["reply('last')"]
    assert [body["model"] for body in fake_ai.requests] == ["m", "big", "m"]


def test_threads_each_get_their_own_answer(ai, fake_ai):
    words = [f"word-{number}-" for number in range(32)]
    for word in words:
        fake_ai.reply(word, when=word)
    with ThreadPoolExecutor(8) as executor:
        answers = executor.map(lambda word: ask(ai, word).output_text, reversed(words))
        assert list(answers) == words[::-1]
    assert fake_ai.unused == []


def test_what_was_scripted_is_said_as_it_was_typed(fake_ai):
    fake_ai.reply("a")
    fake_ai.stream("a", "b", when="x")
    fake_ai.respond(200, {})
    fake_ai.malformed("{")
    fake_ai.fail(500)
    fake_ai.break_connection(ValueError("v"))
    assert fake_ai.unused == [
        "reply('a')",
        "stream('a', 'b'), when 'x'",
        "respond(200, {})",
        "malformed('{')",
        "fail(500)",
        "break_connection(ValueError('v'))",
    ]
    fake_ai.requests.append({})
    fake_ai.reset()
    assert (fake_ai.unused, fake_ai.requests) == ([], [])


def test_what_nobody_scripted_is_refused_below_the_sdk(fake_ai):
    fake_ai.reply("x", when="another text")
    with httpx2.Client(transport=fake_ai.transport) as http, pytest.raises(GuardError) as error:
        http.post("https://api.openai.com/v1/responses", json={"input": "No sound ♪"})
    assert str(error.value) == (
        "The service asked the AI provider, and nothing was scripted for it:\n"
        'POST /v1/responses {"input": "No sound ♪"}\n'
        "Scripted and not used yet: reply('x'), when 'another text'.\n"
        "Script an answer first: fake_ai.reply('…')"
    )


def test_a_condition_that_raises_is_shown_with_the_request(fake_ai):
    fake_ai.reply("x", when=lambda body: body["nonsense"])
    with httpx2.Client(transport=fake_ai.transport) as http, pytest.raises(GuardError) as error:
        http.get("https://api.openai.com/v1/models")
    assert str(error.value) == "A `when` of fake_ai raised KeyError('nonsense') for this request: {}"
