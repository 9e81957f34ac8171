"""Start a run: in the event loop that already runs, or in a new one."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import Field
from typing import TYPE_CHECKING, Any, TypeVar

from ..engines import thread_loop
from ..errors import NoRunningLoopError
from ..flow.graph import check_flow
from ..records.batch import BatchLike, as_batch
from .batchrun import BatchRun, join
from .end_waiters import running_loop
from .options import OPTIONS, BatchKeywords, Options, RunKeywords
from .prep_post import check_own_prep, has_own_prep

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.11; not needed at run time

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _names_options(keywords: Any) -> Callable[[_Function], _Function]:
    """Decorate a function to name the options of a TypedDict in its signature and docstring."""
    # `help()`, `batchflow?` and completion in notebooks show these. Type checkers and editors read
    # `Unpack[...]` instead.
    options = [each for name, each in OPTIONS.items() if name in keywords.__optional_keys__]

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        *before, _ = signature.parameters.values()
        named = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=each.type,
            )
            for each in options
        ]
        function.__signature__ = signature.replace(parameters=[*before, *named])  # type: ignore[attr-defined]
        if function.__doc__ is not None:  # it is None under python -OO
            described = "".join(map(_described, options))
            function.__doc__ = function.__doc__.replace("        options: see below.\n", described)
        return function

    return decorate


def _described(option: Field[Any]) -> str:
    """Return the lines of an option for the Args of a docstring."""
    doc, python = option.metadata["doc"], option.metadata["python"]
    return (
        textwrap.fill(
            f"{option.name}: {doc[0].lower()}{doc[1:]} {python}".rstrip(),
            width=100,
            initial_indent=" " * 8,
            subsequent_indent=" " * 12,
        )
        + "\n"
    )


@_names_options(BatchKeywords)
def batchflow(
    flow: Any,
    params: BatchLike | None = None,
    *,
    shared: Any = None,
    **options: Unpack[BatchKeywords],
) -> BatchRun:
    """Run a flow once per params dict, throttled, in the running event loop; return at once.

    Args:
        flow: any PocketFlow flow or single node, sync or async. It is not altered.
        params: the batch (see `flowmagic.records.batch`); None: what the flow's own prep returns.
        shared: the shared store; None: a new dict.
        options: see below.

    With explicit params the flow's prep is not called. `post` runs once, and only for BatchFlow
    kinds, as `post(shared, params, results)`; it runs again after `retry_failed()` on an ended run,
    and not after `cancel()`. A `run` or `run_async` of a BatchFlow's own class is called once, around
    all of that.

    An error that carries a Retry-After (HTTP 429 or 503 of httpx, aiohttp, requests, openai and
    anthropic; `RateLimitHit`) holds back all starts until then, with any options: `run.cooling`.

    Raises:
        NoRunningLoopError: no event loop runs here; scripts use `run_batch`.
        FlowError, BatchError, LimitError, JournalError, SharedError, EngineError: an argument is
            wrong; nothing has run.
    """
    return start(flow, params, shared=shared, options=Options.of(**options))


@_names_options(RunKeywords)
def resume(
    path: Any,
    flow: Any,
    params: BatchLike | None = None,
    *,
    anyway: bool = False,
    shared: Any = None,
    **options: Unpack[RunKeywords],
) -> BatchRun:
    """Run a flow like `batchflow`, without the rows that succeeded in an earlier run.

    Args:
        path: the journal of the earlier run, to which this run is written too.
        flow: the flow of the earlier run.
        params: the batch; the order of its rows may differ, and rows may be added or missing. None:
            the batch of the latest run of this flow in the journal; if the flow's own prep returned
            that, prep is called again.
        anyway: resume also if the flow has changed since.
        shared: the shared store; None: a new dict.
        options: see below.

    Raises:
        JournalError: there is no such journal, the flow has changed, or the journal does not have the
            params in full.
    """
    if params is None:
        params = _rows_to_resume(path, flow, shared, anyway=anyway)
    else:
        from ..journal.reader import open_journal  # noqa: PLC0415 - imported when it is first used

        open_journal(path).close()
    mode = "anyway" if anyway else True
    return batchflow(flow, params, shared=shared, journal=path, resume=mode, **options)


def start(flow: Any, params: BatchLike | None, *, shared: Any, options: Options) -> BatchRun:
    """Start a run like `batchflow`, with options that have been checked already."""
    check_flow(flow)
    if running_loop() is None:
        raise NoRunningLoopError(
            "batchflow() needs a running event loop, and there is none. In a script write "
            "flowmagic.run_batch(...), with the same arguments."
        )
    if params is None and not has_own_prep(flow):
        params = _rows_of_journal(flow, shared, options)
    if params is None:
        check_own_prep(flow)
        batch = None
    else:
        batch = as_batch(params, options.sharing.text_param)
    return BatchRun(flow, batch, shared={} if shared is None else shared, options=options)


def _rows_of_journal(flow: Any, shared: Any, options: Options) -> BatchLike | None:
    """Return the rows of the run to resume; None if none is."""
    if options.journal is None or not options.journal.resume:
        return None
    path, anyway = options.journal.path, options.journal.resume == "anyway"
    return _rows_to_resume(path, flow, shared, anyway=anyway)


def _rows_to_resume(path: Any, flow: Any, shared: Any, *, anyway: bool) -> BatchLike | None:
    from ..journal.reader import rows_to_resume  # noqa: PLC0415 - imported when it is first used

    return rows_to_resume(path, flow, shared, anyway=anyway)


@_names_options(BatchKeywords)
def run_batch(
    flow: Any,
    params: BatchLike | None = None,
    *,
    shared: Any = None,
    **options: Unpack[BatchKeywords],
) -> BatchRun:
    """Run a flow like `batchflow`, where no event loop runs; return the run when it has ended.

    For scripts. The runs of a thread share one event loop, so that clients that are kept from one run
    to the next can be used again.

    Args:
        flow: any PocketFlow flow or single node, sync or async. It is not altered.
        params: the batch (see `flowmagic.records.batch`); None: what the flow's own prep returns.
        shared: the shared store; None: a new dict.
        options: see below.

    Raises:
        NoRunningLoopError: an event loop already runs here: use `await batchflow(...)`.
        Exception: anything that the flow's prep or post raises.
    """
    if running_loop() is not None:
        raise NoRunningLoopError(
            "run_batch() starts an event loop, and one runs here already. "
            "Write await flowmagic.batchflow(...), with the same arguments."
        )

    async def main() -> BatchRun:
        return await join(batchflow(flow, params, shared=shared, **options))

    return thread_loop.run(main())
