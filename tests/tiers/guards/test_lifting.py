"""Markers that lift a guard say which and why; tests outside of the tiers; guards in workers, in doctests, in a run in a run."""

from pathlib import Path

import pytest
from pytest_tiers.guards import GUARDS
from watched import Case, file_of, run

LEAVES = "import os\n\n\ndef test_leaves():\n    os.environ['LEFT'] = '1'\n"


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        ("unguarded('network')", 'say why: unguarded("network", reason="…")'),
        ("unguarded('network', reason=' ')", 'say why: unguarded("network", reason="…")'),
        ("unguarded('network', 'files')", 'say why: unguarded("network", "files", reason="…")'),
        ("differs()", 'say why: differs(reason="…")'),
        (
            "unguarded('netwrok', reason='typing')",
            "unguarded(netwrok) names no guard; they are: network, database",
        ),
        ("unguarded('files', 'disk', reason='x')", "unguarded(disk) names no guard; they are: network, "),
        ("unguarded(reason='all of them')", "unguarded() names no guard; they are: network, "),
    ],
)
@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_marker_that_lifts_nothing_or_does_not_say_why_is_refused(
    tmp_path: Path, marker: str, says: str, workers: str
) -> None:
    body = f"import pytest\n\n\n@pytest.mark.{marker}\ndef test_marked():\n    pass\n"
    files = {"tests/unit/test_marked.py": body, "tests/unit/test_other.py": "def test_other():\n    pass\n"}
    done = run(tmp_path, files, workers, "--continue-on-collection-errors")
    assert f"tests/unit/test_marked.py::test_marked: {says}" in done.output
    assert "INTERNALERROR" not in done.output
    assert done.status == 1
    if workers == "-n0":
        assert done.outcomes["tests/unit/test_other.py::test_other"] == {"passed"}


def test_markers_of_a_class_and_of_a_module_count(tmp_path: Path) -> None:
    lifted = """
    import os

    import pytest


    @pytest.mark.unguarded("environment", reason="to see it")
    class TestGroup:
        def test_leaves(self):
            os.environ["LEFT"] = "1"


    def test_finds_nothing():
        assert "LEFT" not in os.environ
    """
    whole = (
        "import pytest\n\npytestmark = pytest.mark.unguarded('environment', reason='to see it')\n" + LEAVES
    )
    files = {"tests/unit/test_group.py": lifted, "tests/unit/test_whole.py": whole}
    assert run(tmp_path, files).said == {}


def test_markers_are_explained(tmp_path: Path) -> None:
    said = " ".join(run(tmp_path, {}, "--markers").output.split())
    assert f"@pytest.mark.unguarded(*guards, reason): lift guards for this test: {', '.join(GUARDS)}" in said


BESIDE = {
    "tests/test_beside.py": """
    import pytest


    def test_beside():
        pass


    @pytest.mark.unguarded("tier", reason="to see it")
    def test_lifted():
        pass
    """,
    "tests/unit/test_in.py": "def test_in():\n    pass\n",
}
NO_TIER = (
    "The test lies in no tier, so that no session runs it for what it is, and no guard knows what it may touch. Move it to "
    "tests/unit if it needs no PostgreSQL, else to the integration tier; to the committed tier if it must commit. "
    'If it is meant: @pytest.mark.unguarded("tier", reason="…")'
)


def test_with_ci_a_test_has_to_lie_in_a_tier(tmp_path: Path) -> None:
    done = run(tmp_path, BESIDE, "--ci")
    assert done.failed == {"test_beside"}
    assert done.of("test_beside") == NO_TIER
    assert run(tmp_path, {}).said == {}


def test_without_tiers_no_test_is_in_none(tmp_path: Path) -> None:
    files = {"tests/test_beside.py": BESIDE["tests/test_beside.py"]}
    assert run(tmp_path, files, "--ci").said == {}


VARIED = file_of(
    "import os, sys, threading, socket\nfrom contextlib import suppress\nimport shop.state\n\nSTOP = threading.Event()",
    [
        Case("leaves a variable", "os.environ['LEFT'] = '1'"),
        Case("finds no variable", "assert 'LEFT' not in os.environ"),
        Case("leaves a path", "sys.path.append('/left')"),
        Case("finds no path", "assert '/left' not in sys.path"),
        Case("changes the project", "shop.state.KNOWN['a'] = 1"),
        Case("finds the project as it was", "assert shop.state.KNOWN == {}"),
        Case("reaches out", "with suppress(OSError):\n    socket.create_connection(('127.0.0.1', 9), 1)"),
        Case("leaves a file", "open('left.txt', 'w').close()"),
    ],
)


def test_workers_are_guarded(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        {
            "src/shop/__init__.py": "",
            "src/shop/state.py": "KNOWN = {}\n",
            "tests/unit/test_varied.py": VARIED,
        },
        "-n2",
    )
    assert done.failed == {
        *("test_leaves_a_variable", "test_leaves_a_path", "test_changes_the_project", "test_reaches_out"),
        "test_leaves_a_file",
    }
    assert "The test left the environment changed: LEFT." in done.of("test_leaves_a_variable")


def test_doctests_are_guarded(tmp_path: Path) -> None:
    module = '''
    """A module.

    >>> import os
    >>> os.environ["LEFT"] = "1"
    """


    def innocent():
        """Return one.

        >>> innocent()
        1
        """
        return 1
    '''
    done = run(
        tmp_path,
        {"src/shop/__init__.py": "", "src/shop/doc.py": module},
        "--doctest-modules",
        "src/shop/doc.py",
    )
    assert done.failed == {"shop.doc"}
    assert "The test left the environment changed: LEFT." in done.of("shop.doc")


def test_a_run_in_a_run_disturbs_neither(tmp_path: Path) -> None:
    inner = """
    pytest_plugins = ["pytester"]
    import os, socket, sys
    from contextlib import suppress

    import shop.state


    def test_runs_another(pytester):
        pytester.makepyprojecttoml('[tool.pytest.ini_options]\\naddopts = "--disable-plugin-autoload -p tiers"\\n[tool.tiers]\\n')
        pytester.mkdir("tests")
        (pytester.path / "tests/unit").mkdir()
        (pytester.path / "tests/unit/test_inner.py").write_text(
            "import os, socket\\n\\n\\ndef test_leaves():\\n    os.environ['INNER'] = '1'\\n\\n\\n"
            "def test_finds_nothing():\\n    assert 'INNER' not in os.environ\\n\\n\\n"
            "def test_reaches_out():\\n    try:\\n        socket.create_connection(('127.0.0.1', 9), 1)\\n    except OSError:\\n        pass\\n"
        )
        (pytester.path / "tests/conftest.py").write_text(
            "import socket\\n\\ntry:\\n    socket.create_connection(('127.0.0.1', 9), 1)\\nexcept ConnectionRefusedError:\\n    pass\\n"
        )
        done = pytester.runpytest_inprocess()
        done.assert_outcomes(passed=2, failed=1, errors=1)


    def test_leaves_behind_it():
        os.environ["OUTER"] = "1"


    def test_finds_nothing():
        assert not {"INNER", "OUTER"} & os.environ.keys()


    def test_reaches_out_behind_it():
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), 1)


    def test_changes_while_another_runs(pytester):
        shop.state.KNOWN["a"] = 1
        pytester.makepyfile("def test_inner():\\n    pass")
        pytester.runpytest_inprocess("-p", "tiers").assert_outcomes(passed=1)
    """
    done = run(
        tmp_path,
        {"src/shop/__init__.py": "", "src/shop/state.py": "KNOWN = {}\n", "tests/test_outer.py": inner},
        tiers="",
    )
    assert done.failed == {
        "test_leaves_behind_it",
        "test_reaches_out_behind_it",
        "test_changes_while_another_runs",
    }
    assert "environment changed: OUTER." in done.of("test_leaves_behind_it")
    assert "changed: shop.state.KNOWN." in done.of("test_changes_while_another_runs")
