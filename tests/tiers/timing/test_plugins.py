"""What the room gives to a run, and in which order it comes."""

import pytest
from pytest_tiers import timing
from suites import Suite

ORDER = [
    *("tiers-stopwatch", "tiers-speed", "tiers-budgets", "tiers-quarantine", "tiers-auto-workers"),
    *("tiers-recorder", "tiers-bytecode", "tiers-shards", "tiers-order"),
]


def test_the_plugins_of_a_run_are_in_their_order(suite: Suite):
    config = suite({}).parseconfig()
    names = list(timing.plugins(config))
    assert [name for name in names if name in ORDER] == ORDER
    for name in ORDER:
        assert config.pluginmanager.has_plugin(name)


def test_a_worker_that_loads_plugins_late_measures_as_well(suite: Suite):
    test = "import sys\n\n\ndef test_a(request):\n    assert hasattr(request.config, 'workerinput')\n"
    pytester = suite({"tests/unit/test_a.py": test})
    done = pytester.runpytest_subprocess("-n1", "-m", "unit and fast")
    done.assert_outcomes(passed=1)
    assert "test_a.py::test_a" in (pytester.path / ".cache/tests/durations.json").read_text()


@pytest.mark.parametrize("plugin", ["cacheprovider", "terminal"])
def test_plugins_of_pytest_that_are_missing_arent_missed(suite: Suite, plugin):
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"})
    done = pytester.runpytest_subprocess("-p", f"no:{plugin}")
    assert done.ret == 0
    assert (pytester.path / ".cache/tests/durations.json").exists()


def test_xdist_may_be_missing(suite: Suite):
    head = '[tool.pytest.ini_options]\naddopts = "--disable-plugin-autoload -p tiers"'
    pytester = suite({"tests/unit/test_a.py": "def test_a():\n    pass\n"}, loaded=head)
    pytester.runpytest_subprocess("--ci", "-m", "unit").assert_outcomes(passed=1)
    assert (pytester.path / ".cache/tests/durations.json").exists()
