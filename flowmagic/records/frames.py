"""DataFrames of the instances of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import MissingExtraError
from .instances import Instances


def pandas() -> Any:
    """Return the pandas module.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("to_frame() needs pandas: pip install pandas") from None
    return pd


def frame_of(instances: Instances, names: Iterable[str]) -> Any:
    """Return a pandas DataFrame with a row per instance.

    Its columns are the params, then the attributes of an instance that `names` lists. If a param and
    an attribute have the same name, the column of the attribute gets an underscore at its end.

    Raises:
        MissingExtraError: pandas is not installed.
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
