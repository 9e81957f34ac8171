"""The flow's own `run` or `run_async`, which is called once around a batch.

In PocketFlow, a user calls `flow.run(shared)` on a BatchFlow, and its class may set something up there,
tear it down, or be wrapped by a tracing decorator. A run calls that method on a stand-in: an object of a
subclass that has the attributes of the user's flow, and in place of PocketFlow's batch runs this one.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import Context
from types import new_class
from typing import Any

from pocketflow import AsyncNode, BatchFlow

from ..engines.threads import ThreadPool
from ..flow.graph import own_run_of

RunBatch = Callable[[Context], Awaitable[Any]]
"""Runs the batch, from the Context that PocketFlow would have run it in, and returns its action."""


def calls_own_run(flow: Any) -> bool:
    """Whether a run of a flow calls the flow's own `run` or `run_async`."""
    own = own_run_of(flow)
    return bool(own) and isinstance(flow, BatchFlow) and own not in vars(flow)


async def within_own_run(flow: Any, shared: Any, run_batch: RunBatch) -> Any:
    """Call the flow's own `run` or `run_async`, and return what it returns.

    A sync `run` is called in a thread, where it waits for the batch.

    Raises:
        Exception: what the method raises, for example an error of the batch.
    """
    if not isinstance(flow, AsyncNode):
        return await _within_run(flow, shared, run_batch)

    async def run_async(self: Any, shared: Any) -> Any:  # noqa: ARG001 - as PocketFlow calls it
        return await run_batch(contextvars.copy_context())

    return await _stand_in(flow, _run_async=run_async).run_async(shared)


async def _within_run(flow: Any, shared: Any, run_batch: RunBatch) -> Any:
    loop = asyncio.get_running_loop()
    begun: asyncio.Future[Context] = loop.create_future()
    batch: Future[Any] = Future()

    def begin(context: Context) -> None:
        if not begun.done():
            begun.set_result(context)

    def run(self: Any, shared: Any) -> Any:  # noqa: ARG001 - as PocketFlow calls it
        loop.call_soon_threadsafe(begin, contextvars.copy_context())
        return batch.result()

    pool = ThreadPool(1)
    call = loop.create_task(pool.run(_stand_in(flow, _run=run).run, shared, type(flow), -1))
    try:
        await asyncio.wait({call, begun}, return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            try:
                batch.set_result(await run_batch(begun.result()))
            except BaseException as error:  # noqa: BLE001 - raised by `batch.result()`, in the thread
                batch.set_exception(error)
        return await call
    finally:
        call.cancel()
        pool.close()


def _stand_in(flow: Any, **methods: Any) -> Any:
    """Return an object with the attributes of a flow, of a subclass of its class with other methods."""
    kind = type(flow)
    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, **methods}
    stand_in: Any = object.__new__(
        new_class(kind.__name__, (kind,), exec_body=lambda it: it.update(own))
    )
    stand_in.__dict__ = vars(flow)  # the same dict: what one sets, the other has
    return stand_in
