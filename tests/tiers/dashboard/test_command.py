"""`tiers dashboard` writes what it is asked for, and says what it passed over."""

import json
import webbrowser
from pathlib import Path

import pytest
from pytest_tiers.commands.dashboard import main
from pytest_tiers.commands.running import CommandError
from synthetic_records import Made, thirty


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a suite, in which nothing opens a browser unless it is noted in `opened`."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n[tool.tiers]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(webbrowser, "open", lambda url: (tmp_path / "opened").write_text(url) > 0)
    return tmp_path


def test_it_writes_the_page_and_opens_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Made(tests=10).write(here / ".cache" / "tests" / "runs")
    assert main([]) == 0
    page = here / ".cache" / "tests" / "dashboard.html"
    assert "test_does_what_it_should_00009" in page.read_text()
    assert (here / "opened").read_text() == page.as_uri()
    assert str(page) in capsys.readouterr().out


def test_it_writes_all_that_ci_wants(here: Path) -> None:
    thirty(here / "artefacts", tests=10, runs=4)
    (here / "summary.md").write_text("before\n")
    outputs = ["--output=out/page.html", "--json=figures.json", "--markdown=summary.md", "--trace=trace.json"]
    assert main(["artefacts", "--no-open", *outputs]) == 0
    assert not (here / "opened").exists()
    assert "<!doctype html>" in (here / "out" / "page.html").read_text()
    assert json.loads((here / "figures.json").read_text())["run"]["tests"] == 10
    assert (here / "summary.md").read_text().startswith("before\n## Test performance: failed, 10 tests in ")
    assert json.loads((here / "trace.json").read_text())["traceEvents"]


def test_it_says_what_it_passed_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "runs").mkdir()
    (here / "runs" / "000001-x.jsonl").write_text("{")
    assert main(["runs", "--no-open"]) == 0
    said = capsys.readouterr().err
    assert "Passed over: 000001-x.jsonl has no record of a run" in said
    assert "run the tests first" in said


def test_a_folder_that_is_none_is_refused(here: Path) -> None:
    with pytest.raises(CommandError, match="nowhere is no folder"):
        main(["nowhere", "--no-open"])


def test_a_page_that_cannot_be_written_is_refused(here: Path) -> None:
    (here / "file").write_text("")
    with pytest.raises(CommandError, match=r"can't be written.*--output PATH"):
        main(["--no-open", "--output", "file/page.html"])
