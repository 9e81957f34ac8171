"""What has to stand at the top of a script so that classes and functions of a notebook run there.

Imports, the classes and functions themselves as they were written, and short constants; each before
what uses it.
"""

from __future__ import annotations

import builtins
import datetime as dt
import decimal
import math
import pathlib
import symtable
import sys
import types
import uuid
from collections.abc import Iterable
from typing import Any

from ...flow.script_source import lambda_source, scope_of, source_in_cells
from ...flow.source_code import is_in_main, is_stock, is_user_code, source_of
from ...text.redact import masked_source, secrets_of
from ..codec import LARGE, decoded, encoded

_LONGEST = 500  # characters of a constant that is taken along
_MOST = 200  # names
_GIVEN = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}


def definitions_of(
    values: Iterable[Any], *, secrets: set[str], masks: bool = True
) -> tuple[list[str], list[str]]:
    """Return the lines that import something, and the others.

    Args:
        values: classes and functions; those that the user wrote are copied, from whatever module.
        secrets: to which the secrets found in sources are added.
        masks: whether those are masked.
    """
    found = _Found(secrets, masks=masks)
    for value in values:
        found.take(getattr(value, "__name__", ""), value, wanted=True)
    lines = list(dict.fromkeys(found.lines.values()))
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    return sorted(imports), [line for line in lines if line not in imports]


def globals_of(source: str) -> set[str]:
    """Return the names that a source takes from its module."""
    try:
        tables = [symtable.symtable(source, "source", "exec")]
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        names.update(
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
        )
    return names - _GIVEN


class _Found:
    """Follows the names from one definition to the next; what one needs comes before it."""

    def __init__(self, secrets: set[str], *, masks: bool) -> None:
        self.lines: dict[str, str] = {}
        self._seen: set[str] = set()
        self._secrets = secrets
        self._masks = masks

    def take(self, name: str, value: Any, *, wanted: bool = False) -> None:
        """Have a name defined; `wanted`: also if it could be imported from a module of the user's."""
        if name in self._seen or len(self._seen) >= _MOST:
            return
        self._seen.add(name)
        if isinstance(value, types.ModuleType):
            known = value.__name__
            self.lines[name] = f"import {known}" + ("" if known == name else f" as {name}")
        elif _is_definition(value):
            self.lines[name] = self._definition(name, value, wanted=wanted)
        else:
            self.lines[name] = self._constant(name, value)

    def follow(self, source: str, value: Any) -> None:
        """Have the names defined that a source takes from where a class or function was defined."""
        scope = scope_of(value)
        if isinstance(value, type):
            # What a class was made from, though the name may mean another class by now.
            scope |= {base.__name__: base for base in value.__bases__}
        for name in sorted(globals_of(source)):
            if name in scope:
                self.take(name, scope[name], wanted=name in _bases(value))
            elif name not in self._seen:
                self.lines[name] = f"{name} = ...  # to be defined: nobody knew this name"
                self._seen.add(name)

    def _definition(self, name: str, value: Any, *, wanted: bool) -> str:
        known = value.__name__
        if known == "<lambda>":
            text = lambda_source(value)
            if text:
                self.follow(text, value)
                return self._veiled(f"{name} = {text}\n")
            return f"{name} = ...  # to be defined: it was a lambda, whose source is not known"
        if is_stock(value) or not (is_user_code(value) if wanted else is_in_main(value)):
            return f"from {value.__module__} import {known}" + (
                "" if known == name else f" as {name}"
            )
        if known != name:
            self.take(known, value, wanted=wanted)
            return f"{name} = {known}"
        source = source_of(value)
        if not source and isinstance(value, type):
            source = source_in_cells(value)
        if not source:
            what = "class" if isinstance(value, type) else "function"
            return f"{name} = ...  # to be defined: it was a {what}, whose source is not known"
        self.follow(source, value)
        return self._veiled(source)

    def _veiled(self, source: str) -> str:
        text = masked_source(source, self._secrets)
        return text if self._masks else source

    def _constant(self, name: str, value: Any) -> str:
        literals = Literals()
        self._secrets |= secrets_of({name: value})
        try:
            plain = encoded({name: value}, frozenset() if self._masks else None)
            # As a script would have it: what comes back as something else is no constant.
            same = type(decoded(plain)[name]) is type(value) and plain == encoded({name: value})
            text = literals.of(decoded(plain)[name]) if same and len(plain) <= _LONGEST else ""
        except Exception:  # noqa: BLE001 - somebody's object
            text = ""
        if not text or literals.unknown:
            return f"{name} = ...  # to be defined: it was a {type(value).__name__}"
        self.lines.update({line: line for line in literals.imports})
        return f"{name} = {text}"


def _bases(value: Any) -> set[str]:
    return {base.__name__ for base in value.__bases__} if isinstance(value, type) else set()


def _is_definition(value: Any) -> bool:
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
        return True
    # What functools.cache and the like make of a function.
    return is_in_main(value) and isinstance(getattr(value, "__wrapped__", None), types.FunctionType)


class Literals:
    """Writes values as Python.

    Attributes:
        imports: lines that all that was written so far needs; under names that nobody else uses.
        unknown: how many values had no form; `...` stands in their place.
    """

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.unknown = 0

    def of(self, value: Any) -> str:  # noqa: C901, PLR0911 - one return per kind
        """Return an expression that makes a value of what a journal gives back."""
        kind = type(value)
        if value is None or kind in (str, int, bool, bytes):
            return hex(value) if kind is int and abs(value) >= LARGE else repr(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        if kind is dict:
            return f"{{{', '.join(f'{self.of(key)}: {self.of(each)}' for key, each in value.items())}}}"
        if kind in (list, tuple, set, frozenset):
            return self._several(value, kind)
        if kind is complex:
            return f"complex({self.of(value.real)}, {self.of(value.imag)})"
        if kind in (dt.datetime, dt.date, dt.time, dt.timedelta):
            return self._using("datetime", repr(value).replace("datetime.", "_datetime."))
        if kind is decimal.Decimal:
            return self._using("decimal", f"_decimal.{value!r}")
        if kind is uuid.UUID:
            return self._using("uuid", f"_uuid.{value!r}")
        if isinstance(value, pathlib.PurePath):
            return self._using("pathlib", f"_pathlib.Path({str(value)!r})")
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
            return self._numpy(numpy, value)
        self.unknown += 1
        return "..."

    def _using(self, module: str, text: str) -> str:
        self.imports.add(f"import {module} as _{module}")
        return text

    def _several(self, value: Any, kind: type) -> str:
        parts = [self.of(each) for each in value]
        inner = ", ".join(parts)
        if kind is list:
            return f"[{inner}]"
        if kind is tuple:
            return f"({inner}{',' if len(parts) == 1 else ''})"
        if kind is set and parts:
            return f"{{{inner}}}"
        return f"{kind.__name__}([{inner}])" if parts else f"{kind.__name__}()"

    def _numpy(self, numpy: Any, value: Any) -> str:
        kind = value.dtype.str
        plain = numpy.asarray(value)
        if value.dtype.kind in "mM":
            plain = plain.astype("int64")
        text = self._using("numpy", f"_numpy.array({self.of(plain.tolist())}, dtype={kind!r})")
        if not plain.shape:
            return f"{text}[()]"
        return text if plain.size else f"{text}.reshape({plain.shape!r})"
