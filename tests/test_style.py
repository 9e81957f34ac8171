"""The code keeps to the project's own rules: lint, format and strict types."""

import sys

import pytest

CHECKERS = {
    "lint": ["ruff", "check"],
    "format": ["ruff", "format", "--check"],
    "types": ["mypy"],
}


def programs(items, _folder):
    """Each checker that is asked for."""
    return {item.callspec.id: [sys.executable, "-m", *CHECKERS[item.callspec.id]] for item in items}


@pytest.mark.parametrize("name", CHECKERS)
def test_the_code_passes(program, name):
    """Each checker, configured in pyproject.toml, finds nothing to say."""
    done = program(name)
    assert done.returncode == 0, done.stdout + done.stderr
