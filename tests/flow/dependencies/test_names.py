"""What things are called, and where names lead to."""

from __future__ import annotations

import functools
import json
import sys
import types

import pytest
from pocketflow import AsyncNode

from flowmagic.flow.dependencies import names
from flowmagic.flow.dependencies.names import (
    cells_of,
    defaults_of,
    name_of,
    name_of_function,
    name_of_key,
    name_of_node,
    qualified,
    resolved,
    wrapped_by,
    wrapped_by_library,
)


def outer(tone):
    class Ask(AsyncNode):
        score = lambda self: 1

        def method(self):
            return tone, super()

    def inner():
        return tone

    @functools.wraps(inner)
    def wrapper():
        return inner(), later

    yield Ask, inner, wrapper, lambda: tone
    later = 1


Ask, inner, wrapper, made = next(outer("kind"))


def test_names_are_short_and_those_of_the_notebook_stand_alone(cells):
    """Without the function in which a class or function was defined."""
    assert qualified("__main__", "PROMPT") == "PROMPT"
    assert qualified("prompts", "SYSTEM") == "prompts.SYSTEM"
    assert name_of(Ask) == f"{__name__}.Ask"
    assert name_of(cells.run("class A:\n    class B: ...\n").A.B) == "A.B"
    assert name_of_node(Ask()) == "Ask()"
    assert [name_of_key(each) for each in ("a", 1, object())] == [
        "shared['a']",
        "shared[1]",
        "shared[object]",
    ]


def test_a_function_has_the_name_of_its_definition():
    """Not that of the function that it wraps; a lambda outside of a class has none of its own."""
    assert name_of_function(Ask.method, "x") == f"{__name__}.Ask.method"
    assert name_of_function(inner, "x") == f"{__name__}.inner"
    assert name_of_function(wrapper, "x") == f"{__name__}.wrapper"
    assert name_of_function(Ask.score, "x") == f"{__name__}.Ask.<lambda>"
    assert name_of_function(made, "x") == "x"


def test_the_variables_and_defaults_of_a_function_are_listed():
    """Those that were assigned; not the class that `super` uses."""
    assert dict(cells_of(Ask.method)) == {"tone": "kind"}
    assert dict(cells_of(wrapper)) == {"inner": inner}

    def f(a, /, b=1, *args, c, d=2, **kwargs): ...

    assert dict(defaults_of(f)) == {"b": 1, "d": 2}
    assert dict(defaults_of(inner)) == {}


@pytest.fixture
def modules(monkeypatch):
    """Make a package of the project, with a module in it."""
    package, module = types.ModuleType("own"), types.ModuleType("own.prompts")
    package.prompts, module.SYSTEM, module.json = module, "Be brief.", json
    monkeypatch.setitem(sys.modules, "own", package)
    monkeypatch.setitem(sys.modules, "own.prompts", module)
    return package, module


def test_a_name_is_followed_through_the_modules_of_the_project(modules):
    """Under whatever name they were imported; not into libraries."""
    package, module = modules
    main = {"__name__": "__main__", "p": package, "json": json, "PROMPT": "a", "Ask": Ask}

    def found(*chain):
        return resolved(main, chain)

    assert found("PROMPT", "format") == ("PROMPT", (main, "PROMPT"), ("format",))
    assert found("missing") == ("missing", (main, "missing"), ())
    assert found("p", "prompts", "SYSTEM", "x") == (
        "own.prompts.SYSTEM",
        (vars(module), "SYSTEM"),
        ("x",),
    )
    assert found("p", "prompts") == ("own.prompts", (vars(package), "prompts"), ())
    assert found("p", "missing") == ("own.missing", (vars(package), "missing"), ())
    assert found("json", "dumps") == (None, (main, "json"), ("dumps",))
    assert found("p", "prompts", "json", "dumps") == (None, (vars(module), "json"), ("dumps",))
    # As the attributes of the class itself are named.
    assert found("Ask", "count")[0] == f"{__name__}.Ask"


def test_what_a_decorator_of_a_library_has_kept_is_found():
    """Functions and classes, and those that it has in a dict; not its caches and locks."""

    def decorated(kept):
        return types.FunctionType((lambda: kept).__code__, {}, closure=(types.CellType(kept),))

    for kept in (inner, Ask, {"a": inner}):
        assert wrapped_by_library(decorated(kept)) == (kept,)
    for kept in ({}, {"a": 1}, 1, object()):
        assert wrapped_by_library(decorated(kept)) == ()
    assert wrapped_by_library(functools.wraps(inner)(decorated(1))) == (inner,)


def test_what_a_descriptor_or_a_cache_surrounds_is_found():
    """Of Python's own ones."""
    assert wrapped_by(property(inner, wrapper)) == (inner, wrapper)
    assert wrapped_by(functools.cached_property(inner)) == (inner,)
    assert wrapped_by(staticmethod(inner)) == wrapped_by(classmethod(inner)) == (inner,)
    assert wrapped_by(functools.cache(inner)) == (inner,)
    assert wrapped_by(inner) is wrapped_by(1) is None
    assert names.Place
