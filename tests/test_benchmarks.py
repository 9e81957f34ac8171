"""Every benchmark runs and prints its table. How fast it is, is not tested: machines differ."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

TINY = {
    "overhead": (["--instances", "20", "--limit", "3", "--rounds", "1"], "CPU / sequential loop"),
    "lag": (["--instances", "6", "--at-once", "20", "--limit", "3", "--rounds", "1"], "worst lag"),
    "memory": (["--instances", "20", "--limit", "3", "--rounds", "1"], "peak memory growth"),
    "interrupt": (["--limit", "3", "--rounds", "1"], "3 instances running"),
    "retune": (["--low", "2", "--high", "6", "--rounds", "1"], "2 -> 6"),
}


def run_benchmarks(*arguments):
    """Run `python -m benchmarks` as a user does, from the root of the repository."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_its_table_and_the_command_that_makes_it(name):
    """A table from the README can be made again by the command printed above it."""
    options, expected = TINY[name]
    done = run_benchmarks(name, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"$ python -m benchmarks {name} {' '.join(options)}\n")
    assert expected in done.stdout


def test_every_benchmark_is_listed_and_tried_here():
    """`--help` names each benchmark, and this file leaves none out."""
    listed = run_benchmarks("--help").stdout
    modules = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if "OPTIONS = {" in path.read_text(encoding="utf-8")
    }
    assert modules == set(TINY)
    assert all(f"\n    {name}" in listed for name in modules)


def test_a_number_that_is_not_positive_is_refused():
    """Zero rounds would print a table of nothing."""
    done = run_benchmarks("retune", "--rounds", "0")
    assert done.returncode == 2
    assert "0 is not a positive integer" in done.stderr
