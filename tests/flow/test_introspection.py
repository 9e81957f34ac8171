"""What is told of a class or function without its source."""

from __future__ import annotations

import functools
import json
import sys
import types

import pytest
from pocketflow import AsyncNode

from flowmagic.flow.introspection import (
    callables_in,
    functions_of,
    global_of,
    is_in_main,
    is_stock,
    is_user_code,
    scope_of,
    undecorated,
)


class Own(AsyncNode):
    async def exec_async(self, prepared):
        return 1


def test_code_is_pocketflows_a_librarys_or_the_users():
    """PocketFlow's and ours; a library's; the user's own."""
    assert is_stock(AsyncNode)
    assert not is_user_code(pytest.Item)
    assert not is_user_code(json.dumps)
    assert is_user_code(Own)
    assert not is_in_main(Own)


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


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_a_package_of_another_environment_is_a_library_too(folder, monkeypatch):
    """Debian's dist-packages and the user's site-packages are not among Python's own paths."""
    module = types.ModuleType("somewhere")
    module.__file__ = f"/home/me/.local/{folder}/somewhere.py"
    monkeypatch.setitem(sys.modules, "somewhere", module)
    value = type("Theirs", (), {"__module__": "somewhere"})
    assert not is_user_code(value)
    module.__file__ = "/home/me/my-packages/somewhere.py"
    assert is_user_code(value)


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


def test_a_global_is_told_from_a_local_of_its_name():
    """A local means something else."""

    def uses():
        return json

    def hides():
        json = 1
        return json

    assert global_of(uses, "json") is json
    assert global_of(hides, "json") is global_of(uses, "unknown") is None
