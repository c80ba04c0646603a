import os

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--ci", action="store_true", default=False, help="also run what only CI runs"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--ci"):
        return
    skip = pytest.mark.skip(reason="only with --ci")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def fixed_width(monkeypatch):
    monkeypatch.setitem(os.environ, "RECEIPTS_WIDTH", "32")


@pytest.fixture
def receipts_folder(tmp_path):
    (tmp_path / "a.txt").write_text("Baker\nrolls: 3,20 EUR\nbread: 4,10 EUR\n")
    (tmp_path / "b.txt").write_text("Books\nEmma: 9.90 EUR\n")
    (tmp_path / "c.txt").write_text("Baker\ncake: € 18\n")
    return tmp_path
