"""The one command of the README, on machines that have little."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rendering import ROOT, copy_template

SCRIPT = ROOT / "bootstrap.py"


def bootstrap(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the template's bootstrap.py from elsewhere, in a folder of which it can know nothing."""
    return subprocess.run(
        [sys.executable, str(folder / "bootstrap.py"), *arguments],
        cwd=folder.parent,
        env=dict(os.environ) | environment,
        capture_output=True,
        encoding="utf-8",
    )


def on_a_machine(preparation: str) -> subprocess.CompletedProcess[str]:
    """Run bootstrap.py in a Python that `preparation` has made poorer than it is."""
    program = f"import runpy, sys, importlib.util\n{preparation}\nrunpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8")


@pytest.mark.fast
def test_a_python_that_is_too_old_is_told_so():
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7))
    done = on_a_machine("sys.version_info = (3, 10, 4)")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "bootstrap: this is Python 3.10; use 3.11 or newer, such as: python3.13 bootstrap.py"
    ]


@pytest.mark.fast
@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_what_debian_leaves_out_is_named(missing):
    done = on_a_machine(
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name == {missing!r} else find(name, *rest)"
    )
    assert done.returncode == 1
    version = "{}.{}".format(*sys.version_info)
    assert done.stderr.rstrip().endswith(f"on Debian and Ubuntu: apt install python{version}-venv")


@pytest.mark.slow
def test_it_installs_once_and_mends_what_was_interrupted(tmp_path):
    folder = tmp_path / "clone of the template"
    folder.mkdir()
    for name in ("bootstrap.py", "noxfile.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "nox.py").write_text("raise SystemExit('this is not nox')\n")
    environment = {"PYTHONPATH": str(foreign), "VIRTUAL_ENV": str(foreign)}

    # pip.conf may be the user's: nothing but these keep pip from every index and folder that it names.
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(foreign), "PIP_CONFIG_FILE": os.devnull}
    interrupted = bootstrap(folder, "--list", **nowhere)
    assert interrupted.returncode == 1
    assert "pip failed, see above" in interrupted.stderr

    first = bootstrap(folder, "--list", **environment)
    assert first.returncode == 0, first.stderr
    assert "bootstrap: installing nox[uv]==" in first.stderr
    assert "* fast -> " in first.stdout

    second = bootstrap(folder, "--list", **environment)
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")

    unheard = bootstrap(folder, "unheard-of", **environment)
    assert unheard.returncode != 0
    assert "unheard-of" in unheard.stderr
    assert {path.name for path in folder.iterdir()} <= {
        *(".cache", "__pycache__", ".nox"),
        *("bootstrap.py", "noxfile.py", "pyproject.toml"),
    }


@pytest.mark.slow
def test_the_readmes_demo_renders_a_service_and_runs_it(tmp_path, outside):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n$ python3 bootstrap.py demo\n" in readme
    folder = copy_template(tmp_path / "clone")
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    for made in (home, temporary):
        made.mkdir()
    # uv's cache stays, in which the tests' own packages are; all else that a home folder holds is missing.
    cache = subprocess.run(
        ["uv", "cache", "dir"], env=outside, capture_output=True, text=True, check=True
    ).stdout
    own = {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "UV_CACHE_DIR": cache.strip(),
        "UV_PROJECT_ENVIRONMENT": ".venv",
    }
    done = subprocess.run(
        [outside["UV_PYTHON"], "bootstrap.py", "demo", "--", "tests/unit/test_pagination.py"],
        cwd=folder,
        env=outside | own,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"=+ \d+ passed in", done.stdout)
    (service,) = temporary.glob("demo-*/helpdesk")
    # Where no nox is, it says which one to type.
    said = re.search(
        rf"The service is in {re.escape(str(service))}: go there, and try `(.+)`\.$",
        done.stderr,
        re.MULTILINE,
    )
    assert said, done.stderr
    listing = subprocess.run(
        said[1].split(), cwd=service, env=outside | own, capture_output=True, encoding="utf-8"
    )
    assert listing.returncode == 0, listing.stderr
    assert "* fast -> " in listing.stdout
