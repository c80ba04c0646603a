import io
import logging
import unittest
from unittest import mock

import pytest

from receipts import rates
from receipts.money import Money
from receipts.rates import Converter, RatesError, fetch_rates, wait_for_rates


def test_fetch(mocker):
    urlopen = mocker.patch("receipts.rates.urlopen")
    urlopen.return_value.__enter__.return_value = io.BytesIO(b'{"rates": {"EUR": 0.9}}')
    assert fetch_rates("USD") == {"EUR": 0.9}
    urlopen.assert_called_once_with(
        "https://rates.receipts.example/latest?base=USD", timeout=5
    )


def test_fetch_fails(mocker, caplog):
    mocker.patch("receipts.rates.urlopen", side_effect=OSError("unplugged"))
    with pytest.raises(RatesError):
        fetch_rates("USD")
    assert caplog.messages == ["no rates for USD: unplugged"]


def test_convert():
    fetch = mock.Mock(return_value={"EUR": 0.9})
    converter = Converter("EUR", fetch)
    assert converter.convert(Money(10, "USD")) == Money(9, "EUR")
    assert converter.convert(Money(20, "USD")) == Money(18, "EUR")
    assert fetch.call_count == 1


def test_convert_nothing():
    assert Converter("EUR").convert(Money(1, "EUR")) == Money(1, "EUR")


@pytest.fixture
async def flaky_fetch():
    answers = [RatesError(), RatesError(), {"EUR": 0.9}]

    async def fetch(base):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    yield fetch


async def test_wait(flaky_fetch, caplog):
    caplog.set_level(logging.INFO)
    assert await wait_for_rates("USD", flaky_fetch) == {"EUR": 0.9}
    assert caplog.messages == ["attempt 1 failed", "attempt 2 failed"]


@pytest.mark.timeout(5)
async def test_wait_in_vain(flaky_fetch):
    with pytest.raises(RatesError, match="after 2 attempts"):
        await wait_for_rates("USD", flaky_fetch, attempts=2)


class TestConverter(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        patcher = mock.patch.object(rates.asyncio, "sleep", mock.AsyncMock())
        self.sleep = patcher.start()
        self.addCleanup(patcher.stop)

    async def test_pauses(self):
        fetch = mock.AsyncMock(side_effect=RatesError)
        with self.assertRaises(RatesError):
            await wait_for_rates("USD", fetch, attempts=3, pause=7)
        self.assertEqual(self.sleep.await_args_list, [mock.call(7)] * 3)
