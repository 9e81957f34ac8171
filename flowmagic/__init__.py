"""Run a PocketFlow flow over a list of param dicts: throttled, watched, in the loop you are in.

In a notebook: `%load_ext flowmagic`, then `%%batchflow`. Anywhere else: `batchflow`, `run_batch` or
`ThrottledAsyncParallelBatchFlow`. Importing this package imports no notebook library.
"""

from __future__ import annotations

from typing import Any

from .adaptive import Adaptive
from .batchrun import BatchRun
from .calls import CallLimit
from .calls.named import limit, named_limits, remove_limit, set_limit
from .calls.registry import LimiterRegistry, RateLimiter
from .checks import check
from .crossings import Crossing
from .ending import RunStatus
from .engines.dask import DaskEngine
from .errors import (
    BatchError,
    BlockedLoopError,
    EngineError,
    FlowError,
    FlowmagicError,
    InstanceLostError,
    InstancesFailedError,
    JournalError,
    LimitError,
    MissingExtraError,
    NoRunningLoopError,
    RateLimitHit,
    RemoteError,
    SharedError,
)
from .finding import Finding
from .flows import AdaptiveThrottledBatchFlow, ThrottledAsyncParallelBatchFlow
from .instances import Attempt, Instance, NodeCopy
from .journal import open_journal
from .lagwatch import Hold
from .nodes.adaptive import AdaptiveThrottledNode
from .nodes.throttled import ThrottledParallelBatchNode
from .params import grid
from .presets import FlowPresets, Presets
from .records import RunCounts, Status
from .recovery import Retries
from .retunes import Retune
from .starting import batchflow, resume, run_batch

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
    "FlowPresets",
    "FlowmagicError",
    "Hold",
    "Instance",
    "InstanceLostError",
    "InstancesFailedError",
    "JournalError",
    "LimitError",
    "LimiterRegistry",
    "MissingExtraError",
    "NoRunningLoopError",
    "NodeCopy",
    "Presets",
    "RateLimitHit",
    "RateLimiter",
    "RemoteError",
    "Retries",
    "Retune",
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


def load_ipython_extension(shell: Any) -> None:
    """Register the magics; `%load_ext flowmagic` calls this."""
    from .notebook.extension import load  # noqa: PLC0415 - the core imports no notebook library

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take everything back that loading registered; `%unload_ext flowmagic` calls this."""
    from .notebook.extension import unload  # noqa: PLC0415 - ditto

    unload(shell)
