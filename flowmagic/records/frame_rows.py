"""The rows of a pandas or polars DataFrame, each a dict of params. Imports neither library.

A column is a param, and so is each level of a pandas index that has a name: a key set by `set_index`
or `groupby` belongs to the row. A level without a name only numbers the rows, and is no param.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import BatchError, describe
from .row import repeated
from .trace import Params


class FrameRows(NamedTuple):
    """The rows of a DataFrame, and a copy of its pandas index; None for polars, which has no index."""

    rows: list[Params]
    index: Any


def rows_of_frame(value: Any) -> FrameRows | None:
    """Return the rows of a DataFrame; None if the value is none.

    Raises:
        BatchError: two params would have the same name, the columns have several levels, or the value
            is another class of pandas or polars (Series, LazyFrame, GroupBy). The message has the
            line to write.
    """
    package, kind = library_class(type(value))
    if kind == "LazyFrame":
        raise BatchError(
            "The batch is a LazyFrame, whose rows are not computed yet. Write frame.collect()."
        )
    if kind == "Series" or kind.endswith("GroupBy"):
        line = _series_line(value) if kind == "Series" else _GROUPS_LINE
        raise BatchError(f"The batch is {describe(value)}, not a list of dicts. Write {line}.")
    if kind != "DataFrame":
        return None
    if package == "polars":
        return FrameRows(value.to_dicts(), None)
    return _pandas_rows(value)


def library_class(kind: type) -> tuple[str, str]:
    """Return the package and name of the class of pandas or polars that a class is or derives from."""
    for base in kind.__mro__:
        package = base.__module__.partition(".")[0]
        if package in ("pandas", "polars"):
            return package, base.__name__
    return "", ""


_GROUPS_LINE = '[{"key": key, "rows": rows} for key, rows in groups]'


def _series_line(series: Any) -> str:
    if len(series) and all(isinstance(each, Mapping) for each in series):
        return "series.to_list()"
    if series.name in (None, ""):
        return 'series.to_frame("text")'
    name = series.name
    quoted = json.dumps(name, ensure_ascii=False) if isinstance(name, str) else repr(name)
    return f"df[[{quoted}]], or series.to_frame()"


def _pandas_rows(frame: Any) -> FrameRows:
    _check_columns(frame.columns)
    index = frame.index
    names = index_names(index)
    _check_index(index, names, frame.columns)
    rows: list[Params] = frame.to_dict(orient="records")
    if not len(frame.columns):
        rows = [{} for _ in range(len(frame))]  # pandas 2.2 returns none
    if names:
        # A level is found by its name: a number may be a name or a position.
        is_multi = hasattr(index, "levels")
        levels = [index.get_level_values(name) for name in names] if is_multi else [index]
        keys = zip(*(level.tolist() for level in levels), strict=True)
        rows = [
            {**dict(zip(names, key, strict=True)), **row}
            for key, row in zip(keys, rows, strict=True)
        ]
    return FrameRows(rows, index.copy())  # the names of the user's own can be changed later


def index_names(index: Any) -> list[Any]:
    """Return the names of those levels of a pandas index that have one."""
    return [name for name in index.names if name is not None]


def _check_columns(columns: Any) -> None:
    if columns.nlevels > 1:
        raise BatchError(
            f"The DataFrame has {columns.nlevels} levels of columns, and a param has one name. Write "
            'df.set_axis(["_".join(map(str, name)) for name in df.columns], axis=1).'
        )
    if twice := repeated(columns.tolist()):
        raise BatchError(
            f"The DataFrame has two columns named {twice[0]!r}. Rename one, or keep the first: "
            "df.loc[:, ~df.columns.duplicated()]"
        )


def _check_index(index: Any, names: list[Any], columns: Any) -> None:
    if twice := repeated(names):
        distinct = [f"{name}_{i}" if name in twice else name for i, name in enumerate(index.names)]
        raise BatchError(
            f"The index of the DataFrame has two levels named {twice[0]!r}. Give each its own name: "
            f"df.rename_axis(index={distinct!r})"
        )
    columns = set(columns.tolist())
    clash = next((name for name in names if name in columns), None)
    if clash is not None:
        raise BatchError(
            f"The index and a column of the DataFrame are both named {clash!r}. If they are the same, "
            f"write df.rename_axis(index={{{clash!r}: None}}); if not, rename the column."
        )
