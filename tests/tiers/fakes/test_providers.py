"""The fixtures `fake_ai` and `fake_secrets`: what fails a test, and what doesn't."""

import re

import pytest

SERVICE = """
import httpx2
import openai
import pytest


@pytest.fixture
def summarise(ai_provider):
    # As services do: an answer that can't be had is no error of theirs.
    ai = openai.OpenAI(api_key="sk", max_retries=0, http_client=httpx2.Client(transport=ai_provider.transport))

    def summarise():
        try:
            return ai.responses.create(model="m", input="No sound").output_text
        except openai.OpenAIError:
            return None

    return summarise
"""
# Each of these fails, with the words behind it.
BREACHES = """
def test_unscripted(summarise, fake_ai):
    assert summarise() is None


def test_unmatched(summarise, fake_ai):
    fake_ai.reply("x", when="another text")
    assert summarise() is None


def test_exhausted(summarise, fake_ai):
    fake_ai.reply("x")
    assert summarise() == "x"
    assert summarise() is None


def test_broken_condition(summarise, fake_ai):
    fake_ai.reply("x", when=lambda body: body["nonsense"])
    assert summarise() is None


def test_unused(fake_ai):
    fake_ai.reply("x")
    fake_ai.fail(500, when="y")


def test_failed_before_its_answer_was_used(fake_ai):
    fake_ai.reply("x")
    assert not "reached"
"""
ASKED = r"nothing was scripted for it:\nPOST /v1/responses \{.*No sound.*\}\n"
NEXT = r"Script an answer first: fake_ai.reply\('…'\)"
FAILING = {
    "unscripted": rf"{ASKED}Scripted and not used yet: nothing\.\n{NEXT}",
    "unmatched": rf"{ASKED}Scripted and not used yet: reply\('x'\), when 'another text'\.\n{NEXT}",
    "exhausted": rf"{ASKED}Scripted and not used yet: nothing\.\n{NEXT}",
    "broken_condition": r"A `when` of fake_ai raised KeyError\('nonsense'\) for this request: \{.*No sound",
    "unused": r"never used: reply\('x'\), fail\(500\), when 'y'\.\nThe service asked less often than the test expects",
    "failed_before_its_answer_was_used": "assert not 'reached'",  # and nothing of the answer
}
HARMLESS = """
import pytest


@pytest.mark.parametrize("turn", range(2))
def test_each_begins_with_nothing(summarise, fake_ai, turn):
    assert (fake_ai.requests, fake_ai.unused) == ([], [])
    fake_ai.reply("x")
    assert summarise() == "x"


@pytest.mark.xfail(strict=True, reason="not mended yet")
def test_fails_as_expected_before_its_answer_was_used(fake_ai):
    fake_ai.reply("x")
    raise ValueError


def test_is_skipped_before_its_answer_was_used(fake_ai):
    fake_ai.reply("x")
    pytest.skip("no reason")


def test_a_provider_for_the_run(ai_provider, fake_ai):
    assert ai_provider is fake_ai
"""


def test_what_a_fake_was_not_told_fails_the_test_and_says_so(suite):
    pytester = suite({"tests/conftest.py": SERVICE, "tests/unit/test_breaches.py": BREACHES})
    result = pytester.runpytest_inprocess("--tb=short", "-n0")
    result.assert_outcomes(failed=5, passed=1, errors=1)
    parts = re.split(
        r"^_{3,} (?:ERROR at \w+ of )?test_(\w+) _{3,}$", result.stdout.str(), flags=re.MULTILINE
    )
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert said.keys() == FAILING.keys()
    for name, words in FAILING.items():
        assert re.search(words, re.sub("^E +", "", said[name], flags=re.MULTILINE)), name


def test_what_has_a_reason_to_leave_answers_is_left_in_peace(suite):
    pytester = suite({"tests/conftest.py": SERVICE, "tests/unit/test_harmless.py": HARMLESS})
    pytester.runpytest_inprocess("-n0").assert_outcomes(passed=3, xfailed=1, skipped=1)


SECRETS = """
import os

import httpx2
import pytest


class Source:
    transport = None


@pytest.fixture
def fake_secrets(fake_secrets, monkeypatch):
    monkeypatch.setattr(Source, "transport", fake_secrets.transport)
    return fake_secrets


def test_the_services_own_fixture_extends_it(fake_secrets):
    fake_secrets.values["KEY"] = "value"
    with httpx2.Client(transport=Source.transport) as http:
        token = os.environ["DOPPLER_TOKEN"]
        assert token == fake_secrets.TOKEN
        answer = http.get("https://api.doppler.com", headers={"authorization": f"Bearer {token}"})
    assert answer.json() == {"KEY": "value"}


def test_it_is_gone_afterwards():
    assert Source.transport is None
    assert "DOPPLER_TOKEN" not in os.environ
"""


def test_secrets_are_extended_by_a_service_and_gone_afterwards(suite, monkeypatch):
    monkeypatch.setenv("DOPPLER_TOKEN", "dp.st.a-real-one")
    suite({"tests/unit/test_secrets.py": SECRETS}).runpytest_inprocess("-n0").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("fixture", "modules", "extra"),
    [
        ("redis_client", ["redis", "fakeredis"], "redis"),
        ("redis_client", ["fakeredis"], "redis"),
        ("fake_ai", ["httpx2"], "openai"),
        ("fake_secrets", ["httpx2"], "openai"),
        ("frozen_time", ["time_machine"], "time"),
    ],
)
def test_what_isnt_installed_is_named_by_the_fixture_that_needs_it(suite, fixture, modules, extra):
    missing = f"""
import sys
from importlib.machinery import PathFinder


class WithoutThese(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {modules!r} else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutThese
"""
    tests = f"def test_needs_it({fixture}):\n    pass\n\n\ndef test_does_not():\n    pass\n"
    pytester = suite({"missing.py": missing, "tests/unit/test_a.py": tests})
    result = pytester.runpytest_subprocess("-p", "missing", "-n0")
    result.assert_outcomes(errors=1, passed=1)
    named = " and ".join(modules)
    result.stdout.fnmatch_lines([f"*GuardError: {named} can't be imported: install pytest-tiers[[]{extra}]"])
