"""What a run's pool is fed with: the rows of its batch in their order, and those to retry before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from .engines import Engine
from .params import Batch
from .records import CANCELLED, FAILED, SUCCEEDED, Records, from_users_frame


class Feed:
    """Begins instances for a `Pool` and notes in the records how they ended.

    Args:
        context: what each instance's own Context is a copy of.
        clock: gives the time, in seconds.
        on_broken: called with the error when the batch's own source raises, or the user interrupts.
    """

    def __init__(
        self,
        records: Records,
        engine: Engine,
        context: Context,
        clock: Callable[[], float],
        on_broken: Callable[[BaseException], None],
    ) -> None:
        self._records = records
        self._engine = engine
        self._context = context
        self._clock = clock
        self._on_broken = on_broken
        self._batch = Batch(None, rows=[])
        self._next = 0
        self._drawn: Any = None
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
        if self._retries:
            return True
        if self._records.total is not None:
            return False
        try:
            self._drawn = await self._batch.draw_async()
        except StopAsyncIteration:
            self._records.total = len(self._records)
            return False
        return True

    def take(self) -> tuple[int, Coroutine[Any, Any, Any], Context] | None:
        """Begin the next instance; return its index, its walk and its context; None: none is left."""
        records = self._records
        if self._retries:
            index = self._retries.popleft()
        else:
            index = self._next
            if records.total is None:
                try:
                    row = self._drawn if self._batch.is_async else self._batch.draw()
                except StopIteration:
                    records.total = len(records)
                    return None
                records.add(row)
            elif index >= records.total:
                return None
            self._next = index + 1
        trace = records.start(index, self._clock())
        params = {**records.base, **records.rows[index]}
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
                self._on_broken(error)
        else:
            self._records.finish(index, FAILED, from_users_frame(error), now)

    def broken(self, error: BaseException) -> None:
        """Note that drawing a row raised."""
        self._on_broken(error)
