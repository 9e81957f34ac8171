"""The arguments of the magic, as its help shows them."""

from __future__ import annotations

import argparse

import pytest

from flowmagic.notebook.arguments import line_arguments
from flowmagic.run.options import OPTIONS


@line_arguments
def magic(line):
    """A magic that has the arguments."""


ACTIONS = {action.dest: action for action in magic.parser._actions}
NEGATED = {"track_shared": "--no-track", "threads": "--no-threads"}


def test_the_help_is_the_manual(shell):
    """%%batchflow? shows every option and examples."""
    text = shell.ip.find_cell_magic("batchflow").__doc__
    for option in (
        "--limit",
        "--per-minute",
        "--burst",
        "--adaptive",
        "--timeout",
        "--retries",
        "--max-errors",
        "--keep",
        "--shared",
        "--file",
        "--output",
        "--wait",
        "--no-wait",
    ):
        assert option in text
    assert '[{"user_id": 1}, {"user_id": 2}]' in text


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_of_a_run_has_an_argument_with_its_name_and_its_help(name):
    """And without a default of its own: if the line does not give it, `Options.of` has the default."""
    if name == "merge":  # a function, which no line can hold
        assert name not in ACTIONS
        return
    action = ACTIONS[name]
    assert action.default is argparse.SUPPRESS
    if name in NEGATED:
        assert action.option_strings == [NEGATED[name]]
        return
    assert action.option_strings == [f"--{name.replace('_', '-')}"]
    assert (action.help % {}).startswith(OPTIONS[name].metadata["doc"])
