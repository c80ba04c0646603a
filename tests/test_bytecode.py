"""In a fresh clone each test module is rewritten once, by one worker; and never again, whatever time a checkout gives it."""

import os

import pytest

pytestmark = pytest.mark.slow

COUNTING = """
import os
from pathlib import Path

import pytest

from _pytest.assertion import rewrite

original = rewrite._rewrite_test


def counted(fn, config):
    with open(os.environ["REWRITTEN"], "a") as log:
        print(fn.name, file=log)
    return original(fn, config)


rewrite._rewrite_test = counted


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    # All at once: else the last worker may start when the first one has rewritten all.
    if hasattr(session.config, "workerinput"):
        run = session.config.workerinput["testrunuid"]
        Path(f"{os.environ['REWRITTEN']}-{run}-{session.config.workerinput['workerid']}").touch()
        while len(list(Path(os.environ['REWRITTEN']).parent.glob(f"*-{run}-*"))) < 4:
            os.sched_yield()
"""


def test_workers_rewrite_each_module_once(machinery):
    folder, log = machinery.service.folder, machinery.cache / "rewritten"
    (folder / "tests/conftest.py").write_text(COUNTING)
    (folder / "tests/integration/test_probe.py").unlink()
    names = [f"test_{number}.py" for number in range(8)]
    for name in names:
        (folder / "tests/unit" / name).write_text("def test_a():\n    assert 1\n" * 100)

    def rewritten() -> list[str]:
        log.write_text("")
        machinery.pytest("-q", "-n", "4", "tests", REWRITTEN=str(log))
        return sorted(name for name in log.read_text().split() if name in names)

    assert rewritten() == sorted(names)
    for name in names:
        os.utime(folder / "tests/unit" / name, (0, 0))
    assert rewritten() == []
    (folder / "tests/unit/test_3.py").write_text("def test_b():\n    assert 2\n")
    assert rewritten() == ["test_3.py"]
