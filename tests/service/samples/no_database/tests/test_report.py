import os

import pytest

from receipts.report import by_shop, parse_receipt, render

BAKER = "Baker\nrolls: 3,20 EUR\nbread: 4,10 EUR"


@pytest.fixture(scope="module")
def receipts():
    return [parse_receipt(text) for text in (BAKER, "Books\nEmma: $9.90", BAKER)]


class TestReport:
    def test_by_shop(self, receipts):
        totals = by_shop(receipts)
        assert [str(total) for total in totals.values()] == ["14.60 EUR", "9.90 USD"]

    def test_render(self, receipts, snapshot):
        assert render(receipts) == snapshot

    def test_width(self, receipts, snapshot):
        assert render(receipts, width=20) == snapshot

    def test_width_from_environment(self, receipts, monkeypatch):
        monkeypatch.setenv("RECEIPTS_WIDTH", "50")
        assert {len(line) for line in render(receipts).splitlines()} == {50}

    def test_width_is_an_int(self, receipts):
        os.environ["RECEIPTS_WIDTH"] = "wide"  # fixed_width puts it back
        with pytest.raises(ValueError):
            render(receipts)


@pytest.mark.unit
@pytest.mark.parametrize("text", ["Baker", "Baker\nrolls 3,20 EUR", "Baker\nrolls: many"])
def test_not_a_receipt(text):
    with pytest.raises(ValueError):
        parse_receipt(text)
