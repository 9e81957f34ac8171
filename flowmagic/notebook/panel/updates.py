"""Sends the state of a panel: all of it, or what has changed since the last message.

The whole state is sent as traits, which reach a page even before its view exists. Deltas are sent
between two such pushes. No message needs an answer: a kernel that is busy with a cell receives none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...records.store import RecordStore
from .failure_groups import FailureGroups
from .graph import GraphState
from .header import SentHeader
from .packing import pack_rows
from .protocol import Delta, Header
from .queries import Queries
from .ticker import Ticker

_PUSHES = (0.3, 1.0, 3.0)  # seconds after the start of a run; then every _PUSH_EVERY
_PUSH_EVERY = 5.0
_FIRST_PUSH = 0.1  # for pages that were not ready for the deltas when a panel was new
_PUSH_ROWS = 1_000  # average rows per second in pushes, 12 kB; deltas take up to about 45 kB
_MAX_ROWS = 4_096  # rows packed into one delta, which takes some milliseconds
_EMPTY = 2  # entries of a delta without content


class Updates:
    """Sends a push or a delta at each tick.

    Args:
        ticker: of the panel; calls this object at each tick.
        records: returns the records that are shown.
        header: returns the current header.
        running: returns whether a run is shown that has not ended.
        queries: have the answers for the pages.
        graph: has the counts of the graph.
        failures: returns the failed rows, grouped.
        push: sends the whole state.
        send: sends a delta and its buffers.

    Attributes:
        seq: the number of the latest message.
        changed: the rows whose state has changed; the records add to it.
        limits_due: whether a page waits for the outcome of a change to a named limit.
    """

    def __init__(
        self,
        ticker: Ticker,
        *,
        records: Callable[[], RecordStore],
        header: Callable[[], Header],
        running: Callable[[], bool],
        queries: Queries,
        graph: GraphState,
        failures: Callable[[], FailureGroups],
        push: Callable[[], None],
        send: Callable[[Delta, list[Any] | None], None],
    ) -> None:
        self.seq = 0
        self.changed: set[int] = set()
        self.limits_due = False
        self._ticker = ticker
        self._records = records
        self._header = header
        self._running = running
        self._queries = queries
        self._graph = graph
        self._failures = failures
        self._push = push
        self._send = send
        self._sent_header = SentHeader()
        self._pushes: list[float] = []
        self._push_due = False
        ticker.on_tick = self._flush

    def start(self, *, is_sent: bool = False) -> None:
        """Send the whole state, unless it `is_sent` already, and keep sending until the run has ended."""
        if self._ticker.has_loop:
            now = self._ticker.now()
            pushes = (_FIRST_PUSH, *_PUSHES) if is_sent else _PUSHES
            self._pushes = [now + after for after in pushes]
        self._ticker.live = True
        if is_sent:
            self._mark_sent()
            self._ticker.request_tick()
        else:
            self.push_soon()

    def push_soon(self) -> None:
        """Send the whole state at the next tick."""
        self._push_due = True
        self._ticker.request_tick()

    def _flush(self) -> None:
        """Send what is due, and request the next tick while more will follow."""
        ticker, now = self._ticker, self._ticker.now()
        if self._pushes and now >= self._pushes[0]:
            self._pushes = [at for at in self._pushes if at > now]
            self._push_due = True
        n = len(self._records())
        if self._queries.varying.look():
            self._push_due = True
        if self._push_due or len(self.changed) > max(_MAX_ROWS, n // 4):
            self.push()
        else:
            self._send_delta()
        if ticker.has_loop and self._running():
            if not self._pushes:
                self._pushes = [now + max(_PUSH_EVERY, n / _PUSH_ROWS)]
            ticker.request_tick()
            return
        self._pushes = []
        ticker.live = False
        queries = self._queries
        unsent = self.changed or queries.varying.unfinished or queries.has_answers
        if (unsent or self._graph.has_changes) and ticker.has_loop:
            ticker.request_tick()

    def push(self) -> None:
        """Send the whole state now."""
        self._push_due = False
        self.seq += 1
        self._queries.mark_changed(self.changed)
        self._graph.mark_changed(self.changed)
        self._failures().mark_changed(self.changed)
        self.changed.clear()
        self.limits_due = False
        self._push()
        self._mark_sent()
        if self._queries.has_answers:
            self._ticker.request_tick()

    def _mark_sent(self) -> None:
        """Note that the whole state has been sent."""
        self._sent_header.mark_sent(self._header(), self._ticker.now())
        self._graph.mark_sent()
        self._queries.mark_pushed()

    def _send_delta(self) -> None:
        changed = self.changed
        rows = [changed.pop() for _ in range(min(len(changed), _MAX_ROWS))]
        self._failures().mark_changed(rows)
        header, now = self._header(), self._ticker.now()
        changes = self._sent_header.take_changes(header, now, limits_due=self.limits_due)
        self.limits_due = False
        delta: Delta = {"type": "delta", "seq": self.seq + 1}
        if changes or rows:
            delta["header"] = {**changes, "elapsed": header["elapsed"]}
        packed = [("changed", pack_rows(self._records(), rows))] if rows else []
        self._queries.mark_changed(rows)
        packed += self._queries.add_answers(delta)
        self._graph.mark_changed(rows)
        if counts := self._graph.take_changes(now):
            delta["graph"] = counts
        if len(delta) == _EMPTY and not packed:
            return
        self.seq += 1
        if packed:
            delta["packed"] = [name for name, _ in packed]
        self._send(delta, [buffer for _, buffer in packed] or None)
