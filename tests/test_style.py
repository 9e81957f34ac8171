"""The code keeps to the project's own rules: lint, format, strict types and layers."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "ruff", "check"], id="lint"),
        pytest.param(["-m", "ruff", "format", "--check"], id="format"),
        pytest.param(["-m", "mypy"], id="types"),
        pytest.param(
            ["-c", "from importlinter.cli import lint_imports_command as f; f()"], id="layers"
        ),
    ],
)
def test_the_code_passes(command):
    """Each checker, configured in pyproject.toml, finds nothing to say."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
