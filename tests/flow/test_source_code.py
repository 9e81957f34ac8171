"""How classes and functions were written, in files and in cells."""

from __future__ import annotations

import functools
import inspect
import json
import re

import pytest
from pocketflow import AsyncNode

from flowmagic.flow.source_code import (
    expression_of,
    is_here,
    is_stock,
    is_users,
    scope_of,
    source_in_cells,
    source_of,
)


class Written(AsyncNode):
    """In a file."""

    async def exec_async(self, prepared):
        return 1


def test_a_class_of_a_file_is_its_lines():
    """Without the indentation it had."""

    class Inner(Written):
        def prep(self):
            return 2

    assert source_of(Written) == inspect.getsource(Written)
    assert source_of(Inner).startswith("class Inner(Written):\n    def prep(self):\n")


def test_a_class_of_a_cell_is_its_lines(cells):
    """Though its module has no file; with its decorators, and no other class of that name."""
    code = """
class Ask:
    def other(self): ...
def mark(kind): return kind
class Outer:
    @mark
    class Ask:
        @property
        def one(self): return 1
"""
    names = cells.run(code)
    inner = source_of(names.Outer.Ask)
    assert inner == "@mark\nclass Ask:\n    @property\n    def one(self): return 1\n"
    assert source_of(names.Ask) == "class Ask:\n    def other(self): ...\n"
    assert source_of(names.mark) == "def mark(kind): return kind\n"


def test_a_class_written_anew_has_its_new_source(cells):
    """Each of the two has its own."""
    before = cells.run("class Ask:\n    def one(self): return 1\n").Ask
    after = cells.run("class Ask:\n    def one(self): return 2\n").Ask
    assert "return 1" in source_of(before)
    assert "return 2" in source_of(after)


def test_a_class_of_attributes_alone_is_written_from_them(cells):
    """There is no function to know its file by."""
    cells.run("class Base:\n    def one(self): ...\n")
    names = cells.run("class Two(Base):\n    n = 2\nclass Odd(Base):\n    n = object()\n")
    assert source_of(names.Two) == "class Two(Base):\n    n = 2\n"
    namespace = {"__name__": "__main__"}
    exec("class Odd:\n    n = object()\n", namespace)
    assert source_of(namespace["Odd"]) == ""


@pytest.mark.parametrize(
    "code",
    [
        "@dataclasses.dataclass\nclass Limit: n: int = 1",
        "class Limit(enum.Enum): n = 1",
        "class Limit(typing.NamedTuple): n: int = 1",
        "class Limit(typing.TypedDict): n: int",
    ],
)
def test_a_class_that_is_more_than_its_attributes_is_not_written_from_them(cells, code):
    """It would be another class, and no word said so."""
    limit = cells.run(f"import dataclasses, enum, typing\n{code}").Limit
    assert source_of(limit) in ("", f"{code}\n")


@pytest.mark.parametrize(
    "code",
    [
        "@dataclasses.dataclass\nclass Answer:\n    n: int = 1\n",
        "class Choice(enum.Enum):\n    YES = 1\n",
        "class Fields(typing.TypedDict):\n    n: int\n",
    ],
)
def test_a_class_without_functions_is_found_in_its_cell(cells, code):
    """By its fields; where it was written in two ways with the same ones, it is not guessed which."""
    name = re.search(r"class (\w+)", code)[1]
    cells.run(f"class {name}:\n    other: int\n")
    first = vars(cells.run(f"import dataclasses, enum, typing\n{code}"))[name]
    assert source_in_cells(first) == code
    second = vars(cells.run(code.replace("n: int", "n: str").replace("= 1", "= 2")))[name]
    assert source_in_cells(first) == source_in_cells(second) == ""


def test_what_was_never_written_has_no_source():
    """No error, whatever it is."""
    namespace = {"__name__": "__main__"}
    exec("class Ask:\n    def one(self): return 1\ndef two(): ...\n", namespace)
    assert source_of(namespace["Ask"]) == source_of(namespace["two"]) == ""
    assert source_of(len) == source_of(int) == ""


def test_what_is_whose_is_told():
    """PocketFlow's and ours; a library's; the user's own."""
    assert is_stock(AsyncNode)
    assert not is_users(pytest.Item)
    assert not is_users(json.dumps)
    assert is_users(Written)
    assert not is_here(Written)


def test_names_of_a_function_around_are_seen_too():
    """As the class and its methods see them."""
    word = "yes"

    class Inner:
        def say(self):
            return word

    def ask():
        return word

    assert scope_of(Inner)["word"] == scope_of(ask)["word"] == "yes"
    assert scope_of(functools.cache(ask))["word"] == "yes"


def test_a_lambda_is_told_from_the_others_of_its_line():
    """By what it does: its code, names and constants."""
    first, second = (lambda x: x + 1), (lambda x: x + 2)
    assert expression_of(first) == "lambda x: x + 1"
    assert expression_of(second) == "lambda x: x + 2"
    words = [lambda: "a", lambda: "b"]
    assert [expression_of(each) for each in words] == ['lambda: "a"', 'lambda: "b"']
    inner = [lambda: first(3)]
    assert expression_of(inner[0]) == "lambda: first(3)"
    made = [lambda s, i: s.update(i.writes)]
    assert expression_of(made[0]) == "lambda s, i: s.update(i.writes)"
    assert expression_of(eval("lambda: 5")) == ""
