"""Writes the params of each row to the journal before the row starts, and that it is about to start.

The rows of a list are known in advance. All of them are written while the run goes on, so that the
file holds the whole batch although the kernel may die. A row of a generator is written when it is about
to start, or together with its instance if that was restored. Both are encoded before the row starts,
since a node may change its params.

A row starts only when the file says that it is about to. So after its kernel has died, the file marks each
row that may have been paid for although its end is not known. These rows are in doubt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..records.instances import Instance
from ..records.status import PENDING, Status
from ..records.store import RecordStore
from .outbox import Outbox
from .writer import Statement

_SLICE = 0.001  # seconds of the loop's time at once,
_SHARE = 0.25  # and this share of it in the long run
_CHUNK = 500  # rows to write at once: waking the writer for each slice would cost too much


class Row(NamedTuple):
    """A row as it is written.

    Attributes:
        key: identifies its params, see `row_key`; None if nothing does.
        params: the params as text; None if they cannot be stored.
    """

    key: str | None
    params: str | None


_IN_THE_FILE = Row(None, None)
"""Stands for a row that was written before."""

_PENDING = Statement(
    "INSERT OR IGNORE INTO instances (run, position, key, params, status, attempts) VALUES",
    "(?, ?, ?, ?, 'pending', 0)",
)
_STARTED = Statement(
    "INSERT INTO instances (run, position, key, params, status, attempts) VALUES",
    "(?, ?, ?, ?, 'running', ?)",
    "ON CONFLICT (run, position) DO UPDATE SET status = 'running', attempts = excluded.attempts"
    # While nothing can be written, an attempt may end before its start is written.
    " WHERE instances.attempts < excluded.attempts",
)
_WITHDRAWN = Statement(
    "UPDATE instances SET status = ?, attempts = ? WHERE run = ? AND position = ?"
)


class RowLog:
    """Encodes the rows of one run, each once, and has them written.

    All calls are made on the run's loop. The rows of a list are encoded in slices of a millisecond,
    from `begin` on, or earlier where a row is about to start.

    Args:
        run: id of the run.
        records: hold the rows.
        encode: returns the `Row` of merged params.
        keep_keys: whether `take_key` will be called for the rows, to resume.
    """

    def __init__(
        self,
        run: str,
        records: RecordStore,
        outbox: Outbox,
        loop: asyncio.AbstractEventLoop,
        *,
        encode: Callable[[Mapping[Any, Any]], Row],
        keep_keys: bool,
    ) -> None:
        self._run = run
        self._records = records
        self._outbox = outbox
        self._loop = loop
        self._encode = encode
        self._keys: dict[int, str | None] | None = {} if keep_keys else None
        self._known = 0
        """How many rows are known in advance."""
        self._next = 0
        """The next of these rows to encode."""
        self._chunk: list[tuple[int, Row]] = []
        """Encoded rows that are to be written with the next ones."""
        self._with_instance: dict[int, Row] = {}
        """Encoded rows of a generator that are not written yet."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start writing the rows that are known in advance."""
        self._known = len(self._records)
        self._encode_and_schedule()

    def starts(self, index: int) -> None:
        """Write that a row is about to start. It may start when `Outbox.settled` has returned."""
        attempt = self._records.earlier[index] + 1
        row = None
        if attempt == 1:
            self._encode_row(index)
            row = self._with_instance.pop(index, None)
        key, params = row or _IN_THE_FILE
        self._outbox.put_last(_STARTED, self._run, index, key or "", params, attempt)

    def withdraw(self, index: int) -> None:
        """Write that a row does not start now after all, after `starts`."""
        instance = Instance(self._records, index)
        waits_for_retry = instance.status == Status.PENDING and instance.history
        status = instance.history[-1].status if waits_for_retry else instance.status
        self._outbox.put_last(_WITHDRAWN, str(status), instance.attempts, self._run, index)

    def _encode_row(self, index: int) -> None:
        """Encode a row, unless that was done before."""
        while self._next <= index < self._known:
            self._encode_slice()
        if self._chunk and self._chunk[0][0] <= index:
            self._flush()
        if index >= self._known and index not in self._with_instance:
            row = self._encode(self._records.merged(index))
            self._with_instance[index] = row
            if self._keys is not None:
                self._keys[index] = row.key

    def take_key(self, index: int) -> str | None:
        """Return the key of a row; None the next time, and where keys are not kept."""
        self._encode_row(index)
        return None if self._keys is None else self._keys.pop(index, None)

    def take_row(self, index: int) -> Row:
        """Return a row to write with its instance; without content if it was written before."""
        return self._with_instance.pop(index, _IN_THE_FILE)

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
            self._chunk.append((index, row))
            if self._keys is not None and self._records.status[index] == PENDING:
                self._keys[index] = row.key
            self._next += 1
            if time.perf_counter() > until:
                break
        if len(self._chunk) >= _CHUNK or self._next == self._known:
            self._flush()

    def _flush(self) -> None:
        rows, self._chunk = self._chunk, []
        for index, row in rows:
            # Not waited for: no slot depends on a row that has not started.
            self._outbox.send(_PENDING, self._run, index, row.key or "", row.params)
