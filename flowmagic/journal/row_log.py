"""The rows of a run as its journal holds them before they run: the params of each, and their key.

Rows that are known in advance are all written, beside the run, so that the file knows the whole batch
though the kernel dies. Those of a generator are written with their instance. Either way a row is
taken down before it starts: a node may change what stands in its params.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..records.status import PENDING
from ..records.store import RecordStore

_SLICE = 0.001  # seconds of the loop's time at once,
_SHARE = 0.25  # and this share of it in the long run
_TOGETHER = 500  # rows to be written at once: to wake the writer for each slice would be felt


class Row(NamedTuple):
    """The params of a row as text, and what it is known by; None where they have no form."""

    key: str | None
    params: str | None


class RowLog:
    """Takes down the rows of one run, on its loop.

    Args:
        read: makes a `Row` of merged params.
        write: has rows written, each with its index.
    """

    def __init__(
        self,
        records: RecordStore,
        loop: asyncio.AbstractEventLoop,
        *,
        read: Callable[[Mapping[Any, Any]], Row],
        write: Callable[[list[tuple[int, Row]]], None],
        keeps_keys: bool,
    ) -> None:
        self._records = records
        self._loop = loop
        self._read = read
        self._write = write
        self._keys: dict[int, str | None] | None = {} if keeps_keys else None
        self._all = 0
        """How many rows are known in advance."""
        self._next = 0
        """Which of them is the next one to be taken down."""
        self._taken: list[tuple[int, Row]] = []
        """Those that were taken down and wait for others to be written with."""
        self._held: dict[int, Row] = {}
        """Rows that are to be written with their instance."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin to write the rows that are known in advance."""
        self._all = len(self._records)
        self._go_on()

    def starts(self, index: int) -> None:
        """Take down a row that is about to start, if that was not done already."""
        while self._next <= index < self._all:
            self._slice()
        if self._taken and self._taken[0][0] <= index:
            self._flush()
        if index >= self._all and index not in self._held:
            row = self._read(self._records.merged(index))
            self._held[index] = row
            if self._keys is not None:
                self._keys[index] = row.key

    def key(self, index: int) -> str | None:
        """Return, once, what a row is known by; only where keys are kept."""
        self.starts(index)
        return None if self._keys is None else self._keys.pop(index, None)

    def held(self, index: int) -> Row | None:
        """Return, once, a row that is to be written with its instance; None: it is in the file."""
        return self._held.pop(index, None)

    async def all(self) -> None:
        """Take down all that are left, in slices, and have them written."""
        while self._next < self._all:
            self._slice()
            await asyncio.sleep(0)
        self._flush()

    def close(self) -> None:
        """Take down no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        self._timer = None
        began = time.perf_counter()
        self._slice()
        if self._next < self._all:
            wait = (time.perf_counter() - began) * (1 / _SHARE - 1)
            self._timer = self._loop.call_later(wait, self._go_on)

    def _slice(self) -> None:
        until = time.perf_counter() + _SLICE
        while self._next < self._all:
            index = self._next
            row = self._read(self._records.merged(index))
            self._taken.append((index, row))
            if self._keys is not None and self._records.status[index] == PENDING:
                self._keys[index] = row.key
            self._next += 1
            if time.perf_counter() > until:
                break
        if len(self._taken) >= _TOGETHER or self._next == self._all:
            self._flush()

    def _flush(self) -> None:
        taken, self._taken = self._taken, []
        if taken:
            self._write(taken)
