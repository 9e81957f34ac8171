"""The source of classes and functions, in files and in cells."""

from __future__ import annotations

import functools
import importlib
import inspect
import json

import pytest
from pocketflow import AsyncNode

from flowmagic.flow.source_code import (
    callables_in,
    functions_of,
    global_of,
    is_stock,
    place_of,
    source_of,
    undecorated,
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
    """It would silently be another class."""
    limit = cells.run(f"import dataclasses, enum, typing\n{code}").Limit
    assert source_of(limit) in ("", f"{code}\n")


def test_what_was_never_written_has_no_source():
    """It raises no error, whatever it is."""
    namespace = {"__name__": "__main__"}
    exec("class Ask:\n    def one(self): return 1\ndef two(): ...\n", namespace)
    assert source_of(namespace["Ask"]) == source_of(namespace["two"]) == ""
    assert source_of(len) == source_of(int) == ""


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


def test_code_is_pocketflows_or_another():
    """Stock classes are not read."""
    assert is_stock(AsyncNode)
    assert not is_stock(Written)


class AnythingGoes:
    def __getattr__(self, name):
        return AnythingGoes()


def test_decorators_are_looked_through_without_running_anything():
    """An object that has any attribute is no decorator, and a circle of them has an end."""

    def plain(): ...

    @functools.wraps(plain)
    def wrapper(): ...

    assert undecorated(plain) == (plain, False)
    assert undecorated(wrapper) == (plain, True)
    assert undecorated(functools.cache(plain)) == (plain, True)
    assert undecorated(staticmethod(plain)) == (plain, False)
    assert undecorated(AnythingGoes()) == undecorated(7) == (None, False)
    wrapper.__wrapped__ = wrapper
    assert undecorated(wrapper)[0] is wrapper


class Held:
    client = AnythingGoes()
    borrowed = json.dumps

    @property
    def one(self): ...

    @functools.cached_property
    def two(self): ...

    @classmethod
    def three(cls): ...


def test_the_functions_of_a_class_are_those_written_in_it():
    """Of properties and class methods, too; not what was written elsewhere."""
    assert [each.__name__ for each in functions_of(Held)] == ["one", "two", "three"]
    assert callables_in(7) == (7,)


def test_a_global_is_distinguished_from_a_local_with_its_name():
    """A local means something else."""

    def uses():
        return json

    def hides():
        json = 1
        return json

    assert global_of(uses, "json") is json
    assert global_of(hides, "json") is global_of(uses, "unknown") is None
