"""A run and its panel by one call, where there are widgets and no magics: in marimo."""

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
    """Do as `batchflow`, and return a panel that shows the run, steers it, and starts the next one.

    The run is `panel.run`; after Run was pressed, that is the one then started.

    Args:
        flow: any PocketFlow flow or single node.
        params: the batch; None lets the flow's own prep give it.
        shared: the shared store, of every run that the panel starts.
        options: those of `batchflow`.

    Raises:
        NoRunningLoopError: no event loop runs here.
        FlowError, BatchError, LimitError, JournalError, SharedError: before anything has run.
    """
    asked = Options.of(**options)
    batch = None if params is None else as_batch(params)

    def begin(batch: Batch | None, limits: Limits) -> BatchRun:
        return start(flow, batch, shared=shared, options=asked.with_limits(limits))

    run = begin(batch, asked.limits)
    panel = Panel(type(flow).__name__, begin, limits=asked.limits, batch=batch)
    panel.show(run)
    return panel
