"""What a run's pool is fed with: the rows of its batch in order, and before them those to retry."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

from .engines import Engine
from .params import Batch
from .pool import Taken, drive
from .records import CANCELLED, FAILED, SUCCEEDED, Records, from_users_frame


class Feed:
    """Begins instances for a `Pool` and notes in the records how they ended.

    Args:
        context: what each instance's own Context is a copy of.
        clock: gives the time, in seconds.
        on_broken: called with the error when the batch's own source raises.
        on_interrupt: called with the KeyboardInterrupt that hit a node.
    """

    def __init__(
        self,
        records: Records,
        engine: Engine,
        *,
        context: Context,
        clock: Callable[[], float],
        on_broken: Callable[[BaseException], None],
        on_interrupt: Callable[[KeyboardInterrupt], None],
    ) -> None:
        self._records = records
        self._engine = engine
        self._context = context
        self._clock = clock
        self._on_broken = on_broken
        self._on_interrupt = on_interrupt
        self._batch = Batch(None, rows=[])
        self._next = 0
        # The source runs in a Context of its own, whichever worker happens to draw from it.
        self._source_context = context.copy()
        self._retries: deque[int] = deque()
        self.needs_prepare = False

    def load(self, batch: Batch) -> None:
        """Take the batch."""
        self._batch = batch
        self.needs_prepare = batch.is_async
        if batch.rows is not None:
            self._records.load(batch.rows)

    def retry(self, indices: list[int]) -> None:
        """Put ended rows before all others again."""
        for index in indices:
            self._records.requeue(index)
        self._retries.extend(indices)

    def has_next(self) -> bool:
        """Whether `take` may give another instance."""
        total = self._records.total
        return bool(self._retries) or total is None or self._next < total

    async def prepare(self) -> bool:
        """Draw a row from an async generator; False: none is left."""
        records = self._records
        if self._retries or self._next < len(records):
            return True
        if records.total is not None:
            return False
        try:
            row = await drive(self._batch.draw_async(), self._source_context)
        except StopAsyncIteration:
            self.exhaust()
            return False
        except BaseException as error:  # noqa: BLE001 - kept by the run
            self._break(error)
            return False
        # A row from now on, whatever happens before somebody takes it.
        records.add(row)
        return True

    def exhaust(self) -> None:
        """Draw no more rows: those known are all there are, and only retries are left to take."""
        self._records.total = self._next = len(self._records)

    def _break(self, error: BaseException) -> None:
        # At once: another worker could draw the row after the wrong one in this same turn.
        self.exhaust()
        self._on_broken(error)

    def take(self) -> Taken | None:
        """Begin the next instance: return its index, walk and context; None if none is left."""
        records = self._records
        if self._retries:
            index = self._retries.popleft()
        else:
            index = self._next
            if index >= len(records):
                if records.total is not None:
                    return None
                try:
                    row = self._source_context.run(self._batch.draw)
                except StopIteration:
                    self.exhaust()
                    return None
                except BaseException as error:  # noqa: BLE001 - kept by the run
                    self._break(error)
                    return None
                records.add(row)
            self._next = index + 1
        params = records.merged(index)
        trace = records.start(index, self._clock())
        return index, self._engine.run(params, trace), self._context.copy()

    def note_end(
        self, index: int, result: Any, error: BaseException | None, *, cancelled: bool
    ) -> None:
        """Note how an instance ended; `cancelled`: because somebody asked for it."""
        now = self._clock()
        if error is None:
            self._records.finish(index, SUCCEEDED, result, now)
        elif cancelled or isinstance(error, KeyboardInterrupt):
            self._records.finish(index, CANCELLED, error, now)
            if isinstance(error, KeyboardInterrupt):
                # Raised on in a task, it would end the whole loop, and with it the kernel.
                self._on_interrupt(error)
        else:
            self._records.finish(index, FAILED, from_users_frame(error), now)

    def broken(self, error: BaseException) -> None:
        """Note that a worker broke outside any instance."""
        self._on_broken(error)
