"""Known flaky tests: their failures don't count until a day, and a wrong entry is found."""

import pytest

pytestmark = pytest.mark.slow

TESTS = "def test_flaky():\n    raise ValueError('no')\n\n\ndef test_fine():\n    pass\n"
FLAKY = "tests/unit/test_a.py::test_flaky"


def entry(nodeid: str = FLAKY, expires: str = "2999-12-31", more: str = "") -> str:
    """Return an entry of the file."""
    return f'["{nodeid}"]\nowner = "ada@example.com"\nexpires = {expires}\nreason = "a race"\n{more}'


@pytest.fixture
def run(machinery):
    """Return a function that runs two tests, one of which fails, with a file, and returns what came of it."""
    (machinery.service.folder / "tests/unit/test_a.py").write_text(TESTS)

    def run(content: str, *arguments: str, status: int = 0):
        (machinery.service.folder / "tests/quarantine.toml").write_text(content)
        return machinery.pytest(*(arguments or ("--ci", "tests/unit")), status=status)

    return run


def test_failures_in_quarantine_dont_count_until_a_day(run):
    assert run("", status=1).counts == [{"failed": 1, "passed": 1}]
    done = run(entry())
    assert done.counts == [{"passed": 1, "xfailed": 1}]
    assert f"quarantine of: {FLAKY} (until 2999-12-31, ada@example.com: a race)" in done.stdout
    done = run(entry(expires="2020-01-01"), status=1)
    assert done.counts == [{"failed": 1, "passed": 1}]
    assert f"quarantine is OVER, failures count again: {FLAKY}" in done.stdout


def test_one_that_passes_is_no_failure(run):
    assert run(entry("tests/unit/test_a.py::test_fine") + entry()).counts == [{"xfailed": 1, "xpassed": 1}]


@pytest.mark.parametrize("nodeid", ["tests/unit/test_a.py::test_gone", "tests/unit/test_gone.py::test_a"])
def test_a_test_that_doesnt_exist_is_found(run, nodeid):
    for workers in ("0", "2"):
        done = run(entry() + entry(nodeid), "--ci", "-n", workers, "tests/unit", status=1)
        assert f"tests/quarantine.toml: there is no test {nodeid}: take it out" in done.stdout
    # Locally it is said; where only a part of a file is run, nobody can know.
    assert "there is no test" in run(entry() + entry(nodeid), "tests/unit").stdout
    assert "there is no test" not in run(entry() + entry(nodeid), "tests/unit/test_a.py::test_fine").stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[", "quarantine.toml: "),
        ("flaky = 1", 'quarantine.toml: "flaky" needs an owner'),
        (entry(expires="'2999-12-31'"), "needs an owner"),
        (entry(expires="2999-12-31T00:00:00Z"), "needs an owner"),
        (entry(more="issue = 7"), "and nothing else"),
        ('["x"]\nexpires = 2999-12-31\nreason = "a"', "needs an owner"),
        (entry().replace("a race", ""), "and a reason"),
    ],
)
def test_a_file_that_isnt_right_is_refused(run, content, says):
    assert says in run(content, status=4).stderr
