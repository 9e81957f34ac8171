"""Show functions in the reference with the options that they name at run time.

Griffe reads the source, where `batchflow` takes `**options`; its signature and docstring name each.
"""

from __future__ import annotations

import inspect
from typing import Any

import griffe

KINDS = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
}


class NamedOptions(griffe.Extension):
    """Takes signature and docstring of the functions in `run/api.py` from the imported module."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Replace both where the function takes `**options`."""
        if func.parent.path != "flowmagic.run.api" or "options" not in func.parameters:
            return
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
