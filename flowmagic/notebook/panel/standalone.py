"""Starts a run and its panel with one call, for places with widgets but without magics: marimo."""

from __future__ import annotations

from typing import Any

from ...limits.limits import Limits
from ...records.batch import Batch, BatchLike, as_batch
from ...run.api import start
from ...run.batchrun import BatchRun
from ...run.options import Options
from .widget import Panel


def start_in_panel(
    flow: Any, params: BatchLike | None = None, *, shared: Any = None, **options: Any
) -> Panel:
    """Start a run like `batchflow`, and return a panel that shows it, steers it, and starts the next.

    `panel.run` is the run; after Run has been pressed, it is the run that was then started.

    Args:
        flow: any PocketFlow flow or single node.
        params: the batch; None to take it from the flow's own prep.
        shared: the shared store of every run that the panel starts.
        options: the options of `batchflow`.

    Raises:
        NoRunningLoopError: no event loop is running here.
        FlowError, BatchError, LimitError, JournalError, SharedError: an argument is wrong; nothing
            has run.
    """
    parsed = Options.of(**options)
    batch = None if params is None else as_batch(params)

    def begin(batch: Batch | None, limits: Limits) -> BatchRun:
        return start(flow, batch, shared=shared, options=parsed.with_limits(limits))

    run = begin(batch, parsed.limits)
    panel = Panel(type(flow).__name__, begin, limits=parsed.limits, batch=batch)
    panel.show(run)
    return panel
