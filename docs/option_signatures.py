"""Show in the reference what only the imported module knows: named options, and values of defaults.

Griffe reads the source, where `batchflow` takes `**options`, and `limit: int = Limits.concurrency`.
"""

from __future__ import annotations

import enum
import inspect
from typing import Any

import griffe

KINDS = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
}


class ImportedSignatures(griffe.Extension):
    """Takes from the imported function what its source does not say."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Name the options of the functions in `run/api.py`, and the values of defaults that are names."""
        if func.parent.path == "flowmagic.run.api" and "options" in func.parameters:
            name_options(func)
        if any(map(is_name, func.parameters)):
            parameters = inspect.signature(griffe.dynamic_import(func.path)).parameters
            for each in filter(is_name, func.parameters):
                each.default = as_text(parameters[each.name].default)


def name_options(func: griffe.Function) -> None:
    """Replace signature and docstring by those that name each option."""
    imported = griffe.dynamic_import(func.path)
    func.docstring.value = inspect.getdoc(imported)
    func.parameters = griffe.Parameters(
        *(
            griffe.Parameter(
                each.name,
                annotation=each.annotation,
                kind=KINDS[each.kind],
                default=None if each.default is each.empty else repr(each.default),
            )
            for each in inspect.signature(imported).parameters.values()
        )
    )


def is_name(parameter: griffe.Parameter) -> bool:
    """Whether the default is the name of a value."""
    return isinstance(parameter.default, (griffe.ExprName, griffe.ExprAttribute))


def as_text(default: Any) -> str:
    """Return a default as one would write it."""
    return getattr(
        default, "__name__", default.name if isinstance(default, enum.Enum) else repr(default)
    )
