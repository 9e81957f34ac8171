"""Run a PocketFlow flow over a list of param dicts: throttled, watched, in the loop you are in.

In a notebook: `%load_ext flowmagic`, then `%%batchflow`. Anywhere else: `batchflow`, `run_batch` or
`ThrottledAsyncParallelBatchFlow`. Importing this package imports no notebook library: it may import
all of its packages, but `notebook` only when the extension is loaded or unloaded, or marimo shows a run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import (
    BatchError,
    BlockedLoopError,
    EngineError,
    FlowError,
    FlowmagicError,
    InputError,
    InstanceLostError,
    InstancesFailedError,
    JournalError,
    LimitError,
    MissingAttributeError,
    MissingExtraError,
    MissingIndexError,
    NoRunningLoopError,
    OptionError,
    OutputLostError,
    RateLimitHit,
    RemoteError,
    SharedError,
)
from .flow.finding import Finding
from .flow.reuse.count import ReuseCount
from .limits.adaptive import Adaptive
from .limits.calls import CallLimit
from .limits.calls.named import limit, named_limits, remove_limit, set_limit
from .limits.limits import LimitChange
from .records.batch import grid
from .records.instances import Attempt, Instance
from .records.node_copies import NodeCopy
from .records.status import RunCounts, Status
from .run.api import batchflow, resume, run_batch
from .run.batchrun import BatchRun
from .run.event_loop_monitor import Hold
from .run.failures import Retries
from .run.status import RunStatus
from .shared.crossing import Crossing

if TYPE_CHECKING:
    from .engines.dask.engine import DaskEngine
    from .flow.checks import check
    from .journal.reader import open_journal
    from .throttled.adaptive_node import AdaptiveThrottledNode
    from .throttled.flow import AdaptiveThrottledBatchFlow, ThrottledAsyncParallelBatchFlow
    from .throttled.limiter_registry import LimiterRegistry, RateLimiter
    from .throttled.node import ThrottledParallelBatchNode

__version__ = "0.1.0"

__all__ = [
    "Adaptive",
    "AdaptiveThrottledBatchFlow",
    "AdaptiveThrottledNode",
    "Attempt",
    "BatchError",
    "BatchRun",
    "BlockedLoopError",
    "CallLimit",
    "Crossing",
    "DaskEngine",
    "EngineError",
    "Finding",
    "FlowError",
    "FlowmagicError",
    "Hold",
    "InputError",
    "Instance",
    "InstanceLostError",
    "InstancesFailedError",
    "JournalError",
    "LimitChange",
    "LimitError",
    "LimiterRegistry",
    "MissingAttributeError",
    "MissingExtraError",
    "MissingIndexError",
    "NoRunningLoopError",
    "NodeCopy",
    "OptionError",
    "OutputLostError",
    "RateLimitHit",
    "RateLimiter",
    "RemoteError",
    "Retries",
    "ReuseCount",
    "RunCounts",
    "RunStatus",
    "SharedError",
    "Status",
    "ThrottledAsyncParallelBatchFlow",
    "ThrottledParallelBatchNode",
    "batchflow",
    "check",
    "grid",
    "limit",
    "load_ipython_extension",
    "named_limits",
    "open_journal",
    "remove_limit",
    "resume",
    "run_batch",
    "set_limit",
    "unload_ipython_extension",
]


_ON_FIRST_USE = {
    "AdaptiveThrottledBatchFlow": ".throttled.flow",
    "AdaptiveThrottledNode": ".throttled.adaptive_node",
    "DaskEngine": ".engines.dask.engine",
    "LimiterRegistry": ".throttled.limiter_registry",
    "RateLimiter": ".throttled.limiter_registry",
    "ThrottledAsyncParallelBatchFlow": ".throttled.flow",
    "ThrottledParallelBatchNode": ".throttled.node",
    "check": ".flow.checks",
    "open_journal": ".journal.reader",
}
"""Names that most runs never need: importing their modules takes longer than importing all others."""


def _folded_panel(run: BatchRun) -> Any:
    from .notebook.display import folded_panel  # noqa: PLC0415 - the core imports no notebook library

    return folded_panel(run)


BatchRun._display_ = _folded_panel  # type: ignore[attr-defined]
"""What marimo shows for a run. It asks the object; IPython asks the extension."""


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        from .text.suggestions import did_you_mean  # noqa: PLC0415 - needed for mistakes only

        hint = "" if name.startswith("_") else did_you_mean(name, __all__, "flowmagic.{}")
        raise MissingAttributeError(
            f"module {__name__!r} has no attribute {name!r}. {hint}".rstrip()
        )
    value = getattr(importlib.import_module(_ON_FIRST_USE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE})


def load_ipython_extension(shell: Any) -> None:
    """Register the magics; `%load_ext flowmagic` calls this."""
    from .notebook.extension import load  # noqa: PLC0415 - the core imports no notebook library

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take everything back that loading registered; `%unload_ext flowmagic` calls this."""
    from .notebook.extension import unload  # noqa: PLC0415 - ditto

    unload(shell)
