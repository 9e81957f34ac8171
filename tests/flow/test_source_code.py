"""How classes and functions were written, in files and in cells."""

from __future__ import annotations

import functools
import importlib
import inspect
import re

import pytest
from pocketflow import AsyncNode

from flowmagic.flow.source_code import (
    lambda_source,
    place_of,
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


def test_a_lambda_is_told_from_the_others_of_its_line():
    """By what it does: its code, names and constants."""
    first, second = (lambda x: x + 1), (lambda x: x + 2)
    assert lambda_source(first) == "lambda x: x + 1"
    assert lambda_source(second) == "lambda x: x + 2"
    words = [lambda: "a", lambda: "b"]
    assert [lambda_source(each) for each in words] == ['lambda: "a"', 'lambda: "b"']
    inner = [lambda: first(3)]
    assert lambda_source(inner[0]) == "lambda: first(3)"
    made = [lambda s, i: s.update(i.writes)]
    assert lambda_source(made[0]) == "lambda s, i: s.update(i.writes)"
    assert lambda_source(eval("lambda: 5")) == ""


def test_lambdas_of_one_line_that_cannot_be_told_apart_have_no_source():
    """Two that use a variable of the function around them: a wrong one would be a lie."""
    x = 1
    sum_, difference = (lambda y: x + y), (lambda y: x - y)
    assert lambda_source(sum_) == lambda_source(difference) == ""


def test_a_lambda_is_found_whatever_its_defaults_and_lines():
    """A default may be a lambda itself, and a lambda may go over several lines."""
    outer = lambda y=(lambda: 1): y
    assert lambda_source(outer) == "lambda y=(lambda: 1): y"
    several = [
        lambda y: [
            y,
        ]
    ]
    assert lambda_source(several[0]).split() == ["lambda", "y:", "[", "y,", "]"]


def test_a_function_has_its_decorators_and_a_method_is_found_by_its_function():
    """What `functools.wraps` and `functools.cache` surround is read as it was written."""

    @functools.cache
    def ask():
        return 1

    assert source_of(ask) == "@functools.cache\ndef ask():\n    return 1\n"
    assert source_of(Written().exec_async).startswith("async def exec_async(self, prepared):\n")


def test_a_module_that_is_edited_and_loaded_again_has_its_new_source(tmp_path, monkeypatch):
    """As `%autoreload` does it; else a resumed run would take the new code for the old."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_module.py"
    file.write_text("class Ask:\n    def one(self):\n        return 1\n")
    module = importlib.import_module("edited_module")
    assert "return 1" in source_of(module.Ask)
    file.write_text("class Ask:\n    def one(self):\n        return 22\n")
    importlib.reload(module)
    assert "return 22" in source_of(module.Ask)
    assert "return 22" in source_of(module.Ask.one)


def test_a_class_has_the_place_of_its_line_or_of_its_first_function():
    """PocketFlow's and flowmagic's own have none, nor has a class without functions."""
    first = Written.exec_async.__code__.co_firstlineno
    assert place_of(Written) == (__file__, vars(Written).get("__firstlineno__", first))
    assert place_of(AsyncNode) is place_of(type("Bare", (), {})) is None
