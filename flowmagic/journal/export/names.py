"""The names of classes and functions in a script: imported, or left for the user to define."""

from __future__ import annotations

import builtins
import keyword
import types
from typing import Any

_MAIN = ("__main__", "__mp_main__")


def location_of(value: Any) -> str:
    """Return where a class or function is found, as "module:qualified.name".

    Of a lambda, and of anything else, return in words what it is; that text has no colon.
    """
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        if value.__name__ != "<lambda>":
            return f"{value.__module__}:{value.__qualname__}"
        return "a lambda"
    return f"an object of class {type(value).__name__}"


def is_importable(location: str) -> bool:
    """Whether a class or function is in a module: not in a notebook, nor within a function."""
    module, _, name = location.partition(":")
    return module not in _MAIN and all(map(is_name, [*module.split("."), *name.split(".")]))


def is_name(text: str) -> bool:
    """Whether a text can be a name in Python."""
    return text.isidentifier() and not keyword.iskeyword(text)


class Names:
    """Gives each class and function of a script a name of its own.

    Args:
        reserved: names that the script uses itself.

    Attributes:
        imports: the lines that import what can be imported.
        missing: what the user has to import or paste: names, and `Ask as Ask_` for one that is taken.
    """

    def __init__(self, reserved: set[str]) -> None:
        self.imports: list[str] = []
        self.missing: list[str] = []
        self._taken = {*reserved, *dir(builtins)}
        self._names: dict[tuple[str, str], str] = {}

    def of(self, location: str, version: str = "") -> str:
        """Return the name for a location; empty if it is none (a lambda, say).

        Args:
            version: tells apart two classes at one location, as a cell that is run again makes them.
        """
        module, _, path = location.partition(":")
        if module == "builtins" and path in dir(builtins) and is_name(path):
            return path
        importable = is_importable(location)
        wanted, *inner = path.split(".") if importable else [path.rpartition(".")[2]]
        if not is_name(wanted):
            return ""
        # Classes within one class are found through it.
        key = (f"{module}:{wanted}", "") if importable else (location, version)
        if key not in self._names:
            self._names[key] = name = self._free(wanted)
            written = wanted if name == wanted else f"{wanted} as {name}"
            if importable:
                self.imports.append(f"from {module} import {written}")
            else:
                self.missing.append(written)
        return ".".join([self._names[key], *inner])

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name
