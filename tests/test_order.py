"""`nox -s isolation`: names the tests that depend on order, and on which test they depend."""

import os
import re
import shlex
import signal

import pytest
from machinery import Machinery, fifo
from service import Done

pytestmark = pytest.mark.slow

DEPENDENT = """
SEEN = []
BOTH = set()


def test_adds():
    SEEN.append(1)
    BOTH.add(1)


def test_adds_too():
    BOTH.add(2)


def test_wants_none():
    assert SEEN == []


def test_wants_not_both():
    assert len(BOTH) < 2


def test_wants_one():
    assert SEEN


def test_wants_one_as_well():
    assert SEEN


def test_is_broken():
    raise ValueError("always")


def test_is_fine():
    assert True
"""
FILE = "tests/unit/test_dependent.py"


def isolation(machinery: Machinery, *arguments: str, status: int = 1) -> Done:
    """Run what the session runs, on the unit tier."""
    command = (machinery.python, "-m", "tools.isolation", *(arguments or ("tests/unit",)))
    return machinery.service.run(*command, status=status, seconds=300, **machinery.environment())


def write(machinery: Machinery, source: str, name: str = FILE) -> None:
    """Write a test file."""
    (machinery.service.folder / name).write_text(source)


def entry(said: str, nodeid: str) -> dict[str, str]:
    """Return what is said of a test, by its first words."""
    lines = said.partition(f"\n{nodeid}\n")[2].partition("\n\n")[0].splitlines()
    return {key: value for key, _, value in (re.split(r"(  +)", line.strip(), maxsplit=1) for line in lines)}


def test_a_test_that_depends_on_another_is_named_and_so_is_the_other(machinery):
    write(machinery, DEPENDENT)
    said = isolation(machinery, "--seed", "7", "tests/unit").stdout
    harmed, needy = entry(said, f"{FILE}::test_wants_none"), entry(said, f"{FILE}::test_wants_one")
    assert harmed["depends on"] == f"{FILE}::test_adds, which must not run before it"
    assert needy["depends on"] == f"{FILE}::test_adds, which has to run before it"
    assert harmed["fails"].startswith("as written")
    assert harmed["fails"].endswith(": assert [1] == []")
    assert needy["fails"].startswith("backwards")
    assert needy["passes"].startswith("as written")
    assert f"\n{FILE}::test_is_broken\n    fails in every order: ValueError: always\n" in said
    both, more = entry(said, f"{FILE}::test_wants_not_both"), entry(said, f"{FILE}::test_wants_one_as_well")
    assert both["depends on"] == "several tests together: none of them alone makes it fail"
    assert more["depends on"] == "not looked for: mend those above first", "three are enough"
    assert "test_is_fine" not in said
    assert "\n8 tests in 5 orders: 4 depend on the order, 1 fail in each.\n" in said
    # What it says to type shows the failure: of that test, and of no other.
    for found, nodeid in ((harmed, "test_wants_none"), (needy, "test_wants_one")):
        command = shlex.split(found["see it"].removeprefix("uv run pytest "))
        done = machinery.pytest("-q", *command, status=1)
        assert re.findall(r"^FAILED (\S+)", done.stdout, re.M) == [f"{FILE}::{nodeid}"]


def test_the_same_seed_gives_the_same_orders_and_another_seed_gives_others(machinery):
    numbers = range(20)
    write(machinery, "LOG = []\n" + "".join(f"def test_{n}():\n    LOG.append({n})\n" for n in numbers))
    plugin = (
        "def pytest_collection_finish(session):\n"
        "    option = session.config.getoption\n"
        "    order = 'backwards' if option('backwards', False) else option('randomly_seed', 'as-written')\n"
        "    with open(f'order-{order}', 'w') as log:\n"
        "        print(*(item.name for item in session.items), file=log)\n"
    )
    write(machinery, plugin, "tests/conftest.py")

    def orders(seed: int) -> list[list[str]]:
        isolation(machinery, f"--seed={seed}", "--orders=2", "tests/unit", status=0)
        logs = ("order-as-written", "order-backwards", f"order-{seed}", f"order-{seed + 1}")
        return [(machinery.service.folder / name).read_text().split() for name in logs]

    written, backwards, *first = orders(1)
    assert written == backwards[::-1] == [f"test_{n}" for n in numbers]
    assert orders(1) == [written, backwards, *first]
    others = orders(11)[2:]
    assert len({tuple(order) for order in (written, *first, *others)}) == 5
    assert {frozenset(order) for order in (*first, *others)} == {frozenset(written)}


def test_no_dependence_says_so_with_the_seeds(machinery):
    write(machinery, "def test_alone():\n    assert True\n")
    said = isolation(machinery, "--orders", "1", "--seed", "41", "tests/unit", status=0).stdout
    assert said.startswith("The tests in 3 orders: as written, backwards, seed 41.\n")
    assert "  seed 41: 1 passed in " in said
    assert said.endswith("\n1 tests in 3 orders: 0 depend on the order, 0 fail in each.\n")


def test_what_time_or_chance_causes_is_not_put_down_to_order(machinery):
    write(
        machinery,
        "import os\n\n\n"
        "def test_first():\n    assert True\n\n\n"
        "def test_chance():\n"
        "    try:\n        os.mkdir('.chance')\n"
        "    except FileExistsError:\n        return\n"
        "    raise ValueError('the first of all')\n",
    )
    said = isolation(machinery, "--seed", "3", "tests/unit").stdout
    found = entry(said, f"{FILE}::test_chance")
    assert found["depends on"].startswith("nothing that ran before it")


@pytest.mark.parametrize(
    ("source", "words"),
    [("import nowhere\n", "No module named 'nowhere'"), ("def test_x(:\n", "SyntaxError")],
)
def test_what_keeps_the_tests_from_running_is_shown(machinery, source, words):
    write(machinery, source)
    done = isolation(machinery)
    assert words in done.stderr
    assert "Nothing was compared: pytest ended with status 2 (as written). Mend that first." in done.stderr


def test_wrong_options_are_refused_before_anything_runs(machinery):
    done = isolation(machinery, "--orders", "0", status=2)
    assert "--orders: at least one" in done.stderr
    assert done.stdout == ""


def test_an_interruption_stops_the_tests_as_well(machinery):
    pipe = fifo(machinery.cache)
    write(
        machinery,
        f"import os, signal\n\n\ndef test_waits():\n    with open({str(pipe)!r}, 'w') as pipe:\n"
        "        print(os.getpid(), file=pipe)\n    signal.pause()\n",
    )
    command = ("-m", "tools.isolation", "--orders", "1", "tests/unit")
    with machinery.started(*command) as process:
        running = int(pipe.read_text().split()[0])
        os.kill(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert "Interrupted: nothing was compared." in stderr
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)
