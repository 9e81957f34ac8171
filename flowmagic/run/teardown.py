"""What a run closes, releases and writes when all its instances have ended.

Errors are kept in the `RunEnd`, and raised to whoever awaits the run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..engines.base import Runner
from ..records.batch import Batch
from .status import RunEnd, RunStatus

if TYPE_CHECKING:
    from ..journal.recorder import Recorder


async def close_source(batch: Batch, run_end: RunEnd) -> None:
    """Close the generator that a batch draws from; its `finally` blocks are the user's code."""
    try:
        await batch.close()
    except asyncio.CancelledError:
        run_end.requested = RunStatus.CANCELLED
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - kept
        run_end.keep(error)


async def drain(runner: Runner, run_end: RunEnd) -> None:
    """Wait until nothing of the instances is left where they ran."""
    try:
        await runner.drain()
    except asyncio.CancelledError:
        pass  # the loop is being closed
    except Exception as error:  # noqa: BLE001 - kept
        run_end.keep(error)


async def finish_journal(journal: Recorder, write_end: Callable[[], None]) -> None:
    """Write all rows, then the end, and wait until they are on disk.

    A run that is reported to have ended is on disk, unless the loop is being closed.
    """
    with contextlib.suppress(asyncio.CancelledError):
        await journal.all_rows()
    write_end()
    with contextlib.suppress(asyncio.CancelledError):
        await journal.settled()
