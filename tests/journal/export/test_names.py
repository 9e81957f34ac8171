"""The names of classes and functions in a script."""

from __future__ import annotations

import functools
import json

import pytest
from pocketflow import AsyncNode

from flowmagic.journal.export.names import Names, is_importable, location_of


class Outer:
    class Inner:
        pass


def local():
    class Ask:
        pass

    return Ask


HERE = __name__


@pytest.mark.parametrize(
    ("value", "location", "importable"),
    [
        (AsyncNode, "pocketflow:AsyncNode", True),
        (json.dumps, "json:dumps", True),
        (len, "builtins:len", True),
        (Outer.Inner, f"{HERE}:Outer.Inner", True),
        (local(), f"{HERE}:local.<locals>.Ask", False),
        (type("Ask", (), {"__module__": "__main__"}), "__main__:Ask", False),
        (lambda: 1, "a lambda", False),
        (functools.partial(len), "an object of class partial", False),
    ],
)
def test_a_location_says_whether_it_can_be_imported(value, location, importable):
    """Not from a notebook, nor from within a function."""
    assert location_of(value) == location
    assert is_importable(location) is importable


def test_names_are_imported_or_missing():
    """Each once; a class within another one is found through that."""
    names = Names({"run"})
    assert names.of("shop:Outer.Inner") == names.of("shop:Outer.Inner") == "Outer.Inner"
    assert names.of("builtins:ValueError") == "ValueError"
    assert names.of("__main__:Ask") == "Ask"
    assert names.of("shop:make.<locals>.Local") == "Local"
    assert names.of("a lambda") == ""
    assert names.imports == ["from shop import Outer"]
    assert names.missing == ["Ask", "Local"]


def test_no_two_things_share_a_name():
    """Of two modules, of two versions of a cell, or of the script itself."""
    names = Names({"run"})
    assert names.of("one:Ask") == "Ask"
    assert names.of("two:Ask") == "Ask_"
    assert names.of("__main__:Ask", "a") == "Ask__"
    assert names.of("__main__:Ask", "b") == "Ask___"
    assert names.of("__main__:Ask", "a") == "Ask__"
    assert names.of("one:run") == "run_"
    assert names.of("one:print") == "print_"
    assert names.imports == [
        "from one import Ask", "from two import Ask as Ask_", "from one import run as run_",
        "from one import print as print_",
    ]  # fmt: skip
    assert names.missing == ["Ask as Ask__", "Ask as Ask___"]


@pytest.mark.parametrize(
    "location",
    [
        "os; import sys:Ask", "one:Ask\nimport os", "one:Ask.in valid", "one:class", ":Ask()", "one:",
        "builtins:None", "builtins:x y", "one.:a b", "",
    ],
)  # fmt: skip
def test_nothing_but_names_gets_into_a_script(location):
    """A file may hold anything."""
    names = Names(set())
    name = names.of(location)
    assert name == "" or name.isidentifier()
    assert names.imports == []
    assert all(each.isidentifier() for each in names.missing)
