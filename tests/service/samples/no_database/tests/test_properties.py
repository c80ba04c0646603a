import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receipts.money import Money, parse_amount

amounts = st.decimals(min_value=0, max_value=10**6, places=2)
currencies = st.sampled_from(["EUR", "USD", "CHF"])


@given(amounts, currencies)
def test_text_is_read_again(amount, currency):
    money = Money(amount, currency)
    assert parse_amount(str(money)) == money


@given(amounts, amounts)
def test_addition_commutes(a, b):
    assert Money(a, "EUR") + Money(b, "EUR") == Money(b, "EUR") + Money(a, "EUR")


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.lists(amounts, min_size=1))
def test_order_of_addition(values):
    def add(numbers):
        total = Money(0, "EUR")
        for number in numbers:
            total += Money(number, "EUR")
        return total

    assert add(values) == add(reversed(values))
