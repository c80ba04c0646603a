"""Exchange rates, from a service on the net."""
import asyncio
import json
import logging
from decimal import Decimal
from urllib.request import urlopen

from receipts.money import Money

logger = logging.getLogger(__name__)

URL = "https://rates.receipts.example/latest?base=%s"


class RatesError(Exception):
    pass


def fetch_rates(base):
    try:
        with urlopen(URL % base, timeout=5) as response:
            return json.load(response)["rates"]
    except (OSError, KeyError, ValueError) as error:
        logger.error("no rates for %s: %s", base, error)
        raise RatesError("no rates for %s" % base) from error


class Converter(object):
    def __init__(self, currency, fetch=fetch_rates):
        self.currency = currency
        self.fetch = fetch
        self._rates = {}

    def convert(self, money):
        if money.currency == self.currency:
            return money
        if money.currency not in self._rates:
            self._rates[money.currency] = self.fetch(money.currency)
        rate = Decimal(str(self._rates[money.currency][self.currency]))
        return Money(money.amount * rate, self.currency)


async def wait_for_rates(base, fetch, attempts=3, pause=0.01):
    """Asks until there is an answer."""
    for attempt in range(attempts):
        try:
            return await fetch(base)
        except RatesError:
            logger.info("attempt %d failed", attempt + 1)
            await asyncio.sleep(pause)
    raise RatesError("no rates for %s after %d attempts" % (base, attempts))
