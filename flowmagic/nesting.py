"""Blocks inside an event loop that runs, which asyncio itself refuses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run_nested(loop: asyncio.AbstractEventLoop, course: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end within the loop that runs here, and return its result.

    Raises:
        RuntimeError: this loop cannot (uvloop's), or this browser (pyodide).
    """
    try:
        # Pyodide's own loop blocks by itself, where the browser can switch stacks.
        if sys.platform != "emscripten":
            import nest_asyncio2

            nest_asyncio2.apply(loop)
        return loop.run_until_complete(course)
    except (RuntimeError, ValueError) as error:
        course.close()
        where = "in this browser" if sys.platform == "emscripten" else "in this event loop"
        raise RuntimeError(f"wait() cannot block {where} ({error}). Write `await run`.") from None
