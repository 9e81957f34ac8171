"""How a run is started: in the loop that runs already, or in one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict

from ..errors import NoRunningLoopError
from ..flow.graph import check_flow
from ..limits.limits import Limits
from ..records.batch import BatchLike, as_batch
from ..shared.shared_store import Merge
from .batchrun import BatchRun, join
from .end_waiters import running_loop
from .failures import Retries
from .options import KEEP, Options
from .prep_post import check_own_prep, has_own_prep

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of Python 3.11; nobody needs it to run


def batchflow(
    flow: Any,
    params: BatchLike | None = None,
    *,
    shared: Any = None,
    limit: int | None = None,
    per_minute: float | None = Limits.per_minute,
    burst: int = Limits.burst,
    adaptive: Any = None,
    timeout: float | None = None,
    max_errors: Any = None,
    retries: int | Retries = 0,
    threads: bool = True,
    keep: int = KEEP,
    journal: Any = None,
    resume: Any = False,
    sync: str = "normal",
    journal_secrets: bool = False,
    isolate: bool = False,
    merge: Merge | None = None,
    allow_shared: Iterable[Any] = (),
    track_shared: bool = True,
    engine: Any = None,
) -> BatchRun:
    """Run a flow once per params dict, throttled, in the running event loop; return at once.

    Args:
        flow: any PocketFlow flow or single node, sync or async. It is not altered.
        params: the batch (see `flowmagic.records.batch`); None lets the flow's own prep give it.
        shared: the shared store; None makes an empty dict.
        limit: how many instances run at once; None: 5, or where an adaptive limit begins.
        per_minute: how many instances may start within any 60 seconds; None: no such limit.
        burst: how many of these may start at once, before the others are spread evenly.
        adaptive: lets the run find its limit: "2-10-50" begins with 10, and moves between 2 and 50
            by what the provider refuses (see `Adaptive`). Refused instances run again.
        timeout: seconds that one attempt of an instance may take; it then fails with TimeoutError.
        max_errors: stop the run when more instances than that have failed: 10, 0.2 or "20%" (of at
            least 20 that have ended), or (0.2, 50) (of at least 50).
        retries: how many more attempts a failed instance gets, or a `Retries`.
        threads: whether the `exec` of sync nodes runs in worker threads, so that the loop stays free.
        keep: of rows drawn from a generator, how many successful ones are kept in full.
        journal: path of a file to which each instance is written the moment it ends.
        resume: do not run again what has succeeded, with the same params, in an earlier run of this
            flow in that journal; "anyway": also if the flow has changed since.
        sync: "full": each write also outlives a loss of power, and not only the end of the process.
        journal_secrets: write secrets to the journal as they are, and not masked.
        isolate: each instance works on its own view of `shared`: what it writes, or adds to a list or
            dict there, is seen by no other, and is its `writes`. Other objects are the same for all.
        merge: with isolate: called as `merge(shared, instance)` for each instance that succeeded, in
            the order of the params, before post; None: `shared[instance.index] = instance.writes`.
        allow_shared: keys of `shared` at which instances are meant to meet; see `run.crossings`.
            With isolate: whose lists and dicts they go on sharing.
        track_shared: whether crossings are looked for; the nodes then have a view of a plain dict,
            which is a dict, too, but not exactly.
        engine: where the instances run: None or "local", this loop; "dask", or a `DaskEngine`, the
            workers of a Dask cluster, each instance on a snapshot of `shared`, as with isolate.

    With explicit params the flow's prep is not called. `post` runs once, and only for BatchFlow
    kinds, as `post(shared, params, results)`; it runs again after `retry_failed()` on an ended run,
    and not after `cancel()`.

    An error that carries a Retry-After (HTTP 429 or 503 of httpx, aiohttp, requests, openai and
    anthropic; `RateLimitHit`) holds back all starts until then, with any options: `run.cooling`.

    Raises:
        NoRunningLoopError: no event loop runs here; `run_batch` is for scripts.
        FlowError, BatchError, LimitError, JournalError, SharedError, EngineError: before anything
            has run.
    """
    options = Options.of(
        limit=limit,
        per_minute=per_minute,
        burst=burst,
        adaptive=adaptive,
        timeout=timeout,
        max_errors=max_errors,
        retries=retries,
        threads=threads,
        keep=keep,
        journal=journal,
        resume=resume,
        sync=sync,
        journal_secrets=journal_secrets,
        isolate=isolate,
        merge=merge,
        allow_shared=allow_shared,
        track_shared=track_shared,
        engine=engine,
    )
    return start(flow, params, shared=shared, options=options)


def resume(
    path: Any,
    flow: Any,
    params: BatchLike | None = None,
    *,
    anyway: bool = False,
    **options: Unpack[RunKeywords],
) -> BatchRun:
    """Do as `batchflow`, without running again what has succeeded in an earlier run.

    Args:
        path: of the journal, to which this run is written too.
        params: the batch; its rows may stand in another order, and there may be others. None: that
            of the latest run of this flow, as the journal has it; where the flow's own prep gave it,
            prep is called again.
        anyway: also if the flow has changed since.
        options: those of `batchflow`.

    Raises:
        JournalError: there is no such journal, the flow has changed, or the journal does not have
            the params as they were.
    """
    if params is None:
        params = _rows_to_resume(path, flow, anyway=anyway)
    else:
        from ..journal.reader import open_journal  # noqa: PLC0415 - imported when it is first used

        open_journal(path).close()
    return batchflow(flow, params, journal=path, resume="anyway" if anyway else True, **options)


def start(flow: Any, params: BatchLike | None, *, shared: Any, options: Options) -> BatchRun:
    """Do as `batchflow`, with options that have been checked already."""
    check_flow(flow)
    if running_loop() is None:
        raise NoRunningLoopError(
            "batchflow() needs a running event loop, and there is none. In a script write "
            "flowmagic.run_batch(...), with the same arguments."
        )
    if params is None and not has_own_prep(flow):
        params = _rows_of_journal(flow, options)
    if params is None:
        check_own_prep(flow)
        batch = None
    else:
        batch = as_batch(params)
    return BatchRun(flow, batch, shared={} if shared is None else shared, options=options)


def _rows_of_journal(flow: Any, options: Options) -> BatchLike | None:
    """Return the rows of the run that is to go on; None if none is."""
    if options.journal is None or not options.journal.resume:
        return None
    path, anyway = options.journal.path, options.journal.resume == "anyway"
    return _rows_to_resume(path, flow, anyway=anyway)


def _rows_to_resume(path: Any, flow: Any, *, anyway: bool) -> BatchLike | None:
    from ..journal.reader import rows_to_resume  # noqa: PLC0415 - imported when it is first used

    return rows_to_resume(path, flow, anyway=anyway)


def run_batch(
    flow: Any, params: BatchLike | None = None, **options: Unpack[BatchKeywords]
) -> BatchRun:
    """Do as `batchflow`, in an event loop of its own, and return the run when it has ended.

    For scripts, where no event loop runs. Takes the arguments of `batchflow`.

    Raises:
        NoRunningLoopError: an event loop runs here already: use `await batchflow(...)`.
        Exception: anything that the flow's prep or post raises.
    """
    if running_loop() is not None:
        raise NoRunningLoopError(
            "run_batch() starts an event loop, and one runs here already. "
            "Write await flowmagic.batchflow(...), with the same arguments."
        )

    async def main() -> BatchRun:
        return await join(batchflow(flow, params, **options))

    return asyncio.run(main())


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
