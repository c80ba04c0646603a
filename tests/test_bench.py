"""The benchmarks keep working: what they measure is no business of a test."""

import json
import subprocess
import sys

import pytest
from rendering import ROOT


@pytest.mark.slow
def test_the_benchmark_of_databases_measures_every_way_and_every_start(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "database.py"), "--quick", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    results = json.loads(figures.read_text())
    ways = results["tests_ms"]
    assert len(ways) == 10
    assert all(set(bodies) == {"nothing", "rows"} for bodies in ways.values())
    assert set(results["start_up_s"]) == {"-n 0, 2 migrations", "-n 2, 2 migrations", "-n 0, 10 migrations"}
    assert all(set(kinds) == {"empty", "cold", "warm"} for kinds in results["start_up_s"].values())
    for mark in results["marks"]:
        assert mark["mark"] in done.stdout
    assert "PostgreSQL 18" in done.stdout


@pytest.mark.slow
def test_the_benchmark_of_guards_measures_each_kind_of_test(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "guards.py"), "--quick", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(json.loads(figures.read_text())) == {"empty tests", "tests of the service", "fakes"}
    assert done.stdout.count("ms per test") == 14


@pytest.mark.fast
@pytest.mark.parametrize("name", [[], ["nonsense"]])
def test_a_benchmark_that_doesnt_exist_is_refused_with_those_that_do(name):
    command = [sys.executable, "-m", "nox", "-s", "bench", "--", *name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "one of: database, guards" in done.stdout + done.stderr
