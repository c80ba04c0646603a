"""The benchmarks keep working: what they measure is no business of a test."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rendering import ROOT


def measure(benchmark: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Return what a benchmark printed, and its figures. They are worth nothing."""
    figures = folder / "figures.json"
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / f"{benchmark}.py"),
        "--quick",
        "--json",
        str(figures),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(figures.read_text())


@pytest.mark.slow
def test_the_benchmark_of_databases_measures_every_way_and_every_start(tmp_path):
    said, results = measure("database", tmp_path)

    ways = results["tests_ms"]
    assert len(ways) == 10
    assert all(set(bodies) == {"nothing", "rows"} for bodies in ways.values())
    assert set(results["start_up_s"]) == {"-n 0, 2 migrations", "-n 2, 2 migrations", "-n 0, 10 migrations"}
    assert all(set(kinds) == {"empty", "cold", "warm"} for kinds in results["start_up_s"].values())
    for mark in results["marks"]:
        assert mark["mark"] in said
    assert "PostgreSQL 18" in said


@pytest.mark.slow
def test_the_benchmark_of_guards_measures_each_kind_of_test(tmp_path):
    said, results = measure("guards", tmp_path)
    assert set(results) == {"empty tests", "tests of the service", "fakes"}
    assert said.count("ms per test") == 14


@pytest.mark.slow
def test_the_benchmark_of_whole_suites_measures_all_its_marks(tmp_path):
    said, results = measure("scale", tmp_path)
    marks = results["marks"]
    assert len(marks) == 9
    for mark in marks:
        assert mark["mark"] in said


@pytest.mark.slow
def test_the_benchmark_of_workers_compares_each_number_with_auto(tmp_path):
    said, results = measure("workers", tmp_path)
    assert set(results) == {"20 light", "20 waiting"}
    assert all(set(one) == {"0", "1", "2", "4", "8", "auto", "ratio"} for one in results.values())
    assert "-n auto: no workers" in said


@pytest.mark.slow
def test_the_benchmark_of_shards_compares_their_balance_and_their_collection(tmp_path):
    said, results = measure("shards", tmp_path)
    assert set(results["balance"]) == {str(count) for count in range(2, 21)}
    assert all(len(parts) == 5 for parts in results["collection"].values())
    assert "MISSED" not in said


@pytest.mark.fast
@pytest.mark.parametrize("name", [[], ["nonsense"]])
def test_a_benchmark_that_doesnt_exist_is_refused_with_those_that_do(name):
    command = [sys.executable, "-m", "nox", "-s", "bench", "--", *name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))
    assert {"database", "guards", "scale", "shards", "workers"} <= set(names)
    assert f"one of: {', '.join(names)}" in done.stdout + done.stderr
