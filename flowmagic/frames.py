"""Instances as a pandas DataFrame. pandas is optional, and imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import MissingExtraError
from .instances import Instances


def pandas() -> Any:
    """Return the module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("to_frame() needs pandas: pip install pandas") from None
    return pd


def frame_of(instances: Instances, names: Iterable[str]) -> Any:
    """Return a row for each instance: its params, then its attributes of these names.

    A param that is named like one of them keeps its name, and the other one gets an underscore.
    """
    pd = pandas()
    frame = pd.DataFrame([each.params for each in instances], index=range(len(instances)))
    for name in names:
        column = [getattr(each, name) for each in instances]
        if name == "status":
            column = [str(status) for status in column]
        label = f"{name}_" if name in frame.columns else name
        frame[label] = pd.Series(column, index=frame.index, dtype=_dtype(name))
    return frame


def _dtype(column: str) -> str:
    return {"seconds": "float64", "attempts": "int64"}.get(column, "object")
