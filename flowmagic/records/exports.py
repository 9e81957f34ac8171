"""The instances of a run as a DataFrame of pandas or polars, and as a CSV, JSONL or Parquet file.

What the columns are is said in `table`, and what a value becomes in a file in `cells`.
"""

from __future__ import annotations

import csv
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from os import PathLike
from typing import Any

from ..errors import MissingExtraError
from ..text.user_objects import or_none
from .cells import ABSENT, EXACT, SURROGATES, csv_cell, json_text, json_value, typed_column
from .frame_rows import index_names
from .masked_table import masked_table
from .table import InstanceColumns, Table, table_of, text_names

_TYPES: dict[str, type] = {"status": str, "seconds": float, "attempts": int, "error": str}
"""The types of columns that have the same type in each run."""


class Exports:
    """A mixin for runs: gives their instances as DataFrames and files."""

    def _columns(self, *, nodes: bool) -> InstanceColumns:
        """Return what is known of the instances, with the outputs of their nodes if `nodes`."""
        raise NotImplementedError

    def _isolates(self) -> bool:
        """Whether each instance had its own copy of the shared store."""
        raise NotImplementedError

    def _frame_index(self) -> Any:
        """Return the index of the pandas DataFrame that the rows came from; None if there is none."""
        return None

    def _secrets_of_row(self, index: int) -> AbstractSet[str]:  # noqa: ARG002 - for subclasses
        """Return the secrets to mask in what is shown of an instance, besides those in its columns."""
        return frozenset()

    def to_frame(self, *, expand: bool = False, nodes: bool = False, mask: bool = False) -> Any:
        """Return a pandas DataFrame with a row per instance.

        Its columns are the params, then:

        - `output`: see `Instance.output`; empty if the instance has not succeeded;
        - `status`, `seconds`, `attempts`: see `Instance`;
        - `action`: the last action; empty if the instance has not succeeded;
        - `error`: the error as text, with secrets masked; or why the output is lost;
        - `writes`: with `isolate` only, see `Instance.writes`.

        If a param has the name of a later column, the param keeps it, and an underscore is added to
        the other (`status_`). The index is that of the DataFrame that gave the batch, so that
        `df["answer"] = run.to_frame()["output"]` is right for a filtered or sorted one, too; its named
        levels are not repeated as columns. Without such a DataFrame, it is the index of the instance.

        Args:
            expand: give each key of the outputs its own column, after the params, if they are dicts,
                dataclasses, named tuples, or pydantic or attrs objects. If its name is taken,
                `output_` is put before it. Other outputs stay in the column `output`, which is left
                out if there are none.
            nodes: add a column for each node class, with the output of its last copy in an instance
                whose output was not None, even if the instance failed later. Nested flows have none.
            mask: mask secrets in all columns, to show the table. It holds copies then: what is masked
                is text, and so are objects that show a secret.

        Warns:
            UserWarning: outputs are lost, and their cells are empty; see `OutputLostError`.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ImportError:
            raise MissingExtraError("to_frame() needs pandas: pip install pandas") from None
        table = self._table(expand=expand, nodes=nodes)
        if mask:
            table = masked_table(table, self._secrets_of_row)
        return _pandas_frame(pd, table, self._frame_index())

    def to_polars(self, *, expand: bool = False, nodes: bool = False) -> Any:
        """Return a polars DataFrame with a row per instance; columns and arguments as in `to_frame`.

        A column has one type: text, bool, int, float, bytes, date, or datetime without a time zone.
        The values of other and mixed types become text; lists and dicts become JSON.

        Raises:
            MissingExtraError: polars is not installed.
        """
        try:
            import polars as pl  # noqa: PLC0415 - optional
        except ImportError:
            raise MissingExtraError("to_polars() needs polars: pip install polars") from None
        return _polars_frame(pl, self._table(expand=expand, nodes=nodes))

    def to_csv(
        self, path: str | PathLike[str], *, expand: bool = False, nodes: bool = False
    ) -> pathlib.Path:
        """Write a CSV file with a line per instance, and return its path; columns as in `to_frame`.

        Lists and dicts are written as JSON, bytes in base64, dates in ISO 8601; None and NaN are empty.
        Texts are written as they are. A spreadsheet takes those that begin with `=`, `+`, `-` or `@`
        for formulas: import a file with untrusted texts, such as a model's, as text only.
        """
        target, table = pathlib.Path(path), self._table(expand=expand, nodes=nodes)
        with target.open("w", encoding="utf-8", errors=SURROGATES, newline="") as file:
            lines = csv.writer(file)
            lines.writerow(text_names(table.columns))
            for row in zip(*table.columns.values(), strict=True):
                lines.writerow(map(csv_cell, row))
        return target

    def to_jsonl(
        self, path: str | PathLike[str], *, expand: bool = False, nodes: bool = False
    ) -> pathlib.Path:
        """Write a JSON object per instance, each on a line, and return the path of the file.

        The names are those of the columns of `to_frame`; a param that an instance does not have is
        left out. NaN becomes null, an infinite number text; numpy values become numbers and lists,
        and dataclasses and pydantic objects become objects; bytes are written in base64, dates in
        ISO 8601, and anything else as its `str`.
        """
        target, table = pathlib.Path(path), self._table(expand=expand, nodes=nodes)
        names = text_names(table.columns)
        with target.open("w", encoding="utf-8", errors=SURROGATES) as file:
            for row in zip(*table.columns.values(), strict=True):
                items = zip(names, row, strict=True)
                line = {name: json_value(value) for name, value in items if value is not ABSENT}
                file.write(f"{json_text(line)}\n")
        return target

    def to_parquet(
        self, path: str | PathLike[str], *, expand: bool = False, nodes: bool = False
    ) -> pathlib.Path:
        """Write a Parquet file with a row per instance, and return its path; columns as in `to_polars`.

        Raises:
            MissingExtraError: neither polars nor pyarrow is installed.
        """
        target, table = pathlib.Path(path), self._table(expand=expand, nodes=nodes)
        try:
            import polars as pl  # noqa: PLC0415 - optional
        except ImportError:
            _write_with_pyarrow(target, table)
        else:
            _polars_frame(pl, table).write_parquet(target)
        return target

    def _table(self, *, expand: bool, nodes: bool) -> Table:
        """Return the table; warns whoever called the caller about outputs that are lost."""
        columns = self._columns(nodes=nodes)
        table = table_of(columns, isolated=self._isolates(), expand=expand)
        if table.losses:
            warnings.warn(
                f"{len(table.losses):,} cells are empty because outputs are lost. {table.losses[0]}",
                stacklevel=3,
            )
        return table


def _pandas_frame(pd: Any, table: Table, index: Any) -> Any:
    count = len(table.indices)
    if index is None or len(index) != count:
        # A journal may lack rows that had not ended when its kernel died.
        index = pd.Index(range(count) if table.indices == list(range(count)) else table.indices)
    levels = index_names(index)
    names = [name for name in table.columns if name not in levels]
    types = {table.outcome[name]: _TYPES[name] for name in ("seconds", "attempts")}
    series = [_series(pd, table.columns[name], types.get(name)) for name in names]
    frame = pd.DataFrame(dict(enumerate(series)))
    frame.index = index.copy()  # renaming it later must not rename that of the run
    frame.columns = names
    return frame


def _series(pd: Any, values: Sequence[Any], dtype: type | None) -> Any:
    """Return values as a Series, of the dtype that pandas infers unless ints would change."""
    if dtype is not None:
        return pd.Series(values, dtype=dtype)
    series = pd.Series(values, dtype=object)
    # Some versions of pandas fail at an int that is too large for a float.
    inferred = or_none(series.infer_objects)
    if inferred is None or (
        inferred.dtype.kind == "f"
        and any(hasattr(value, "__index__") and abs(value) > EXACT for value in values)
    ):
        return series
    return inferred


def _typed_columns(table: Table) -> Iterator[tuple[str, type | None, list[Any]]]:
    """Yield the name, type and values of each column; see `typed_column`."""
    types = {table.outcome[name]: kind for name, kind in _TYPES.items()}
    names = text_names(table.columns)
    for name, (column, values) in zip(names, table.columns.items(), strict=True):
        kind, cells = typed_column(values)
        yield name, kind or types.get(column), cells


def _polars_frame(pl: Any, table: Table) -> Any:
    # Polars would take a column with no value in it for one without a type.
    types: dict[type | None, Any] = {str: pl.String, int: pl.Int64, float: pl.Float64}
    return pl.DataFrame(
        [
            pl.Series(name, cells, dtype=types.get(kind))
            for name, kind, cells in _typed_columns(table)
        ]
    )


def _write_with_pyarrow(target: pathlib.Path, table: Table) -> None:
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
        from pyarrow import parquet  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError(
            "to_parquet() needs polars or pyarrow. Install one with: pip install polars"
        ) from None
    columns = {name: pa.array(cells) for name, _, cells in _typed_columns(table)}
    parquet.write_table(pa.table(columns), target)
