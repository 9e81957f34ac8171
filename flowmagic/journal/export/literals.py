"""Values as Python."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import pathlib
import sys
import uuid
from typing import Any

from ..codec import LARGE


class Literals:
    """Writes values as Python expressions.

    Attributes:
        imports: the import lines that the expressions need; their names begin with an underscore.
        unknown: how many values could not be written; `...` stands in their place.
    """

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.unknown = 0

    def of(self, value: Any) -> str:  # noqa: C901, PLR0911 - one return per kind
        """Return an expression for a value that was read from a journal."""
        kind = type(value)
        if value is None or kind in (str, int, bool, bytes):
            return hex(value) if kind is int and abs(value) >= LARGE else repr(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        if kind is dict:
            return f"{{{', '.join(f'{self.of(key)}: {self.of(item)}' for key, item in value.items())}}}"
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
        parts = [self.of(item) for item in value]
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
