import subprocess
import sys

import pytest

from receipts.cli import main


def test_prints(receipts_folder, capsys):
    assert main([str(receipts_folder)]) == 0
    assert capsys.readouterr().out == (
        "Baker..................25.30 EUR\nBooks...................9.90 EUR\n"
    )


def test_writes(receipts_folder, monkeypatch):
    monkeypatch.chdir(receipts_folder)
    assert main([".", "-o", "report.md"]) == 0
    assert (receipts_folder / "report.md").read_text().startswith("Baker")


def test_broken_receipt(receipts_folder, capsys):
    (receipts_folder / "d.txt").write_text("Baker\nrolls")
    assert main([str(receipts_folder)]) == 1
    assert "d.txt: not a line of a receipt: 'rolls'" in capsys.readouterr().err


def test_usage(capsys):
    with pytest.raises(SystemExit) as error:
        main([])
    assert error.value.code == 2


def test_as_program(receipts_folder):
    done = subprocess.run(
        [sys.executable, "-m", "receipts.cli", str(receipts_folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Baker" in done.stdout
