"""The options of a run: the one list of them, and the checked values that a run works with."""

# ruff: noqa: RUF009 - `_option` returns a dataclass field

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from ..engines.base import Engine
from ..engines.local import LocalEngine
from ..engines.registry import engine_of
from ..errors import EngineError, LimitError, OptionError, describe
from ..journal.options import JournalOptions
from ..limits.adaptive import Adaptive
from ..limits.limits import Limits, check_seconds
from ..records.outputs import KEEP_BYTES
from ..shared.shared_store import Merge, Sharing
from ..text.suggestions import did_you_mean
from .failures import ErrorBudget, Retries

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.11; not needed at run time

KEEP = 20_000


_T = TypeVar("_T")


def _option(default: _T, doc: str, python: str = "") -> _T:
    """Define a field of `RunArguments`; `python` is what only callers in Python need to know."""
    return field(default=default, metadata={"doc": doc, "python": python})


@dataclass(frozen=True)
class RunArguments:
    """The options of a run as `batchflow` takes them, each with its default and its description.

    The signatures and docstrings in `run/api.py` and the arguments of the magic are made from these
    fields. `RunKeywords` and `BatchKeywords` repeat their types, and a test compares them.
    """

    limit: int | None = _option(
        None, "How many instances run at once.", "None: 5, or the start of an adaptive limit."
    )
    per_minute: float | None = _option(
        Limits.per_minute,
        "How many instances may start within any 60 seconds.",
        "None: any number.",
    )
    burst: int = _option(
        Limits.burst,
        "How many of the starts per minute may come at once; the others are spread evenly.",
    )
    adaptive: Adaptive | str | tuple[int, int, int] | None = _option(
        None,
        "Find the limit during the run: 2-10-50 begins with 10 and moves between 2 and 50, depending "
        "on what the provider refuses. Refused instances run again.",
        'A string such as "2-10-50", or an `Adaptive`.',
    )
    timeout: float | None = _option(
        None,
        "How many seconds one attempt of an instance may take; then it fails with TimeoutError.",
        "None: any number.",
    )
    max_errors: float | str | tuple[float, int] | None = _option(
        None,
        "Stop the run when more instances than this have failed: a count such as 10, a share such as "
        "20% (once at least 20 have ended), or 20%/50 (once at least 50 have ended).",
        "The share may also be a number, 0.2, or a pair, (0.2, 50).",
    )
    retries: int | Retries = _option(
        0, "How many more attempts a failed instance gets.", "A number, or a `Retries`."
    )
    threads: bool = _option(
        True, "Run the exec of sync nodes in worker threads, so that the event loop stays free."
    )
    keep: int = _option(
        KEEP, "How many successful rows to keep in full if the batch comes from a generator."
    )
    keep_bytes: int = _option(
        KEEP_BYTES,
        "How many bytes of outputs to keep in memory. Beyond that, the oldest are dropped: those of "
        "earlier nodes and attempts first.",
    )
    journal: str | PathLike[str] | None = _option(
        None,
        "Write each instance to this file as soon as it ends. A file can hold many runs.",
        "None: no journal.",
    )
    resume: bool | str = _option(
        False,
        "Do not run rows again that succeeded, with the same params, in an earlier run of this flow in "
        "the journal. Without params, take those of the latest such run.",
        'True, or "anyway": also if the flow has changed since.',
    )
    in_doubt: str = _option(
        "run",
        "With resume: what happens to rows that were under way when a kernel died, so that they may have "
        'been paid for. "run": they run again, after all others; "skip": they do not, and are cancelled.',
    )
    reuse: bool = _option(
        False,
        "With a journal: do not run the exec of a node again where an earlier run in the journal had the "
        "same code, attributes, params and result of prep; its output is taken. prep and post run.",
    )
    sync: str = _option(
        "normal",
        'With a journal: "full" makes each write survive a power failure, not only a dead process.',
    )
    journal_secrets: bool = _option(
        False, "Write secrets to the journal as they are, instead of masked."
    )
    isolate: bool = _option(
        False,
        "Give each instance its own view of the shared store. What it writes, or adds to a list or "
        "dict there, no other instance sees: it is run[i].writes, and run.shared[i] at the end.",
        "Other objects are the same for all instances.",
    )
    fill_shared: bool | str = _option(
        False,
        "Like isolate, and put each row into its instance's view of the shared store, for nodes that "
        'read shared["question"]. With a name, such as question, a list of strings is a batch too: '
        "each is the param of that name.",
        "The params are set as always.",
    )
    merge: Merge | None = _option(
        None,
        "With isolate or fill_shared: called as merge(shared, instance) for each instance that "
        "succeeded, in the order of the params, before post.",
        "None: `shared[instance.index] = instance.writes`.",
    )
    allow_shared: Iterable[Any] = _option(
        (),
        "Keys of the shared store that instances use together on purpose: crossings there are not "
        "reported, and with isolate the lists and dicts there stay shared.",
    )
    track_shared: bool = _option(
        True,
        "Look for instances that cross in the shared store.",
        "See `run.crossings`. The nodes then get a plain dict as a view, a subclass of dict.",
    )
    engine: Engine | str | None = _option(
        None,
        "Where the instances run: local, on this event loop; dask, in processes on this machine; or a "
        "DaskEngine of yours. On Dask each instance has a snapshot of the shared store, as with isolate.",
        'None: "local".',
    )


OPTIONS = {each.name: each for each in fields(RunArguments)}
"""The fields of `RunArguments` by name."""


class RunKeywords(TypedDict, total=False):
    """The types of all options but `journal` and `resume`, for `**options`."""

    limit: int | None
    per_minute: float | None
    burst: int
    adaptive: Adaptive | str | tuple[int, int, int] | None
    timeout: float | None
    max_errors: float | str | tuple[float, int] | None
    retries: int | Retries
    threads: bool
    keep: int
    keep_bytes: int
    in_doubt: str
    reuse: bool
    sync: str
    journal_secrets: bool
    isolate: bool
    fill_shared: bool | str
    merge: Merge | None
    allow_shared: Iterable[Any]
    track_shared: bool
    engine: Engine | str | None


class BatchKeywords(RunKeywords, total=False):
    """The types of all options, for `**options`."""

    journal: str | PathLike[str] | None
    resume: bool | str


@dataclass(frozen=True)
class Options:
    """The options of a run as checked values; `of` makes them from the arguments of `batchflow`.

    Attributes:
        limits: the limits that the run begins with.
        adaptive: how the limit moves during the run; None: only by hand.
        timeout: seconds that one attempt of an instance may take; None: any number.
        max_errors: when failures stop the run; None: never.
        retries: how failed instances run again.
        threads: whether the `exec` of sync nodes runs in worker threads.
        keep: how many rows that succeeded are kept in full, if the batch is a generator.
        keep_bytes: how many bytes of outputs are kept in memory.
        capture: whether what the instances print is kept apart; only the notebook sets it.
        journal: where instances are written, and what is taken over from there; None: nowhere.
        sharing: how the instances share the store.
        engine: where the instances run.
    """

    limits: Limits = field(default_factory=Limits)
    adaptive: Adaptive | None = None
    timeout: float | None = None
    max_errors: ErrorBudget | None = None
    retries: Retries = field(default_factory=Retries)
    threads: bool = True
    keep: int = KEEP
    keep_bytes: int = KEEP_BYTES
    capture: bool = False
    journal: JournalOptions | None = None
    sharing: Sharing = field(default_factory=Sharing)
    engine: Engine = field(default_factory=LocalEngine)

    @property
    def kept(self) -> int:
        """How many rows are kept in full: with a journal at least one, the row being written."""
        return self.keep if self.journal is None else max(1, self.keep)

    @classmethod
    def of(cls, **options: Unpack[BatchKeywords]) -> Options:
        """Check the options of a run as `batchflow` takes them.

        Raises:
            OptionError (a TypeError): there is no option of that name.
            LimitError (a ValueError): a limit, `keep`, `keep_bytes`, or another number is wrong.
            JournalError: the options of the journal are wrong.
            SharedError (a TypeError): the options of the shared store are wrong.
            EngineError (a RuntimeError): there is no such engine.
            MissingExtraError (an ImportError): the engine needs a package that is not installed.
        """
        _check_names(options)
        arguments = RunArguments(**options)
        engine = engine_of(arguments.engine)
        limit, retries = arguments.limit, arguments.retries
        adaptive = None if arguments.adaptive is None else Adaptive.parse(arguments.adaptive)
        if adaptive is not None:
            if limit is not None:
                raise LimitError(
                    f'limit={limit!r} and adaptive="{adaptive}" both set how many instances run at '
                    f'once. Write only one of them: adaptive="{adaptive}" begins with {adaptive.start}.'
                )
            limit = adaptive.start
        limits = Limits(
            Limits.concurrency if limit is None else limit, arguments.per_minute, arguments.burst
        )
        timeout, max_errors = arguments.timeout, arguments.max_errors
        return cls(
            limits=limits,
            adaptive=adaptive,
            timeout=None if timeout is None else check_seconds(timeout, "timeout"),
            max_errors=None if max_errors is None else ErrorBudget.of(max_errors),
            retries=retries if isinstance(retries, Retries) else Retries(retries),
            threads=arguments.threads,
            keep=_check_count(arguments.keep, "keep", "rows", "1000"),
            keep_bytes=_check_count(arguments.keep_bytes, "keep_bytes", "bytes", "2_000_000_000"),
            journal=JournalOptions.of(
                arguments.journal,
                arguments.resume,
                arguments.sync,
                secrets=arguments.journal_secrets,
                in_doubt=arguments.in_doubt,
                reuse=_check_reuse(arguments.reuse, engine),
            ),
            sharing=Sharing.of(
                isolate=arguments.isolate or engine.isolates,
                fill_shared=arguments.fill_shared,
                merge=arguments.merge,
                allow_shared=arguments.allow_shared,
                track_shared=arguments.track_shared,
            ),
        ).on(engine)

    def on(self, engine: Engine) -> Options:
        """Return the same options for another engine, which may isolate the instances."""
        sharing = self.sharing
        if engine.isolates:
            sharing = replace(sharing, isolate=True, isolated_by=f'engine="{engine.name}"')
        return replace(self, engine=engine, sharing=sharing)

    def with_limits(self, limits: Limits) -> Options:
        """Return the same options with other limits; the bounds of an adaptive one widen to them."""
        adaptive, start = self.adaptive, limits.concurrency
        if adaptive is not None:
            adaptive = replace(
                adaptive,
                minimum=min(adaptive.minimum, start),
                start=start,
                maximum=max(adaptive.maximum, start),
            )
        return replace(self, limits=limits, adaptive=adaptive)


def _check_count(value: Any, name: str, unit: str, example: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise LimitError(
            f"{name} is {describe(value)}, not a number of {unit}. Write for example {name}={example}."
        )
    return value


def _check_reuse(reuse: bool, engine: Engine) -> bool:  # noqa: FBT001 - the option itself
    if reuse and engine.isolates:
        raise EngineError(
            f"reuse works on this event loop only, not on engine={engine.name!r}. Leave one of them out."
        )
    return bool(reuse)


def _check_names(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name not in OPTIONS:
            shown = value if isinstance(value, (int, float)) else "..."
            hint = did_you_mean(name, OPTIONS, f"{{}}={shown}")
            raise OptionError(f"There is no option {name!r}. {hint}".rstrip())
