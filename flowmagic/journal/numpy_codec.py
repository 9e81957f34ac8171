"""How values of numpy and pandas are stored in a journal."""

from __future__ import annotations

import base64
import sys
from typing import Any

_SCALARS = "biufcSUmM"


def form_of(value: Any) -> tuple[str, list[Any]] | None:
    """Return tag and content of a scalar or array of numpy, or a time of pandas; None for others."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and (content := _pandas_content(pandas, value)) is not None:
        return "$pandas", content
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.generic) and value.dtype.kind in _SCALARS:
        return "$numpy", _numpy_content(value)
    if type(value) is numpy.ndarray and value.dtype.kind in "biufcmM":
        data = base64.b64encode(numpy.ascontiguousarray(value).tobytes()).decode()
        return "$array", [value.dtype.str, list(value.shape), data]
    return None


def _numpy_content(value: Any) -> list[Any]:
    plain = value.astype("int64") if value.dtype.kind in "mM" else value
    return [value.dtype.str, plain.item()]


def _pandas_content(pandas: Any, value: Any) -> list[Any] | None:
    if value is pandas.NaT or value is pandas.NA:
        return ["NaT" if value is pandas.NaT else "NA"]
    if isinstance(value, pandas.Timestamp):
        return ["Timestamp", value.isoformat()]
    if isinstance(value, pandas.Timedelta):
        return ["Timedelta", *_numpy_content(value.to_timedelta64())]
    return None


def pandas_value(content: list[Any]) -> Any:
    """Return the value of a `$pandas`; where pandas is not installed, the content as it is."""
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError:
        return {"$pandas": content}
    kind, *parts = content
    if kind == "Timestamp":
        return pd.Timestamp(*parts)
    return (
        pd.Timedelta(scalar(parts)) if kind == "Timedelta" else {"NaT": pd.NaT, "NA": pd.NA}[kind]
    )


def scalar(content: list[Any]) -> Any:
    """Return the numpy scalar of a `$numpy`; a plain value while numpy is not imported."""
    kind, value = content
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return value
    dtype = numpy.dtype(kind)
    # A number in place of bytes would be taken for their length.
    if dtype.kind not in _SCALARS or (dtype.kind == "S" and type(value) is not bytes):
        raise ValueError(f"{kind!r} is no type of a number or text")
    if dtype.kind in "mM":
        return numpy.int64(value).astype(kind)
    return dtype.type(value)


def array(content: list[Any]) -> Any:
    """Return the array of an `$array`; where numpy is not installed, the content as it is."""
    kind, shape, data = content
    raw = base64.b64decode(data)
    try:
        import numpy as np  # noqa: PLC0415 - optional
    except ImportError:
        return {"$array": content}
    return np.frombuffer(raw, dtype=np.dtype(kind)).reshape(shape).copy()
