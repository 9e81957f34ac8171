"""Runs a function in a worker thread, as if it ran in the coroutine that awaits it.

The function sees the ContextVars of the coroutine, and what it sets comes back.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

_UNSET: Any = object()


async def run_in_thread(executor: Executor, function: Callable[[Any], Any], argument: Any) -> Any:
    """Return what `function(argument)` returns in a thread of `executor`.

    When this is cancelled, it raises at once; the thread finishes, and what it returns is dropped.
    """
    context = contextvars.copy_context()

    def boxed() -> tuple[Any, BaseException | None]:
        # A future cannot hold a StopIteration: whoever awaited it would wait forever.
        try:
            return context.run(function, argument), None
        except BaseException as error:  # noqa: BLE001 - raised below
            return None, error

    result, error = await asyncio.get_running_loop().run_in_executor(executor, boxed)
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)
    if error is not None:
        try:
            raise error
        finally:
            del (
                error
            )  # its traceback refers to this frame: a cycle that would keep the user's locals
    return result
