"""The code keeps to the project's own rules: lint, format, strict types and layers."""

import sys

import pytest

CHECKERS = {
    "lint": ["-m", "ruff", "check"],
    "format": ["-m", "ruff", "format", "--check"],
    "types": ["-m", "mypy"],
    "layers": ["-c", "from importlinter.cli import lint_imports_command as f; f()"],
}


def programs(items, _folder):
    """Each checker that is asked for."""
    return {item.callspec.id: [sys.executable, *CHECKERS[item.callspec.id]] for item in items}


@pytest.mark.parametrize("name", CHECKERS)
def test_the_code_passes(program, name):
    """Each checker, configured in pyproject.toml, finds nothing to say."""
    done = program(name)
    assert done.returncode == 0, done.stdout + done.stderr
