"""The service as a process, and the commands of its README and its workflow, typed as they stand."""

import os
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from service import render_from_outside
from workflows import commands

pytestmark = pytest.mark.slow


def console(readme: str) -> list[tuple[str, str]]:
    """Return the commands of the README's console blocks, each with the output that stands below it."""
    pairs: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", readme, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                pairs.append((line[2:].partition("  #")[0].strip(), ""))
            else:
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]}{line}\n")
    return pairs


def normal(text: str) -> str:
    """Return `text` with what differs from run to run made equal."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME", text)
    return re.sub(r"[0-9a-f]{32}", "REQUEST", text).strip()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.parametrize("command", [("nox", "-s", "serve"), ("tiers", "serve", "python", "-m", "{package}")])
def test_the_readmes_curl_session_works_as_printed(template, outside, tmp_path, command):
    assert shutil.which("curl"), "install curl"
    # Under a name of its own, so that its database is empty whatever ran before.
    name = f"Curl {command[0]}"
    service = render_from_outside(template, tmp_path, outside, project_name=name)
    port = str(free_port())
    session = [
        pair for pair in console((service.folder / "README.md").read_text()) if pair[0].startswith("curl ")
    ]
    assert len(session) >= 5
    try:
        typed = [part.format(package=name.lower().replace(" ", "_")) for part in command]
        with service.started("uv", "run", "--locked", *typed, PORT=port) as process:
            line = ""
            while "Uvicorn running" not in line:
                line = process.stdout.readline()
                assert line, process.communicate()
            for typed, printed in session:
                arguments = [
                    part.replace("localhost:8000", f"localhost:{port}") for part in shlex.split(typed)
                ]
                answer = subprocess.run(
                    arguments, capture_output=True, text=True, check=True, timeout=60
                ).stdout
                assert normal(answer) == normal(printed), typed
    finally:
        service.nox("-s", "clean")


def find_python(version: str) -> str | None:
    """Return a Python of this version on this machine; None if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        shutil.which(f"python{version}"),
        *pyenv.glob(f"versions/{version}.*/bin/python"),
    ]
    test = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    for candidate in filter(None, candidates):
        if subprocess.run([str(candidate), "-c", test], capture_output=True).returncode == 0:
            return str(candidate)
    return None


@pytest.fixture
def steps(service) -> list[str]:
    """The commands of the workflow's job that isn't a shard; its others run in test_chain.py."""
    return [
        command for job, command in commands(service.folder / ".github/workflows/tests.yml") if job == "tests"
    ]


def test_the_workflows_static_checks_run_as_they_stand(clone_service, steps, mypy_cache):
    (command,) = (step for step in steps if " lint " in step)
    done = clone_service().run(*shlex.split(command), MYPY_CACHE_DIR=mypy_cache, CI="true")
    assert re.findall(r"\* (\w+): success", done.output) == ["lint", "types", "migrations", "parity"]
    assert done.counts[0]["passed"] >= 3


def test_the_workflows_other_pythons_run_as_they_stand(clone_service, steps, tmp_path):
    (command,) = (step for step in steps if " -P " in step)
    words = shlex.split(command)
    versions = words[words.index("-P") + 1 :]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    pythons = {version: python for version in versions if (python := find_python(version))}
    for version, python in pythons.items():
        (tmp_path / f"python{version}").symlink_to(python)
    service = clone_service()
    path = f"{tmp_path}:{service.environment['PATH']}"
    done = service.run(*words[: words.index("-P") + 1], *pythons, PATH=path, CI="true")
    assert re.findall(r"^platform \w+ -- Python (3\.\d+)", done.stdout, re.MULTILINE) == list(pythons)
    assert re.findall(r"\* fast-(3\.\d+): success", done.output) == list(pythons)
    assert all(counts.keys() <= {"passed", "deselected"} and counts["passed"] >= 80 for counts in done.counts)


def test_the_readmes_other_commands_are_sessions_that_exist(service):
    listing = service.nox("-l").stdout
    commands = [command for command, _ in console((service.folder / "README.md").read_text())]
    sessions = {name for command in commands for name in re.findall(r"nox -s (\w+)", command)}
    assert sessions >= {"fast", "ci", "serve", "integration"}
    for session in sessions:
        assert re.search(rf"^[*-] {session} -> ", listing, re.MULTILINE), session
    table = (service.folder / "README.md").read_text()
    for session in re.findall(r"^[*-] (\w+) ->", listing, re.MULTILINE):
        assert re.search(rf"^\|.*`{session}`.*\|", table, re.MULTILINE), (
            f"{session} is missing in the README's table"
        )
