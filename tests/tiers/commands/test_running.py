"""What the commands share: arguments taken apart, the command that runs pytest, plugins of others loaded once."""

import sys
from importlib.metadata import EntryPoint

import pytest
from pytest_tiers.commands import loading, running
from pytest_tiers.commands.running import parser_of, pytest_command, split, with_tests
from pytest_tiers.config import Settings


@pytest.mark.parametrize(
    ("arguments", "orders", "others"),
    [
        ([], 3, []),
        (["--orders", "5"], 5, []),
        (["-k", "a b", "--orders=5", "tests/a.py::b"], 5, ["-k", "a b", "tests/a.py::b"]),
        (["-n", "0", "-x"], 3, ["-n", "0", "-x"]),
        (["--", "--orders", "5"], 3, ["--orders", "5"]),
        (["--orders", "4", "--", "--orders", "5", "--", "x"], 4, ["--orders", "5", "--", "x"]),
        (["--order", "5"], 3, ["--order", "5"]),
    ],
)
def test_options_of_the_command_are_told_from_those_of_pytest(arguments, orders, others):
    parser = parser_of("isolation", "Says what it does.", passes_on=True)
    parser.add_argument("--orders", type=int, default=3)
    options, passed_on = split(parser, arguments)
    assert (options.orders, passed_on) == (orders, others)


def test_the_help_says_that_arguments_are_passed_on(capsys):
    for passes_on in (True, False):
        with pytest.raises(SystemExit):
            parser_of("name", "Line one.\n\nLine two.", passes_on=passes_on).parse_args(["-h"])
        said = capsys.readouterr().out
        assert "usage: tiers name " in said
        assert "Line one.\n\nLine two." in said
        assert ("go to pytest" in said) is passes_on


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ([], False),
        (["-x", "-k", "tests"], False),
        (["-m", "tests", "--deselect", "tests/a.py", "--ignore", "tests"], False),
        (["nothing_of_the_kind"], False),
        (["--ignore=tests/a.py"], False),
        (["tests"], True),
        (["-x", "tests/a.py"], True),
        (["tests/a.py::test_a[x/y]", "-x"], True),
    ],
)
def test_the_tiers_folders_run_unless_tests_are_named(tmp_path, arguments, given):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/a.py").touch()
    settings = Settings(tmp_path)
    places = [tmp_path / "tests", tmp_path / "more"]
    assert with_tests(settings, arguments, places) == [*arguments, *([] if given else ["tests", "more"])]


def test_the_command_for_pytest(monkeypatch):
    head = [sys.executable, "-m", "pytest", "-p", "tiers", "-p", "pytest_tiers.commands.loading"]
    assert pytest_command("-q", "a") == [*head, "-q", "a"]
    assert pytest_command("-q", workers=0) == [*head, "--numprocesses=0", "-q"]
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    assert pytest_command("-q", workers="auto") == [*head, "-q"], "there is no xdist"


def test_options_are_added_to_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    environment = running.environment_with(["-k", "a b"])
    assert environment["PYTEST_ADDOPTS"] == "-x -k 'a b'"
    monkeypatch.delenv("PYTEST_ADDOPTS")
    assert running.environment_with(["-x"])["PYTEST_ADDOPTS"] == "-x"


@pytest.mark.parametrize("name", loading.PLUGINS)
def test_the_names_of_others_plugins_are_those_of_their_entry_points(name):
    from importlib.metadata import entry_points

    (point,) = entry_points(group="pytest11", name=name)
    assert isinstance(point, EntryPoint)
    assert point.value == loading.PLUGINS[name]


PROBE = "import pytest\n\n\ndef pytest_addoption(pluginmanager):\n    from pytest_tiers.commands.loading import load\n\n    load(pluginmanager, 'randomly')\n"


@pytest.mark.parametrize(
    ("addopts", "loaded"),
    [
        ("", 1),
        ("--disable-plugin-autoload", 1),
        ("--disable-plugin-autoload -p pytest_randomly", 1),
        ("--disable-plugin-autoload -p randomly", 1),
        ("-p no:randomly", 0),
    ],
)
def test_a_plugin_of_others_is_loaded_once_under_whichever_name(suite, addopts, loaded):
    count = (
        "def test_count(pytestconfig):\n"
        "    plugins = [plugin for plugin in pytestconfig.pluginmanager.get_plugins() if plugin]\n"
        "    names = [getattr(plugin, '__name__', '') for plugin in plugins]\n"
        f"    assert names.count('pytest_randomly') == {loaded}\n"
    )
    pytester = suite(
        {"probe.py": PROBE, "tests/test_a.py": count},
        tiers=None,
        loaded=f'[tool.pytest.ini_options]\naddopts = "{addopts}"\npythonpath = ["."]',
    )
    pytester.runpytest_subprocess("-p", "probe", "-p", "tiers").assert_outcomes(passed=1)


def test_a_plugin_that_isnt_installed_is_not_missed(suite, monkeypatch):
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    loading.load(None, "xdist")
