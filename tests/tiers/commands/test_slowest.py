"""`tiers slowest`: the slowest tests, and what importing the packages takes."""

import pytest
from pytest_tiers.commands import slowest

REPORT = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   shop.prices
import time:        20 |        120 | shop
import time:      3000 |       3000 | zlib
not a line of it
"""


def test_times_of_modules_are_their_own():
    assert slowest.self_times(REPORT) == {"shop.prices": 100, "shop": 20, "zlib": 3000}


FILES = {
    "src/shop/__init__.py": "from shop import prices\n",
    "src/shop/prices.py": "import json.tool\n",
    "src/shop_other/__init__.py": "",
    "tests/unit/test_a.py": "def test_a():\n    pass\n\n\ndef test_b():\n    pass\n",
}


@pytest.fixture
def path(suite):
    return suite(FILES).path


def imported(said):
    """Return what was imported, the packages, and the modules of the project, as they are listed."""
    head, _, packages = said.partition(", without what others import, by package:\n")
    packages, _, own = packages.partition("\n\nand of these, by module of the project:\n")
    name = head.rpartition("\nimport ")[2].partition(":")[0]
    return name, *([line.split(" ms  ")[1] for line in part.splitlines()] for part in (packages, own))


def test_tests_and_imports_are_listed(path, tiers):
    said = tiers("slowest").out
    assert "slowest 50 tests" in said
    assert "tests/unit/test_a.py::test_a" in said
    name, packages, own = imported(said)
    assert name == "shop, shop_other"
    assert 0 < len(packages) <= 15  # which are the slowest depends on the machine
    assert set(own) == {"shop", "shop.prices", "shop_other"}


def test_what_is_imported_can_be_said_and_all_else_goes_to_pytest(path, tiers):
    said = tiers("slowest", "--import", "shop.prices", "--import", "json", "-k", "test_b").out
    assert "test_a.py::test_a" not in said
    name, _, own = imported(said)
    assert name == "shop.prices, json"
    assert set(own) == {"shop", "shop.prices"}


def test_tests_that_fail_are_its_exit_code(suite, path, tiers):
    suite({"tests/unit/test_a.py": "def test_a():\n    assert False\n"})
    assert "import shop" in tiers("slowest", status=1).out


@pytest.mark.parametrize(("arguments", "status"), [(["-k", "nothing"], 5), (["--nonsense"], 4)])
def test_a_run_that_doesnt_reach_its_end_is_all_there_is(path, tiers, arguments, status):
    assert "import shop" not in tiers("slowest", *arguments, status=status).out


@pytest.mark.parametrize(
    ("module", "why"),
    [("nowhere", "ModuleNotFoundError: No module named 'nowhere'"), ("shop.broken", "ValueError: not today")],
)
def test_what_cant_be_imported_is_said_with_the_reason(suite, path, tiers, module, why):
    suite({"src/shop/broken.py": "raise ValueError('not today')\n"})
    err = tiers("slowest", "--import", module, status=1).err
    assert err == f"\n{module} can't be imported: {why}\nName what can: --import MODULE\n"


def test_a_package_below_another_is_found(suite, tiers):
    suite({"src/company/shop/web.py": "", **FILES}, tiers='packages = ["company.shop"]')
    name, _, own = imported(tiers("slowest").out)
    assert name == "company.shop"
    assert own == ["company.shop"]


def test_without_packages_it_says_what_to_name(suite, tiers):
    suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"})
    said = tiers("slowest").out
    assert said.endswith(
        "No packages were found, so none is imported: name one with --import, or in [tool.tiers] packages.\n"
    )
