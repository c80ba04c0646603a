"""Amounts as they stand on receipts.

>>> parse_amount("1.234,50 EUR")
Money(1234.50, 'EUR')
>>> str(parse_amount("$3.99") + Money("0.01", "USD"))
'4.00 USD'
"""
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP"}
CENT = Decimal("0.01")


class Money(object):
    def __init__(self, amount, currency):
        self.amount = Decimal(amount).quantize(CENT, ROUND_HALF_UP)
        self.currency = currency

    def __eq__(self, other):
        return (
            isinstance(other, Money)
            and self.amount == other.amount
            and self.currency == other.currency
        )

    def __hash__(self):
        return hash((self.amount, self.currency))

    def __add__(self, other):
        if self.currency != other.currency:
            raise ValueError("can't add %s to %s" % (other.currency, self.currency))
        return Money(self.amount + other.amount, self.currency)

    def __mul__(self, factor):
        return Money(self.amount * Decimal(factor), self.currency)

    def __repr__(self):
        return "Money(%s, %r)" % (self.amount, self.currency)

    def __str__(self):
        return "%s %s" % (self.amount, self.currency)


@lru_cache(maxsize=None)
def _pattern(currency_first):
    symbol = r"(?P<currency>[A-Z]{3}|[%s])" % "".join(SYMBOLS)
    number = r"(?P<number>-?\d[\d.,']*)"
    parts = (symbol, number) if currency_first else (number, symbol)
    return re.compile(r"\s*%s\s*%s\s*$" % parts)


def parse_number(text):
    """Reads a number, whichever mark it has for decimals.

    >>> parse_number("1'234.5")
    Decimal('1234.5')
    """
    text = text.replace("'", "")
    comma, dot = text.rfind(","), text.rfind(".")
    if comma > dot:
        text = text.replace(".", "").replace(",", ".")
    else:
        text = text.replace(",", "")
    return Decimal(text)


def parse_amount(text):
    for currency_first in (True, False):
        match = _pattern(currency_first).match(text)
        if match:
            currency = match.group("currency")
            return Money(parse_number(match.group("number")), SYMBOLS.get(currency, currency))
    raise ValueError("no amount: %r" % text)
