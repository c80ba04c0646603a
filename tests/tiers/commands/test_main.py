"""`tiers` itself: what it lists, what it answers to wrong use, and that nothing ends with a traceback."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import pytest_tiers
from pytest_tiers.commands import COMMANDS, main

NEEDED = {"plan", "report", "changed", "parity", "isolation", "slowest", "flaky", "serve", "doctor", "clean"}


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_list_has_each_command_in_a_line_and_the_exit_codes(capsys, option):
    assert main([option]) == 0
    said = capsys.readouterr().out
    listed = re.findall(r"^  ([a-z]+) +(\S.{10,65})$", said, re.MULTILINE)
    assert {name for name, _ in listed} >= NEEDED
    assert dict(listed) == COMMANDS
    assert re.findall(r"^  (\d+) ", said, re.MULTILINE) == ["0", "1", "2", "130"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_a_help_anywhere(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)  # where there is no suite
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: tiers {name} ")
    assert len(said.splitlines()) > 4


@pytest.mark.parametrize(
    ("arguments", "words"), [(["nonsense"], "tiers: there is no command 'nonsense'."), ([], "usage: tiers")]
)
def test_an_unknown_name_or_none_is_answered_with_the_list(capsys, arguments, words):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(words)
    assert all(f"  {name} " in err for name in NEEDED)


def test_wrong_options_are_wrong_use(capsys):
    assert main(["plan", "--nonsense"]) == 2
    assert "usage: tiers plan" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    project = Path(pytest_tiers.__file__).parents[2] / "pyproject.toml"
    version = tomllib.loads(project.read_text())["project"]["version"]
    assert capsys.readouterr().out == f"pytest-tiers {version}\n"


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_each_command_says_where_it_has_to_run(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    arguments = {"plan": ["--shards", "2"], "serve": ["true"]}.get(name, [])
    assert main([name, *arguments]) == 2
    assert capsys.readouterr() == (
        "",
        f"There is no pyproject.toml in {tmp_path}: run this in the folder that it lies in.\n",
    )


def test_a_configuration_that_cant_be_is_said_in_its_own_words(suite, tiers):
    suite({}, tiers="nonsense = 1")
    done = tiers("clean", status=2)
    assert done.err.startswith("[tool.tiers] in pyproject.toml:\n  nonsense is none of its keys, which are ")
    assert "Traceback" not in done.err


def test_it_is_a_module_and_a_script(suite):
    path = suite({}).path
    script = Path(sys.executable).with_name("tiers")
    for command in ([sys.executable, "-m", "pytest_tiers"], [str(script)]):
        done = subprocess.run([*command, "plan", "--shards", "0"], cwd=path, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith("error: --shards: 1 to 256\n")


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--shards", "200"]])
def test_a_closed_pipe_is_no_traceback(suite, start, arguments):
    files = {f"tests/unit/test_{number}.py": "" for number in range(3)}
    path = suite(files).path
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pytest_tiers", *arguments]
    done = subprocess.run(command, cwd=path, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
    if arguments[0] == "plan":
        assert (path / "plan.json").exists(), "what it was to do is done"


def test_an_interruption_is_one_line(suite, start, pipe):
    test = f"import os, signal\n\n\ndef test_waits():\n    with open({str(pipe.path)!r}, 'w') as pipe:\n"
    test += "        print(os.getpid(), file=pipe)\n    signal.pause()\n"
    suite({"tests/unit/test_a.py": test})
    with start("slowest") as process:
        running = int(pipe.heard(process))
        for pid in (process.pid, running):  # Ctrl-C reaches pytest as well
            os.kill(pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "\ntiers slowest was interrupted.\n")
    assert "KeyboardInterrupt" in out, "pytest had the time to say how far it got"


def test_an_interruption_that_pytest_doesnt_hear_ends_it_all_the_same(suite, start, pipe, monkeypatch):
    test = f"import os, signal\n\n\ndef test_waits():\n    with open({str(pipe.path)!r}, 'w') as pipe:\n"
    test += "        print(os.getpid(), file=pipe)\n    signal.pause()\n"
    suite({"tests/unit/test_a.py": test})
    program = (
        "import sys\nfrom pytest_tiers.commands import main, running\n"
        "running.PATIENCE = 0.1\nsys.exit(main(['slowest']))\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        running = int(pipe.heard(process))
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "\ntiers slowest was interrupted.\n")
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)


def test_a_child_that_a_signal_ended_has_the_shells_exit_code():
    from pytest_tiers.commands.running import run

    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert run([sys.executable, "-c", code]) == 128 + signal.SIGTERM
    assert run([sys.executable, "-c", "raise SystemExit(5)"]) == 5


def test_to_list_the_commands_none_is_imported():
    code = "import sys; from pytest_tiers.commands import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert not {"psycopg", "sqlalchemy", "redis", "fakeredis", "testmon"} & imported
    assert not {f"pytest_tiers.commands.{name}" for name in COMMANDS} & imported
