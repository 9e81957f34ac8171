"""The benchmarks of the panel run; how fast the panel is, is not tested: machines differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import panel
from benchmarks.__main__ import main
from benchmarks.browser import opening

from .test_panel_in_page import in_lab

ROOT = Path(__file__).parent.parent.parent
TINY = {
    "panel": ["--fewer", "100", "--instances", "2000", "--changes", "100", "--seconds", "1"],
    "steering": ["--moves", "3"],
}


@pytest.fixture(scope="module")
def begun(server):
    """The one that is run by its command, beside the other, since nobody asks here how fast.

    `server` says there is a browser.
    """
    started = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "steering", *TINY["steering"]],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield started
    if started.poll() is None:
        started.kill()
    started.communicate()


def printed(benchmark) -> str:
    """Return what a benchmark printed, which must have gone well."""
    out, errors = benchmark.communicate()
    assert benchmark.returncode == 0, errors
    return out


@in_lab
def test_the_benchmark_of_the_panel_prints_its_table(begun, server, browser, monkeypatch, capsys):
    """Every figure is measured; with the server and the browser that are there for the tests."""
    monkeypatch.setattr(panel, "opener", lambda script: opening(server, browser, script))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "panel", *TINY["panel"]])
    main()
    table = capsys.readouterr().out
    figures = "first paint: 100 instances", "wire", "oldest event", "frames", "CPU"
    for what in (*figures, "Timeline: frames", "Graph: frames"):
        assert what in table
    assert "not measured" not in table


@in_lab
def test_the_benchmark_of_steering_prints_its_table(begun):
    """In each state of the kernel, the slider and Cancel have acted."""
    table = printed(begun)
    for what in ("idle kernel", "a `--wait` cell", "a cell in run.wait()"):
        assert f"p95: {what}" in table
