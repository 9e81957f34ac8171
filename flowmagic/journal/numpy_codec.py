"""How values of numpy and pandas are stored in a journal."""

from __future__ import annotations

import base64
import sys
from typing import Any


def form_of(value: Any) -> tuple[str, list[Any]] | None:
    """Return tag and content of a numpy scalar or array; None for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.generic) and value.dtype.kind in "biufcSUmM":
        plain = value.astype("int64") if value.dtype.kind in "mM" else value
        return "$numpy", [value.dtype.str, plain.item()]
    if type(value) is numpy.ndarray and value.dtype.kind in "biufcmM":
        data = base64.b64encode(numpy.ascontiguousarray(value).tobytes()).decode()
        return "$array", [value.dtype.str, list(value.shape), data]
    return None


def scalar(content: list[Any]) -> Any:
    """Return the numpy scalar of a `$numpy`; a plain value while numpy is not imported."""
    kind, value = content
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return value
    if numpy.dtype(kind).kind in "mM":
        return numpy.int64(value).astype(kind)
    return numpy.dtype(kind).type(value)


def array(content: list[Any]) -> Any:
    """Return the array of an `$array`; where numpy is not installed, the content as it is."""
    kind, shape, data = content
    raw = base64.b64decode(data)
    try:
        import numpy as np  # noqa: PLC0415 - optional
    except ImportError:
        return {"$array": content}
    return np.frombuffer(raw, dtype=np.dtype(kind)).reshape(shape).copy()
