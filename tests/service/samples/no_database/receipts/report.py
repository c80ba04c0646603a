"""What was spent on what."""
import os
from collections import OrderedDict

from receipts.money import Money, parse_amount


class Receipt(object):
    def __init__(self, shop, lines):
        self.shop = shop
        self.lines = lines

    @property
    def total(self):
        total = Money(0, self.lines[0][1].currency)
        for _, amount in self.lines:
            total = total + amount
        return total


def parse_receipt(text):
    """The first line is the shop, the others are "what: how much".

    >>> receipt = parse_receipt("Baker\\nrolls: 3,20 EUR\\nbread: 4,10 EUR")
    >>> receipt.shop, receipt.total
    ('Baker', Money(7.30, 'EUR'))
    """
    shop, *rest = [line.strip() for line in text.strip().splitlines()]
    lines = []
    for line in rest:
        name, separator, amount = line.partition(":")
        if not separator:
            raise ValueError("not a line of a receipt: %r" % line)
        lines.append((name.strip(), parse_amount(amount)))
    if not lines:
        raise ValueError("an empty receipt")
    return Receipt(shop, lines)


def by_shop(receipts):
    totals = OrderedDict()
    for receipt in receipts:
        total = receipt.total
        totals[receipt.shop] = totals[receipt.shop] + total if receipt.shop in totals else total
    return totals


def render(receipts, width=None):
    width = width or int(os.environ.get("RECEIPTS_WIDTH", 40))
    lines = []
    for shop, total in by_shop(receipts).items():
        lines.append(shop.ljust(width - len(str(total)), ".") + str(total))
    return "\n".join(lines) + "\n"
