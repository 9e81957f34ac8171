"""Turn the user's param list into a `Batch`: rows of params, checked before anything runs.

A param list is a list or another iterable of rows, one per instance; a generator or an async
generator; a pandas or polars DataFrame (`frame_rows`); or the `pathlib.Path` of a `.csv` or `.jsonl`
file (`file_rows`). A row is a mapping, or a record with named fields (`row`). If the list has a
length, all rows are checked at once. The rows of a generator are checked as they are drawn, the first
one at once.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sized
from typing import Any, Union

from ..errors import BatchError, describe
from ..text.redact import fields_of
from .file_rows import rows_of_file
from .frame_rows import rows_of_frame
from .row import EXAMPLE, as_row
from .trace import Params


class Batch:
    """A checked batch: rows that are known in advance, or a generator that they are drawn from.

    Attributes:
        rows: the rows, if they are known in advance; None for a generator.
        value: what the flow's `post` receives: the user's object, or the rows of a frame or a file.
        index: the index of the pandas DataFrame that the rows come from, which DataFrames of the run
            have, too; None for other batches.
    """

    def __init__(
        self,
        value: object,
        rows: list[Params] | None = None,
        source: Iterator[Any] | None = None,
        async_source: AsyncIterator[Any] | None = None,
        index: Any = None,
        *,
        text_param: str = "",
    ) -> None:
        self.value = value
        self.rows = rows
        self.index = index
        self._source = source
        self._async_source = async_source
        self._text_param = text_param
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
            BatchError: it is not a row.
        """
        assert self._source is not None
        return self._checked(next(self._source))

    async def draw_async(self) -> Params:
        """Return the next row of an async generator.

        Raises:
            StopAsyncIteration: the generator is exhausted.
            BatchError: it is not a row.
        """
        assert self._async_source is not None
        return self._checked(await self._async_source.__anext__())

    def _checked(self, row: object) -> Params:
        self._drawn += 1
        return as_row(row, self._drawn - 1, self._text_param)

    async def close(self) -> None:
        """Close the generator, so that its `finally` blocks run now, not when it is garbage-collected."""
        source: Any = self._async_source if self._async_source is not None else self._source
        self._source = iter(())
        if hasattr(source, "aclose"):
            await source.aclose()
        elif hasattr(source, "close"):
            source.close()


_ONE_ROW = "For a single instance, put it into a list: [{...}]"

BatchLike = Union[Iterable[Any], AsyncIterator[Any], "os.PathLike[str]", Batch]


def as_batch(value: Any, text_param: str = "") -> Batch:  # noqa: PLR0911 - one return per kind of batch
    """Check a param list and return it as a Batch.

    Args:
        text_param: the param that an item is if it is a string; "": such an item is no row.

    Raises:
        BatchError: it is not an iterable of rows. The message says what was found, and what to write.
    """
    if isinstance(value, Batch):
        return value
    if isinstance(value, os.PathLike):
        rows = rows_of_file(value)
        return Batch(rows, rows=rows)
    if (frame := rows_of_frame(value)) is not None:
        return Batch(frame.rows, rows=frame.rows, index=frame.index)
    _refuse_misleading_types(value)
    if hasattr(value, "__anext__"):
        return Batch(value, async_source=value, text_param=text_param)
    if hasattr(value, "__aiter__"):
        return Batch(value, async_source=aiter(value), text_param=text_param)
    iterator = _iterator(value)
    if isinstance(value, Sized):
        rows = list(iterator)
        if not {dict}.issuperset(map(type, rows)):
            rows = [as_row(row, index, text_param) for index, row in enumerate(rows)]
        return Batch(value, rows=rows)
    return _generator_batch(value, iterator, text_param)


def _generator_batch(value: Any, iterator: Iterator[Any], text_param: str) -> Batch:
    # The first row is drawn now, so that a generator of something else is refused before a run starts.
    try:
        first = next(iterator)
    except StopIteration:
        return Batch(value, rows=[])
    try:
        as_row(first, 0, text_param)
    except BatchError:
        if hasattr(iterator, "close"):
            iterator.close()
        raise
    return Batch(value, source=_PutBack(first, iterator), text_param=text_param)


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
        hint = EXAMPLE if fields_of(value) is None else _ONE_ROW
        raise BatchError(f"The batch is {describe(value)}, not a list of dicts. {hint}.") from None


def _refuse_misleading_types(value: object) -> None:
    """Refuse iterables that are not a list of rows, with a hint that fits the type."""
    if value is None:
        raise BatchError(f"The batch is None, not a list of dicts. {EXAMPLE}.")
    if isinstance(value, Mapping):
        if value and all(isinstance(column, (list, tuple)) for column in value.values()):
            hint = "For every combination of these values, write flowmagic.grid(**values)"
        else:
            hint = _ONE_ROW
        raise BatchError(f"The batch is one {type(value).__name__}, not a list of dicts. {hint}.")
    if isinstance(value, (str, bytes, bytearray)):
        hint = EXAMPLE
        if isinstance(value, str) and value.endswith((".csv", ".jsonl")):
            hint = f"To read that file, give its path: pathlib.Path({value!r})"
        raise BatchError(f"The batch is {describe(value)}, not a list of dicts. {hint}.")


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
