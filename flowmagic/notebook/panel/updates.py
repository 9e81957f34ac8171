"""What a panel sends, and how much of it: everything, or what has changed since.

Everything goes as traits, which reach a page even before its view is there; between two such pushes
deltas go, each with what is news. Nothing that goes out needs an answer, since a kernel that is busy
with a cell does not hear any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...records.store import RecordStore
from .graph import GraphState
from .header import News
from .packing import pack_rows
from .protocol import Delta, Header
from .queries import Queries
from .ticker import Ticker

_PUSHES = (0.3, 1.0, 3.0)  # seconds after a run began; then every _PUSH_EVERY
_PUSH_EVERY = 5.0
_PUSH_ROWS = 1_000  # per second, at most, on average: 12 kB, beside some 45 of deltas
_MOST_ROWS = 4_096  # rows packed into one delta: packing them takes some milliseconds
_EMPTY = 2  # entries of a delta that tells nothing


class Updates:
    """Sends the state of a panel, with each beat of its pulse.

    Args:
        pulse: of the panel; its beats are taken.
        records: gives the records that are shown at that moment.
        header: gives the header of that moment.
        goes_on: tells whether a run is shown that has not ended.
        asked: has what pages have asked for.
        graph: has the counts of the graph.
        push: sends everything.
        send: sends a delta and its buffers.

    Attributes:
        seq: the number of the latest message.
        changed: the rows whose state has changed; records fill it.
        limits_due: whether a page waits to see what became of a named limit.
    """

    def __init__(
        self,
        ticker: Ticker,
        *,
        records: Callable[[], RecordStore],
        header: Callable[[], Header],
        goes_on: Callable[[], bool],
        asked: Queries,
        graph: GraphState,
        push: Callable[[], None],
        send: Callable[[Delta, list[Any] | None], None],
    ) -> None:
        self.seq = 0
        self.changed: set[int] = set()
        self.limits_due = False
        self._ticker = ticker
        self._records = records
        self._header = header
        self._goes_on = goes_on
        self._asked = asked
        self._graph = graph
        self._push = push
        self._send = send
        self._news = News()
        self._pushes: list[float] = []
        self._push_due = False
        ticker.beat = self._flush

    def begin(self) -> None:
        """Send all there is, and keep sending while the run has not ended."""
        if self._ticker.goes_on:
            now = self._ticker.now()
            self._pushes = [now + after for after in _PUSHES]
        self._ticker.live = True
        self.push_soon()

    def push_soon(self) -> None:
        """Send everything at the next beat."""
        self._push_due = True
        self._ticker.ask()

    def _flush(self) -> None:
        """Send what there is to send, and ask for the next beat while there will be more."""
        ticker, now = self._ticker, self._ticker.now()
        if self._pushes and now >= self._pushes[0]:
            self._pushes = [at for at in self._pushes if at > now]
            self._push_due = True
        n = len(self._records())
        if self._asked.varying.look():
            self._push_due = True
        if self._push_due or len(self.changed) > max(_MOST_ROWS, n // 4):
            self.push()
        else:
            self._send_delta()
        if ticker.goes_on and self._goes_on():
            if not self._pushes:
                self._pushes = [now + max(_PUSH_EVERY, n / _PUSH_ROWS)]
            ticker.ask()
            return
        self._pushes = []
        ticker.live = False
        waiting = self._asked.varying.behind or self._graph.waiting
        if (self.changed or waiting) and ticker.goes_on:
            ticker.ask()

    def push(self) -> None:
        """Send everything, now."""
        self._push_due = False
        self.seq += 1
        self._asked.note(self.changed)
        self._graph.note(self.changed)
        self.changed.clear()
        self.limits_due = False
        self._news.all_sent(self._header(), self._ticker.now())
        self._graph.all_sent()
        self._push()
        if self._asked.waiting:
            self._ticker.ask()

    def _send_delta(self) -> None:
        changed = self.changed
        rows = [changed.pop() for _ in range(min(len(changed), _MOST_ROWS))]
        header, now = self._header(), self._ticker.now()
        news = self._news.take(header, now, soon=not self.limits_due)
        self.limits_due = False
        delta: Delta = {"type": "delta", "seq": self.seq + 1}
        if news or rows:
            delta["header"] = {**news, "elapsed": header["elapsed"]}
        packed = [("changed", pack_rows(self._records(), rows))] if rows else []
        packed += self._asked.answer(delta, rows)
        self._graph.note(rows)
        if counts := self._graph.news(now):
            delta["graph"] = counts
        if len(delta) == _EMPTY and not packed:
            return
        self.seq += 1
        if packed:
            delta["packed"] = [name for name, _ in packed]
        self._send(delta, [buffer for _, buffer in packed] or None)
