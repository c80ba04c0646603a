"""`shared_resource`: built once for all workers, kept while its inputs are unchanged, never seen half made."""

import signal
from pathlib import Path

import pytest
from machinery import Machinery, fifo

pytestmark = pytest.mark.slow

# What is built holds how often it was built until then.
SOURCE = """
from pathlib import Path

import pytest

LOG = Path({log!r})


def build(folder):
    with LOG.open("a") as log:
        log.write("x")
    {body}
    (folder / "count").write_text(str(len(LOG.read_text())))


@pytest.fixture(scope="session")
def index(shared_resource):
    return shared_resource("index", build{inputs})


@pytest.mark.parametrize("number", range({tests}))
def test_index(index, number):
    {test}
    print("built", (index / "count").read_text())
"""
FILE = "tests/unit/test_index.py"
KEPT = ", inputs=['version 1', Path('words')]"


def write(machinery: Machinery, *, body: str = "", inputs: str = "", tests: int = 1, test: str = "") -> Path:
    """Write tests that use a shared resource; return the file that grows by a character with each build."""
    log = machinery.cache / "log"
    source = SOURCE.format(log=str(log), body=body or "pass", inputs=inputs, tests=tests, test=test or "pass")
    (machinery.service.folder / FILE).write_text(source)
    words = machinery.service.folder / "words"
    if not words.exists():
        (words / "deep").mkdir(parents=True)
        (words / "deep" / "a.txt").write_text("a")
    return log


def built(machinery: Machinery, *arguments: str) -> str:
    """Run the tests and return how often the resource that they saw had been built."""
    said = machinery.pytest("-q", "-s", FILE, *arguments).stdout
    return said.partition("built ")[2].split()[0]


def versions(machinery: Machinery) -> list[str]:
    """Return the folders of the resource."""
    home = machinery.service.folder / ".cache" / "tests" / "shared" / "index"
    return sorted(path.name for path in home.iterdir() if path.is_dir())


def test_without_inputs_it_is_built_once_by_each_run_over_all_workers(machinery):
    log = write(machinery, tests=12)
    for run in (1, 2):
        said = machinery.pytest(FILE, "-n", "3").stdout
        assert "12 passed" in said
        assert len(log.read_text()) == run
        assert len(versions(machinery)) == 1, "that of the run before is removed"


@pytest.mark.parametrize(
    "change",
    ["text", "file", "new file", "name", "source"],
)
def test_with_inputs_it_is_kept_until_one_of_them_changes(machinery, change):
    log = write(machinery, inputs=KEPT)
    assert [built(machinery), built(machinery)] == ["1", "1"]
    words = machinery.service.folder / "words"
    match change:
        case "text":
            write(machinery, inputs=KEPT.replace("version 1", "version 2"))
        case "file":
            (words / "deep" / "a.txt").write_text("b")
        case "new file":
            (words / "b.txt").write_text("")
        case "name":
            (words / "deep" / "a.txt").rename(words / "deep" / "b.txt")
        case "source":
            write(machinery, inputs=KEPT, body="assert folder.is_dir()")
    assert [built(machinery), built(machinery)] == ["2", "2"]
    assert len(log.read_text()) == 2
    assert len(versions(machinery)) == 1


def test_of_two_runs_at_once_one_builds_and_the_other_waits(machinery):
    pipe = fifo(machinery.cache)
    log = write(machinery, inputs=KEPT, body=f"Path({str(pipe)!r}).read_text()")
    command = ("-m", "pytest", "-q", "-s", FILE)
    with machinery.started(*command) as first, machinery.started(*command) as second:
        pipe.write_text("go on")
        said = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert ["built 1" in text for text in said] == [True, True]
    assert log.read_text() == "x"


@pytest.mark.parametrize("workers", ["0", "3"])
def test_a_build_that_fails_is_reported_once_and_tried_again_by_the_next_run(machinery, workers):
    log = write(machinery, tests=9, inputs=KEPT, body="raise ValueError('no ' + 'words')")
    said = machinery.pytest(FILE, "-n", workers, "-rN", status=1).stdout
    assert "9 errors" in said
    assert said.count("ValueError: no words") == 1
    assert "in build\n    raise ValueError('no ' + 'words')" in said, "where it failed"
    assert said.count("The shared resource 'index' can't be built; the report that came first says why.") == 8
    assert log.read_text() == "x"
    assert versions(machinery) == [], "no half is left"
    write(machinery, inputs=KEPT)
    assert built(machinery) == "2"


def test_what_a_killed_run_has_half_built_is_never_used(machinery):
    write(
        machinery, inputs=KEPT, body="import os, signal; (folder / 'half').touch(); os.kill(os.getpid(), 9)"
    )
    machinery.pytest(FILE, status=-signal.SIGKILL)
    assert [name.startswith("building-") for name in versions(machinery)] == [True]
    write(machinery, inputs=KEPT)
    assert built(machinery) == "2"
    assert [name.startswith("building-") for name in versions(machinery)] == [False]


def test_what_another_run_uses_is_not_removed(machinery):
    reached, pipe = fifo(machinery.cache), machinery.cache / "go"
    fifo_of_test = fifo(machinery.service.folder)
    del pipe
    test = f"Path({str(reached)!r}).write_text('here'); Path({str(fifo_of_test)!r}).read_text()"
    write(machinery, inputs=KEPT, test=test)
    with machinery.started("-m", "pytest", "-q", "-s", FILE) as older:
        assert reached.read_text() == "here"
        (old,) = versions(machinery)
        write(machinery, inputs=KEPT.replace("version 1", "version 2"))
        assert built(machinery) == "2"
        assert old in versions(machinery)
        fifo_of_test.write_text("go on")
        assert "built 1" in older.communicate(timeout=60)[0]
    assert built(machinery) == "2"
    assert old not in versions(machinery)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("shared_resource('../index', print)", "can't name a shared resource: use small letters"),
        (
            "shared_resource('index', lambda folder: 1, inputs=[Path('gone')])",
            "declared as an input of a shared resource",
        ),
    ],
)
def test_wrong_use_is_said_to_be_so(machinery, call, words):
    source = f"from pathlib import Path\n\n\ndef test_wrong(shared_resource):\n    {call}\n"
    (machinery.service.folder / FILE).write_text(source)
    assert words in machinery.pytest(FILE, status=1).stdout
