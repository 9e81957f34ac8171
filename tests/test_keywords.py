"""The options of a run, as type checkers know them where they are handed on."""

from __future__ import annotations

import inspect

import flowmagic
from flowmagic.keywords import BatchKeywords


def test_they_are_those_of_batchflow():
    """Each has the type there that it has here: mypy sees to that, but not that none is missing."""
    given = dict(inspect.signature(flowmagic.batchflow).parameters)
    del given["flow"], given["params"]
    assert BatchKeywords.__annotations__.keys() == given.keys()
