"""What things are called in a fingerprint, and where a name leads to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from ..source_code import callables_in
from .packages import is_project
from .scopes import Chain

Place = tuple["dict[str, Any]", str]
"""Where a name is bound: the dict of a module, and the key in it."""


class Binding(NamedTuple):
    """A name that another cell may bind to something else: a global, or an attribute of a node."""

    name: str
    namespace: Mapping[str, Any]
    key: str
    value: Any

    @property
    def is_bound(self) -> bool:
        """Whether it is still bound to the same object."""
        return self.namespace.get(self.key, _UNBOUND) is self.value


_UNBOUND = object()


def resolved(names: dict[str, Any], chain: Chain) -> tuple[str | None, Place, Chain]:
    """Follow a chain through the modules of the project.

    Returns:
        the name of the last global, None if it is a module of a library; where it is; and the
        attributes that are read from it.
    """
    namespace, key, rest = names, chain[0], chain[1:]
    name = qualified(str(names.get("__name__", "__main__")), key)
    while isinstance(value := namespace.get(key), ModuleType):
        if not is_project(value.__name__):
            return None, (namespace, key), rest
        if not rest:
            break
        name = qualified(value.__name__, rest[0])
        namespace, key, rest = vars(value), rest[0], rest[1:]
    if isinstance(value, type) and is_project(value.__module__) and rest:
        name = name_of(value)  # as its attributes are named
    return name, (namespace, key), rest


def qualified(module: str, name: str) -> str:
    """Return the name of a global; those of the notebook stand alone."""
    return name if module in ("__main__", "__mp_main__") else f"{module}.{name}"


def name_of(kind: Any) -> str:
    """Return the name of a class or function, without the function that it was defined in."""
    return qualified(kind.__module__, kind.__qualname__.rpartition("<locals>.")[2])


def name_of_function(function: FunctionType, name: str) -> str:
    """Return the name of a function; of a lambda outside of a class, the one that it is used by."""
    own = function.__code__.co_name
    # What wraps another function may have that one's name.
    if own == function.__name__:
        own = function.__qualname__.rpartition("<locals>.")[2]
    if own == "<lambda>":
        return name
    return qualified(str(function.__globals__.get("__name__", "")), own)


def name_of_node(node: Any) -> str:
    """Return the name of a node object, which other nodes of its class share."""
    return f"{type(node).__qualname__.rpartition('<locals>.')[2]}()"


_LONGEST_KEY = 80  # characters; what follows is left out


def name_of_key(key: Any) -> str:
    """Return the name of a key of the shared store."""
    text = repr(key) if type(key) in (str, int) else type(key).__name__
    return f"shared[{text[:_LONGEST_KEY]}]"


_ENDS = re.compile(r"[.\[(]").finditer


def is_within(name: str, names: Collection[str]) -> bool:
    """Whether a name is one of several, or begins with one: `STATE.count` with `STATE`."""
    return name in names or any(name[: each.start()] in names for each in _ENDS(name))


def cells_of(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function keeps of the variables of the functions around it, by their names."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # it was not assigned yet
            continue
        if name != "__class__":  # which `super()` uses
            yield name, value


def defaults_of(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the parameters that have a default, with it."""
    code, defaults = function.__code__, function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    yield from zip(positional[len(positional) - len(defaults) :], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def wrapped_by_library(function: FunctionType) -> tuple[Any, ...]:
    """Return the functions and classes that a function made by a decorator of a library has kept."""
    kept = (vars(function).get("__wrapped__"), *(value for _, value in cells_of(function)))
    return tuple(each for each in kept if _is_code(each))


def _is_code(value: Any) -> bool:
    if type(value) is dict:  # what `functools.singledispatch` has registered; no cache
        return bool(value) and all(map(_is_code, value.values()))
    return isinstance(value, (FunctionType, MethodType, type))


def wrapped_by(value: Any) -> tuple[Any, ...] | None:
    """Return the functions that a descriptor of Python's own, or a cache, is made of; else None."""
    if isinstance(value, (staticmethod, classmethod)):
        return (value.__func__,)
    parts = callables_in(value)
    if parts != (value,):
        return parts
    if type(value).__name__ == "_lru_cache_wrapper" and type(value).__module__ == "functools":
        return (value.__wrapped__,)
    return None
