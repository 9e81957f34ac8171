"""The benchmarks of the panel run; how fast the panel is, is not tested: machines differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .test_panel_in_page import in_lab

ROOT = Path(__file__).parent.parent.parent


@in_lab
def test_the_benchmark_of_the_panel_prints_its_table(server):
    """Every figure is measured; `server` says that there is a browser."""
    options = ["--fewer", "100", "--instances", "2000", "--changes", "100", "--seconds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "panel", *options],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = "first paint: 100 instances", "wire", "oldest event", "frames", "CPU"
    for what in (*figures, "Timeline: frames", "Graph: frames"):
        assert what in done.stdout
    assert "not measured" not in done.stdout


@in_lab
def test_the_benchmark_of_steering_prints_its_table(server):
    """In each state of the kernel, the slider and Cancel have acted."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "steering", "--moves", "3"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for what in ("idle kernel", "a `--wait` cell", "a cell in run.wait()"):
        assert f"p95: {what}" in done.stdout
