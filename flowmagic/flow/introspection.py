"""Tells of a class or function whose code it is, which functions it holds and which names it sees.

Looks at the objects, not at their source, and runs no code of the user's.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator
from types import FunctionType
from typing import Any

_STOCK = {"pocketflow", "flowmagic", "builtins", "abc", "typing"}
_LIBRARIES = tuple(
    f"{os.path.realpath(path)}{os.sep}"
    for name, path in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_PACKAGES = {"site-packages", "dist-packages"}


def is_stock(value: Any) -> bool:
    """Whether a class or function is PocketFlow's, flowmagic's or Python's own."""
    return str(getattr(value, "__module__", "")).partition(".")[0] in _STOCK


def is_in_main(value: Any) -> bool:
    """Whether a class or function was defined in `__main__`, so that no other process can import it."""
    return getattr(value, "__module__", "") == "__main__"


def is_user_code(value: Any) -> bool:
    """Whether a class or function was defined in the notebook, or in a file outside of all libraries."""
    if is_in_main(value):
        return True
    module = sys.modules.get(str(getattr(value, "__module__", "")))
    file = getattr(module, "__file__", None)
    return bool(file) and not _is_in_library(os.path.realpath(str(file)))


def _is_in_library(file: str) -> bool:
    return file.startswith(_LIBRARIES) or not _PACKAGES.isdisjoint(file.split(os.sep))


def functions_of(kind: type) -> Iterator[FunctionType]:
    """Yield the functions that were written in a class, without their decorators."""
    for value in vars(kind).values():
        for part in callables_in(value):
            function, _ = undecorated(part)
            if function is not None and function.__module__ == kind.__module__:
                yield function


def callables_in(attribute: Any) -> tuple[Any, ...]:
    """Return what a class attribute calls: the functions of a property, or else the attribute itself."""
    if isinstance(attribute, property):
        return tuple(each for each in (attribute.fget, attribute.fset) if each is not None)
    if isinstance(attribute, functools.cached_property):
        return (attribute.func,)
    return (attribute,)


def undecorated(value: Any) -> tuple[FunctionType | None, bool]:
    """Return the function inside of decorators, and whether there are decorators around it.

    None if there is no Python function, as far as `functools.wraps` tells. No user code runs.
    """
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    seen: set[int] = set()
    wrapped = value
    while wrapped is not None and id(wrapped) not in seen:
        seen.add(id(wrapped))
        value = wrapped
        wrapped = inspect.getattr_static(value, "__wrapped__", None)
    return (value if type(value) is FunctionType else None), len(seen) > 1


def scope_of(value: Any) -> dict[str, Any]:
    """Return the names that a class or function sees: its module's, and those of functions around it."""
    if isinstance(value, type):
        module = sys.modules.get(value.__module__)
        scope = {} if module is None else dict(vars(module))
        for each in functions_of(value):
            scope |= scope_of(each)
        return scope
    function, _ = undecorated(value)
    if function is None:
        return {}
    scope = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return scope


def global_of(function: FunctionType, name: str) -> Any:
    """Return the global that a name means in a function; None if there is none, or it is a local."""
    code = function.__code__
    if name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        return None
    return function.__globals__.get(name)
