"""What keeps the tests of a rendered service apart: proven by tests that would disturb each other, and by breaking it."""

import pytest

pytestmark = pytest.mark.slow

DISTURB = """
import pytest
from sqlalchemy import func, select, text

from helpdesk.models import Customer


def count(db_session):
    return db_session.scalar(select(func.count()).select_from(Customer))


def write(client, db_session, make):
    assert client.post("/customers", json={{"name": "Ada", "email": "ada@example.com"}}).status_code == 201
    assert client.post("/customers", json={{"name": "Ada", "email": "ada@example.com"}}).status_code == 409
    make.customer()
    db_session.commit()
    db_session.execute(text("UPDATE customers SET name = 'Grace'"))
    db_session.commit()
    assert count(db_session) == 2


@pytest.mark.parametrize("turn", range(4))
def test_a(client, db_session, make, turn):
    {a}


@pytest.mark.parametrize("turn", range(4))
def test_b(client, db_session, make, turn):
    {b}
"""
# Tiers that roll nothing back.
LEAKY_CONFTEST = """
import pytest
from sqlalchemy import create_engine

from helpdesk.models import Base


@pytest.fixture(scope="session")
def engine({engine}
    return engine
"""
LEAKY = {
    "unit": "tmp_path_factory):\n    engine = create_engine(f\"sqlite:///{tmp_path_factory.mktemp('leaky')}/db\")\n"
    "    Base.metadata.create_all(engine)",
    "integration": "worker_database):\n    engine = create_engine(worker_database)",
}
WRITE = "write(client, db_session, make)"
FIND_NOTHING = "assert count(db_session) == 0"


def pytest_(service, *arguments: str, status: int = 0, **environment: str):
    return service.run("uv", "run", "--locked", "pytest", *arguments, status=status, **environment)


def put_pairs(service) -> list[str]:
    """Write tests that write, and tests that find nothing, in both orders, into each tier; return their files."""
    files = []
    for tier in "unit", "integration", "committed":
        for order, bodies in {
            "write_first": (WRITE, FIND_NOTHING),
            "find_first": (FIND_NOTHING, WRITE),
        }.items():
            file = f"tests/{tier}/test_{order}.py"
            (service.folder / file).write_text(DISTURB.format(a=bodies[0], b=bodies[1]))
            files.append(file)
    return files


def test_what_a_test_commits_is_gone_for_the_next_in_either_order_and_in_any_number_of_workers(clone_service):
    service = clone_service()
    files = put_pairs(service)
    for workers in "0", "1", "2":
        assert pytest_(service, "-n", workers, *files).counts == [{"passed": 8 * len(files)}]

    # The same tests see the leak when there is one.
    for tier, engine in LEAKY.items():
        (service.folder / f"tests/{tier}/conftest.py").write_text(LEAKY_CONFTEST.format(engine=engine))
        done = pytest_(service, "-n", "0", f"tests/{tier}/test_write_first.py", status=1)
        assert done.counts[0]["failed"] >= 4, tier


def test_editors_and_the_debugger_get_the_same_tiers_and_isolation(clone_service):
    service = clone_service()
    put_pairs(service)
    tests = [
        f"tests/{tier}/test_write_first.py::test_{x}[0]" for tier in ("unit", "integration") for x in "ab"
    ]
    assert pytest_(service, *tests).counts == [{"passed": 4}]
    # As editors call it: absolute paths, from another folder.
    absolute = [str(service.folder / test) for test in tests]
    done = service.run(
        *("uv", "run", "--locked", "--directory", "src", "python", "-m", "pytest", *absolute, "--no-header")
    )
    assert done.counts == [{"passed": 4}]

    # The debugger stops within the transaction; its end of input ends the run.
    broken = service.folder / "tests/integration/test_broken.py"
    broken.write_text(DISTURB.format(a=f"{WRITE}\n    assert turn", b=FIND_NOTHING))
    done = pytest_(service, "--pdb", "tests/integration/test_broken.py", status=2)
    assert "entering PDB" in done.stdout
    broken.unlink()
    assert pytest_(service, *tests).counts == [{"passed": 4}]


def test_two_runs_at_once_in_one_checkout_leave_each_other_alone(machinery):
    (machinery.service.folder / "tests/committed/test_own.py").write_text(
        "import pytest\n\n\n"
        "@pytest.mark.parametrize('turn', range(4))\n"
        "def test_own(turn, engine):\n    pass\n"
    )
    command = ("-m", "pytest", "-n", "1", "tests/integration", "tests/committed")
    with machinery.started(*command) as first, machinery.started(*command) as second:
        for process in first, second:
            stdout, stderr = process.communicate()
            assert "6 passed" in stdout, stdout + stderr
