"""None and null in the messages of a kernel that runs in the browser."""

from __future__ import annotations

import pytest

from flowmagic.notebook.panel import jsnull
from flowmagic.notebook.panel.jsnull import with_none, with_null


@pytest.fixture
def null(monkeypatch):
    """Let the kernel have an object for null, as one in the browser does."""
    made = object()
    monkeypatch.setattr(jsnull, "NULL", made)
    return made


def test_elsewhere_nothing_is_exchanged():
    """JSON has null for None already, so that the very object is sent."""
    assert jsnull.NULL is None
    message, command = {"rows": [(1, None)]}, {"value": None}
    assert with_null(message) is message
    assert with_none(command) is command


def test_none_becomes_null_at_any_depth(null):
    """In dicts, lists and tuples; a tuple becomes a list, as it does in JSON."""
    assert with_null(None) is null
    assert with_null({"a": None, "b": [1, (None, "x")], "c": {}}) == {
        "a": null,
        "b": [1, [null, "x"]],
        "c": {},
    }


@pytest.mark.parametrize("value", [0, False, "", b"", 1.5, "None"])
def test_what_is_not_none_stays_as_it_is(null, value):
    """Also what is false, or empty."""
    assert with_null(value) is value


def test_null_becomes_none_in_a_command(null):
    """The values of a command of the page; its names and its other values stay as they are."""
    command = {"do": "named_limit", "value": null, "name": None, "number": 0}
    assert with_none(command) == {"do": "named_limit", "value": None, "name": None, "number": 0}


def test_a_message_is_not_changed_itself(null):
    """It is state of the panel, which the kernel goes on reading."""
    message = {"rows": [None]}
    with_null(message)
    assert message == {"rows": [None]}
