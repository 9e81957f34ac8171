"""The options of `batchflow` as keywords, for type checkers: its callers hand them on by `**options`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from .recovery import Retries
from .sharing import Merge


class RunKeywords(TypedDict, total=False):
    """What `batchflow` takes besides flow, params, and the journal to write to."""

    shared: Any
    limit: int | None
    per_minute: float | None
    burst: int
    adaptive: Any
    timeout: float | None
    max_errors: Any
    retries: int | Retries
    threads: bool
    keep: int
    sync: str
    journal_secrets: bool
    isolate: bool
    merge: Merge | None
    allow_shared: Iterable[Any]
    track_shared: bool
    engine: Any


class BatchKeywords(RunKeywords, total=False):
    """What `batchflow` takes besides flow and params."""

    journal: Any
    resume: Any
