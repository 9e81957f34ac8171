"""Writes the params of each row to the journal before the row starts.

The rows of a list are known in advance. All of them are written while the run goes on, so that the
file holds the whole batch although the kernel may die. A row of a generator is written together with
its instance, when that ends. Both are encoded before the row starts, since a node may change its
params.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..records.status import PENDING
from ..records.store import RecordStore
from .resume import Match

_SLICE = 0.001  # seconds of the loop's time at once,
_SHARE = 0.25  # and this share of it in the long run
_CHUNK = 500  # rows to write at once: waking the writer for each slice would cost too much


class Row(NamedTuple):
    """A row as it is written.

    Attributes:
        key: identifies its params, see `row_key`; None if they cannot be stored.
        params: the params as text; None if they cannot be stored.
    """

    key: str | None
    params: str | None


class RowLog:
    """Encodes the rows of one run, each once, and has them written.

    All calls are made on the run's loop. The rows of a list are encoded in slices of a millisecond,
    from `begin` on, or earlier where a row is about to start.

    Args:
        records: hold the rows.
        encode: returns the `Row` of merged params.
        write: takes rows to write, each with its index; a Match stands for a row that need not be
            written since it is that of an earlier run.
        match: returns the Match of a row with this key, to resume; None if it has none.
    """

    def __init__(
        self,
        records: RecordStore,
        loop: asyncio.AbstractEventLoop,
        *,
        encode: Callable[[Mapping[Any, Any]], Row],
        write: Callable[[list[tuple[int, Row | Match]]], None],
        match: Callable[[str], Match | None] | None,
    ) -> None:
        self._records = records
        self._loop = loop
        self._encode = encode
        self._write = write
        self._match = match
        self._matches: dict[int, Match] = {}
        """The rows of a list that were found in an earlier run, and neither restored nor started."""
        self._known = 0
        """How many rows are known in advance."""
        self._next = 0
        """The next of these rows to encode."""
        self._chunk: list[tuple[int, Row | Match]] = []
        """Encoded rows that are to be written with the next ones."""
        self._with_instance: dict[int, Row] = {}
        """Encoded rows of a generator."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start writing the rows that are known in advance."""
        self._known = len(self._records)
        self._encode_and_schedule()

    def starts(self, index: int) -> None:
        """Encode a row that is about to start, unless that was done before."""
        if self.take_match(index) is not None:
            self.write(index)

    def take_match(self, index: int) -> Match | None:
        """Return the row of an earlier run that a row was found to be; None the next time.

        If that cannot be restored, `write` has to be called before the row starts.
        """
        while self._next <= index < self._known:
            self._encode_slice()
        if self._chunk and self._chunk[0][0] <= index:
            self._flush()
        if index >= self._known and index not in self._with_instance:
            self._with_instance[index] = row = self._encode(self._records.merged(index))
            return self._matching(row)
        return self._matches.pop(index, None)

    def write(self, index: int) -> None:
        """Write a row of a list that was not written, since it was found to be one of an earlier run."""
        if index < self._known:
            self._write([(index, self._encode(self._records.merged(index)))])

    def take_row(self, index: int) -> Row | None:
        """Return a row to write with its instance; None the next time, and for a row of a list."""
        return self._with_instance.pop(index, None)

    async def write_all(self) -> None:
        """Encode and write all rows that are left, in slices."""
        while self._next < self._known:
            self._encode_slice()
            await asyncio.sleep(0)
        self._flush()

    def close(self) -> None:
        """Encode no more rows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _encode_and_schedule(self) -> None:
        self._timer = None
        began = time.perf_counter()
        self._encode_slice()
        if self._next < self._known:
            wait = (time.perf_counter() - began) * (1 / _SHARE - 1)
            self._timer = self._loop.call_later(wait, self._encode_and_schedule)

    def _encode_slice(self) -> None:
        until = time.perf_counter() + _SLICE
        while self._next < self._known:
            index = self._next
            row = self._encode(self._records.merged(index))
            match = self._matching(row) if self._records.status[index] == PENDING else None
            if match is not None:
                self._matches[index] = match
            self._chunk.append((index, row if match is None or match.incomplete else match))
            self._next += 1
            if time.perf_counter() > until:
                break
        if len(self._chunk) >= _CHUNK or self._next == self._known:
            self._flush()

    def _matching(self, row: Row) -> Match | None:
        return None if self._match is None or row.key is None else self._match(row.key)

    def _flush(self) -> None:
        rows, self._chunk = self._chunk, []
        if rows:
            self._write(rows)
