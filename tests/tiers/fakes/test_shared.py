"""`shared_resource`: built once for all workers, kept while its inputs are unchanged, never seen half made."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pipes import made

import pytest
from pytest_tiers.fakes.shared import BuildError, SharedResources, version

# What is built holds how often it was built until then.
SOURCE = """
from pathlib import Path

import pytest

LOG = Path("log")


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
KEPT = ", inputs=['version 1', Path('words')]"


class Shop:
    """A suite whose tests use a shared resource."""

    def __init__(self, suite):
        self.suite = suite
        self.write()
        (self.path / "words" / "deep").mkdir(parents=True)
        (self.path / "words" / "deep" / "a.txt").write_text("a")

    def write(self, *, body="pass", inputs="", tests=1, test="pass"):
        source = SOURCE.format(body=body, inputs=inputs, tests=tests, test=test)
        self.pytester = self.suite({"tests/unit/test_index.py": source})
        self.path = self.pytester.path

    def built(self):
        """Run the tests and return how often the resource that they saw had been built."""
        said = self.pytester.runpytest_inprocess("-q", "-s", "-n0").stdout.str()
        return said.partition("built ")[2].split()[0]

    @property
    def builds(self):
        """How often it was built."""
        return len((self.path / "log").read_text())

    @property
    def versions(self):
        """The folders of the resource."""
        home = self.path / ".cache" / "tests" / "shared" / "index"
        return sorted(path.name for path in home.iterdir() if path.is_dir())

    @contextmanager
    def started(self):
        """Start a run."""
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-n0"]
        with subprocess.Popen(command, cwd=self.path, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def shop(suite):
    return Shop(suite)


def test_without_inputs_it_is_built_once_by_each_run_over_all_workers(shop):
    shop.write(tests=6)
    for run in (1, 2):
        shop.pytester.runpytest_inprocess("-n2").assert_outcomes(passed=6)
        assert shop.builds == run
        assert len(shop.versions) == 1, "that of the run before is removed"


@pytest.mark.parametrize("change", ["text", "file", "new file", "name", "source"])
def test_with_inputs_it_is_kept_until_one_of_them_changes(shop, change):
    shop.write(inputs=KEPT)
    assert [shop.built(), shop.built()] == ["1", "1"]
    words = shop.path / "words"
    match change:
        case "text":
            shop.write(inputs=KEPT.replace("version 1", "version 22"))
        case "file":
            (words / "deep" / "a.txt").write_text("b")
        case "new file":
            (words / "b.txt").write_text("")
        case "name":
            (words / "deep" / "a.txt").rename(words / "deep" / "b.txt")
        case "source":
            shop.write(inputs=KEPT, body="assert folder.is_dir()")
    assert [shop.built(), shop.built()] == ["2", "2"]
    assert shop.builds == 2
    assert len(shop.versions) == 1


def test_of_two_runs_at_once_one_builds_and_the_other_waits(shop):
    shop.write(inputs=KEPT, body="open('pipe').readline()")
    with made(shop.path / "pipe") as pipe, shop.started() as first, shop.started() as second:
        pipe.say("go on")
        said = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert ["built 1" in text for text in said] == [True, True]
    assert shop.builds == 1


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_build_that_fails_is_reported_once_and_tried_again_by_the_next_run(shop, workers):
    shop.write(tests=5, inputs=KEPT, body="raise ValueError('no ' + 'words')")
    result = shop.pytester.runpytest_inprocess("-n", workers, "-rN")
    result.assert_outcomes(errors=5)
    said = result.stdout.str()
    assert said.count("ValueError: no words") == 1
    assert "in build\n    raise ValueError('no ' + 'words')" in said, "where it failed"
    assert "shared.py" not in said, "the frames of others don't help"
    assert said.count("The shared resource 'index' can't be built; the report that came first says why.") == 4
    assert shop.builds == 1
    assert shop.versions == [], "no half is left"
    shop.write(inputs=KEPT)
    assert shop.built() == "2"


def test_a_build_that_calls_pytest_fail_has_failed(shop):
    shop.write(inputs=KEPT, body="pytest.fail('no words')")
    result = shop.pytester.runpytest_inprocess("-n0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*The shared resource 'index' can't be built*", "*Failed: no words"])


def test_what_a_killed_run_has_half_built_is_never_used(shop):
    shop.write(
        inputs=KEPT, body="import os, signal; (folder / 'half').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert shop.pytester.runpytest_subprocess("-n0").ret == -signal.SIGKILL
    assert [name.startswith("building-") for name in shop.versions] == [True]
    shop.write(inputs=KEPT)
    assert shop.built() == "2"
    assert [name.startswith("building-") for name in shop.versions] == [False]


def test_what_another_run_uses_is_not_removed(shop):
    shop.write(
        inputs=KEPT, test="print('here', file=open('reached', 'w'), flush=True); open('go_on').readline()"
    )
    with made(shop.path / "reached") as reached, made(shop.path / "go_on") as go_on, shop.started() as older:
        assert reached.heard(older) == "here"
        (old,) = shop.versions
        shop.write(inputs=KEPT.replace("version 1", "version 22"))
        assert shop.built() == "2"
        assert old in shop.versions
        go_on.say("go on")
        assert "built 1" in older.communicate(timeout=60)[0]
    assert shop.built() == "2"
    assert old not in shop.versions


def test_it_lies_in_the_cache_which_git_ignores(shop):
    shop.built()
    assert (shop.path / ".cache" / "tests" / ".gitignore").read_text().endswith("\n*\n")


@pytest.mark.parametrize("key", ["", "../index", "Index", ".hidden", "-x", "a b", "a/b"])
def test_a_key_that_cant_name_a_folder_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="can't name a shared resource: use small letters"):
        SharedResources(tmp_path, "run")(key, print)


def test_an_input_that_doesnt_exist_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone is declared as an input of a shared resource"):
        SharedResources(tmp_path, "run")("index", lambda folder: None, inputs=[tmp_path / "gone"])


def test_versions_differ_with_everything_that_shapes_them(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").write_text("bc")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ab").write_text("c")

    def build(folder):
        """The same in each."""

    inputs = [[], ["a"], ["b"], ["a", "b"], ["ab"], [tmp_path / "one"], [tmp_path / "other"]]
    names = [version(build, these) for these in inputs]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in names)
    assert names[5] == version(build, [tmp_path / "one"])
    (tmp_path / "one" / "__pycache__").mkdir()
    (tmp_path / "one" / "__pycache__" / "a.pyc").write_text("compiled")
    assert names[5] == version(build, [tmp_path / "one"]), "bytecode shapes nothing"
    assert version(build, [tmp_path / "one" / "a"]) != version(build, [tmp_path / "other" / "ab"])


def test_two_processes_of_a_run_share_a_failure_and_another_run_tries_again(tmp_path):
    def fails(folder):
        calls.append(folder)
        raise ValueError("no words")

    calls = []
    for resources in (SharedResources(tmp_path, "run 1"), SharedResources(tmp_path, "run 1")):
        with resources.in_use, pytest.raises(BuildError, match="index"):
            resources("index", fails, inputs=[])
    assert len(calls) == 1
    with SharedResources(tmp_path, "run 2").in_use, pytest.raises(BuildError):
        SharedResources(tmp_path, "run 2")("index", fails, inputs=[])
    assert len(calls) == 2


def test_a_process_that_asks_again_gets_the_same(tmp_path):
    resources = SharedResources(tmp_path, "run")
    with resources.in_use:
        first = resources("index", lambda folder: (folder / "a").touch())
        assert resources("index", lambda folder: (folder / "b").touch()) == first
        assert [path.name for path in first.iterdir()] == ["a"]
