"""Turn the user's param list into a `Batch`: rows of params, checked before anything runs.

A param list is a list or another iterable of mappings, one per instance; a generator or an async
generator; a pandas or polars DataFrame; or the `pathlib.Path` of a `.csv` or `.jsonl` file. If it has
a length, all rows are checked at once. The rows of a generator are checked as they are drawn, the
first one at once.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sized
from typing import Any, Union

from ..errors import BatchError, describe

Params = Mapping[Any, Any]
"""One row of a batch: the params of one instance."""

_EXAMPLE = 'Write a list of dicts, one per instance: [{"user_id": 1}, {"user_id": 2}]'


class Batch:
    """A checked batch: rows that are known in advance, or a generator that they are drawn from.

    Attributes:
        rows: the rows, if they are known in advance; None for a generator.
        value: what the flow's `post` receives: the user's object, or the rows of a frame or a file.
    """

    def __init__(
        self,
        value: object,
        rows: list[Params] | None = None,
        source: Iterator[Any] | None = None,
        async_source: AsyncIterator[Any] | None = None,
    ) -> None:
        self.value = value
        self.rows = rows
        self._source = source
        self._async_source = async_source
        self._drawn = 0

    @property
    def total(self) -> int | None:
        """The number of rows; None for a generator."""
        return None if self.rows is None else len(self.rows)

    @property
    def is_async(self) -> bool:
        """Whether the rows come from an async generator: `draw_async`, not `draw`."""
        return self._async_source is not None

    def draw(self) -> Params:
        """Return the next row of a generator.

        Raises:
            StopIteration: the generator is exhausted.
            BatchError: the row is not a mapping.
        """
        assert self._source is not None
        return self._checked(next(self._source))

    async def draw_async(self) -> Params:
        """Return the next row of an async generator.

        Raises:
            StopAsyncIteration: the generator is exhausted.
            BatchError: the row is not a mapping.
        """
        assert self._async_source is not None
        return self._checked(await self._async_source.__anext__())

    def _checked(self, row: object) -> Params:
        index = self._drawn
        self._drawn += 1
        return _check_row(row, index)

    async def close(self) -> None:
        """Close the generator, so that its `finally` blocks run now, not when it is garbage-collected."""
        source: Any = self._async_source if self._async_source is not None else self._source
        self._source = iter(())
        if hasattr(source, "aclose"):
            await source.aclose()
        elif hasattr(source, "close"):
            source.close()


BatchLike = Union[Iterable[Any], AsyncIterator[Any], "os.PathLike[str]", Batch]


def as_batch(value: Any) -> Batch:  # noqa: PLR0911 - one return per kind of batch
    """Check a param list and return it as a Batch.

    Raises:
        BatchError: it is not an iterable of mappings. The message names the index and the type found.
    """
    if isinstance(value, Batch):
        return value
    if isinstance(value, os.PathLike):
        rows = read_file(value)
        return Batch(rows, rows=rows)
    if (frame := _frame_rows(value)) is not None:
        return Batch(frame, rows=frame)
    _refuse_misleading_types(value)
    if hasattr(value, "__anext__"):
        return Batch(value, async_source=value)
    if hasattr(value, "__aiter__"):
        return Batch(value, async_source=aiter(value))
    iterator = _iterator(value)
    if isinstance(value, Sized):
        rows = list(iterator)
        if not {dict}.issuperset(map(type, rows)):
            for index, row in enumerate(rows):
                _check_row(row, index)
        return Batch(value, rows=rows)
    return _generator_batch(value, iterator)


def _generator_batch(value: Any, iterator: Iterator[Any]) -> Batch:
    # The first row is drawn now, so that a generator of something else is refused before a run starts.
    try:
        first = next(iterator)
    except StopIteration:
        return Batch(value, rows=[])
    try:
        _check_row(first, 0)
    except BatchError:
        if hasattr(iterator, "close"):
            iterator.close()
        raise
    return Batch(value, source=_PutBack(first, iterator))


class _PutBack:
    """An iterator whose first item was put back. Unlike `itertools.chain`, it can be closed."""

    def __init__(self, first: object, rest: Iterator[Any]) -> None:
        self._items = itertools.chain([first], rest)
        self._rest = rest

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._items)

    def close(self) -> None:
        if hasattr(self._rest, "close"):
            self._rest.close()


def _iterator(value: Any) -> Iterator[Any]:
    try:
        return iter(value)
    except TypeError:
        raise BatchError(
            f"The batch is {describe(value)}, not a list of dicts. {_EXAMPLE}."
        ) from None


def _refuse_misleading_types(value: object) -> None:
    """Refuse iterables that are not a list of rows, with a hint that fits the type."""
    if value is None:
        raise BatchError(f"The batch is None, not a list of dicts. {_EXAMPLE}.")
    if isinstance(value, Mapping):
        if value and all(isinstance(column, (list, tuple)) for column in value.values()):
            hint = "For every combination of these values, write flowmagic.grid(**values)"
        else:
            hint = "For a single instance, put it into a list: [{...}]"
        raise BatchError(f"The batch is one {type(value).__name__}, not a list of dicts. {hint}.")
    if isinstance(value, (str, bytes, bytearray)):
        hint = _EXAMPLE
        if isinstance(value, str) and value.endswith((".csv", ".jsonl")):
            hint = f"To read that file, give its path: pathlib.Path({value!r})"
        raise BatchError(f"The batch is {describe(value)}, not a list of dicts. {hint}.")
    if type(value).__name__ == "LazyFrame":
        raise BatchError(
            "The batch is a LazyFrame, whose rows are not computed yet. Write frame.collect()."
        )


def _check_row(row: object, index: int) -> Params:
    if isinstance(row, Mapping):
        _try_row(row, index)
        return row
    raise BatchError(
        f"Item {index} of the batch is {describe(row)}, not a dict of params. {_EXAMPLE}."
    )


def _try_row(row: Params, index: int) -> None:
    """Refuse a mapping whose items cannot be read, since it would fail in the middle of the run."""
    if type(row) is dict:
        return
    try:
        _ = {**row}
    except Exception as error:
        raise BatchError(
            f"Item {index} of the batch is {describe(row)}, whose items cannot be read "
            f"({type(error).__name__}: {error}). Make a plain dict of it first."
        ) from error


def _frame_rows(value: object) -> list[Params] | None:
    """Return the rows of a pandas or polars DataFrame, without importing either; None for others."""
    for base in type(value).__mro__:
        if base.__name__ == "DataFrame":
            package = base.__module__.partition(".")[0]
            if package == "pandas":
                return list(value.to_dict(orient="records"))  # type: ignore[attr-defined]
            if package == "polars":
                return list(value.to_dicts())  # type: ignore[attr-defined]
    return None


def read_file(path: os.PathLike[str] | str) -> list[Params]:
    """Read a batch from a `.csv` file (a header, then one row per instance) or a `.jsonl` file.

    Values from CSV are text, unchanged ("007" stays "007"). Values from JSON Lines keep their types.

    Raises:
        BatchError: the file has another extension, or a line is malformed. The message names the line.
        OSError: the file cannot be read.
    """
    name = os.fsdecode(path)
    extension = os.path.splitext(name)[1].lower()
    try:
        if extension == ".csv":
            return _read_csv(name)
        if extension in (".jsonl", ".ndjson"):
            return _read_jsonl(name)
    except UnicodeDecodeError as error:
        raise BatchError(f"{name}: not text in UTF-8 ({error}).") from None
    raise BatchError(f"The file {name!r} ends neither in .csv nor in .jsonl.")


def _read_csv(name: str) -> list[Params]:
    # utf-8-sig: spreadsheets write a byte-order mark, which would otherwise be part of the first key.
    with open(name, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        rows: list[Params] = []
        try:
            header = reader.fieldnames or ()
            if len(set(header)) < len(header):
                # One of the columns would be lost silently.
                twice = next(key for key in header if header.count(key) > 1)
                raise BatchError(f"{name}, line 1: the header names {twice!r} twice.")
            for row in reader:
                if None in row or None in row.values():
                    raise BatchError(
                        f"{name}, line {reader.line_num}: not as many values as the header has "
                        f"names ({len(header)})."
                    )
                rows.append(row)
        except csv.Error as error:
            raise BatchError(f"{name}, line {reader.line_num}: not CSV ({error}).") from None
        return rows


def _read_jsonl(name: str) -> list[Params]:
    rows: list[Params] = []
    with open(name, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BatchError(f"{name}, line {number}: not JSON ({error}).") from None
            if not isinstance(row, dict):
                raise BatchError(
                    f"{name}, line {number}: {describe(row)}, not a dict of params. "
                    'Each line is one object: {"user_id": 1}'
                )
            rows.append(row)
    return rows


def grid(**values: Iterable[Any]) -> list[dict[str, Any]]:
    """Return every combination of values, as a list of param dicts. The last name varies fastest.

    A string or a number is one value: `grid(model="a", temperature=[0, 1])` gives two rows.

    >>> grid(model=["a", "b"], temperature=[0, 1])[1]
    {'model': 'a', 'temperature': 1}
    """
    columns = [_values(value) for value in values.values()]
    return [dict(zip(values, row, strict=True)) for row in itertools.product(*columns)]


def _values(value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return [value]
    return list(value)
