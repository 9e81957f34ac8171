"""Writes the params of each row to the journal before the row starts, and that it is about to start.

The rows of a list are known in advance. All of them are written while the run goes on, so that the
file holds the whole batch although the kernel may die. A row of a generator is written when it is about
to start. Both are encoded before the row starts, since a node may change its params.

A row starts only when the file says that it is about to. So after its kernel has died, the file marks each
row that may have been paid for although its end is not known. These rows are in doubt.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..records.instances import Instance
from ..records.status import PENDING, Status
from ..records.store import RecordStore
from .outbox import Outbox
from .resume import Match
from .row_ranges import RangeLog, RowRange
from .statements import Statement

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
    "(:run, ?, ?, ?, 'pending', 0)",
)
_STARTED = Statement(
    "INSERT INTO instances (run, position, key, status, attempts) VALUES",
    "(:run, ?, '', 'running', ?)",
    "ON CONFLICT (run, position) DO UPDATE SET status = 'running', attempts = excluded.attempts"
    # While nothing can be written, an attempt may end before its start is written.
    " WHERE instances.attempts < excluded.attempts",
)
_ENDED = Statement(
    "INSERT INTO instances VALUES",
    "(:run, ?, '', NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    # A row that is in the file keeps its key and its params, which are those from before it ran.
    "ON CONFLICT (run, position) DO UPDATE SET status = excluded.status,"
    " attempts = excluded.attempts, started = excluded.started, ended = excluded.ended,"
    " copies = excluded.copies, result = excluded.result, unwritten = excluded.unwritten,"
    " error = excluded.error, printed = excluded.printed, writes = excluded.writes,"
    " output = excluded.output, earlier_outputs = excluded.earlier_outputs,"
    " assigned = excluded.assigned",
    is_end=True,
)
_WITHDRAWN = Statement(
    "UPDATE instances SET status = ?, attempts = ? WHERE run = ? AND position = ?"
)
_RANGE = Statement(
    "INSERT OR REPLACE INTO ranges (run, is_restored, first, size, source, source_first)"
    " VALUES ((SELECT number FROM runs WHERE id = ?), ?, ?, ?, ?, ?)"
)


class RowLog:
    """Encodes the rows of one run, each once, and has them written.

    All calls are made on the run's loop. The rows of a list are encoded in slices of a millisecond,
    from `begin` on, or earlier where a row is about to start.

    Args:
        run: id of the run.
        records: hold the rows.
        encode: returns the `Row` of merged params.
        match: returns the Match of a row with this key, to resume; None if it has none. A row that can
            be restored is not written, but refers to the earlier one.
    """

    def __init__(
        self,
        run: str,
        records: RecordStore,
        outbox: Outbox,
        loop: asyncio.AbstractEventLoop,
        *,
        encode: Callable[[Mapping[Any, Any]], Row],
        match: Callable[[str], Match | None] | None,
    ) -> None:
        self._run = run
        self._pending, self._started, self._ended = (
            each.of_run(run) for each in (_PENDING, _STARTED, _ENDED)
        )
        self._records = records
        self._outbox = outbox
        self._loop = loop
        self._encode = encode
        self._match = match
        self._matches: dict[int, Match] = {}
        """The rows of a list that were found in an earlier run, and neither restored nor started."""
        self._known = 0
        """How many rows are known in advance."""
        self._next = 0
        """The next of these rows to encode."""
        self._chunk: list[tuple[int, Row | Match]] = []
        """Encoded rows that are to be written with the next ones."""
        self._drawn: dict[int, Row] = {}
        """Rows of a generator that have not ended."""
        self._recognised = RangeLog(functools.partial(self._write_range, is_restored=False))
        self._restored = RangeLog(functools.partial(self._write_range, is_restored=True))
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start writing the rows that are known in advance."""
        self._known = len(self._records)
        self._encode_and_schedule()

    def take_match(self, index: int) -> Match | None:
        """Return the row of an earlier run that a row was found to be; None the next time.

        If it can be restored but cannot be read, `write` has to be called before the row starts.
        """
        while self._next <= index < self._known:
            self._encode_slice()
        if self._chunk and self._chunk[0][0] <= index:
            self._flush()
        if index >= self._known and index not in self._drawn:
            self._drawn[index] = row = self._encode(self._records.merged(index))
            return self._matching(row)
        return self._matches.pop(index, None)

    def write(self, index: int) -> None:
        """Write a row of a list that was not written, since it was found to be one of an earlier run."""
        if index < self._known:
            self._write_row(index, self._encode(self._records.merged(index)))

    def starts(self, index: int) -> None:
        """Write that a row is about to start. It may start when `Outbox.settled` has returned."""
        attempt = self._records.earlier[index] + 1
        if attempt == 1:
            if self.take_match(index) is not None:
                self.write(index)
            if index in self._drawn:
                self._write_drawn(index, self._drawn[index])
                self._drawn[index] = _IN_THE_FILE
        self._outbox.put_last(self._started, index, attempt)

    def withdraw(self, index: int) -> None:
        """Write that a row does not start now after all, after `starts`."""
        instance = Instance(self._records, index)
        waits_for_retry = instance.status == Status.PENDING and instance.history
        status = instance.history[-1].status if waits_for_retry else instance.status
        self._outbox.put_last(_WITHDRAWN, str(status), instance.attempts, self._run, index)

    def restored(self, index: int, source: int, position: int) -> None:
        """Write that a row has the outcome of another one, given by the number of its run and its index."""
        self._drawn.pop(index, None)
        # Once per turn of the loop, as in the outbox.
        if self._restored.add(index, source, position):
            self._loop.call_soon(self._restored.flush)

    def flush_restored(self) -> None:
        """Hand over the restored rows of this turn of the loop."""
        self._restored.flush()

    def ended(self, index: int, columns: Iterable[Any]) -> None:
        """Write an instance that has ended; its columns are those from `status` on."""
        self._write_drawn(index, self._drawn.pop(index, _IN_THE_FILE))
        self._outbox.put(self._ended, index, *columns)

    def _write_drawn(self, index: int, row: Row) -> None:
        if row is not _IN_THE_FILE:
            self._outbox.put(self._pending, index, row.key or "", row.params)

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
            self._chunk.append((index, match if match is not None and match.succeeded else row))
            self._next += 1
            if time.perf_counter() > until:
                break
        if len(self._chunk) >= _CHUNK or self._next == self._known:
            self._flush()

    def _matching(self, row: Row) -> Match | None:
        return None if self._match is None or row.key is None else self._match(row.key)

    def _flush(self) -> None:
        rows, self._chunk = self._chunk, []
        for index, row in rows:
            if isinstance(row, Match):
                self._recognised.add(index, row.number, row.position)
            else:
                self._write_row(index, row)
        self._recognised.flush()

    def _write_row(self, index: int, row: Row) -> None:
        # Not waited for: no slot depends on a row that has not started.
        self._outbox.send(self._pending, index, row.key or "", row.params)

    def _write_range(self, rows: RowRange, *, is_restored: bool) -> None:
        self._outbox.put(_RANGE, self._run, is_restored, *rows)
