"""What a run was asked to keep to: a value, checked before anything runs."""

from __future__ import annotations

import types
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..engines.base import Engine
from ..engines.local import LocalEngine
from ..engines.registry import NAMES, engine_of
from ..errors import LimitError, describe
from ..flow.source_code import expression_of, source_of
from ..journal.options import JournalOptions
from ..journal.shared_snapshot import Written, text_or_none
from ..limits.adaptive import Adaptive
from ..limits.limits import Limits, check_seconds
from ..shared.shared_store import Sharing
from .failures import ErrorBudget, Retries

KEEP = 20_000
"""Of rows drawn from a generator, how many successful ones are kept in full."""


@dataclass(frozen=True)
class Options:
    """The options of a run, as values; `of` reads what a user wrote.

    Attributes:
        limits: how many at once and how many a minute, to begin with.
        adaptive: None: the limit moves only by hand.
        timeout: seconds that one attempt of an instance may take; None: any.
        max_errors: when a broken run stops; None: never.
        retries: how failed instances are run again.
        threads: whether the `exec` of sync nodes runs in worker threads.
        keep: of rows drawn from a generator, how many that succeeded are kept in full.
        capture: whether what the instances print is kept apart, where something catches it.
        journal: where each instance is written down, and what is taken over; None: nowhere.
        sharing: how the instances share the store.
        engine: where they run.
    """

    limits: Limits = field(default_factory=Limits)
    adaptive: Adaptive | None = None
    timeout: float | None = None
    max_errors: ErrorBudget | None = None
    retries: Retries = field(default_factory=Retries)
    threads: bool = True
    keep: int = KEEP
    capture: bool = False
    journal: JournalOptions | None = None
    sharing: Sharing = field(default_factory=Sharing)
    engine: Engine = field(default_factory=LocalEngine)

    @property
    def kept(self) -> int:
        """How many rows are kept in full: at least the last one, if that is to be written down."""
        return self.keep if self.journal is None else max(1, self.keep)

    @classmethod
    def of(
        cls,
        *,
        limit: int | None = None,
        per_minute: float | None = None,
        burst: int = 1,
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
        merge: Any = None,
        allow_shared: Any = (),
        track_shared: bool = True,
        engine: Any = None,
    ) -> Options:
        """Check the options of a run as `batchflow` takes them.

        Raises:
            LimitError (a ValueError): one of them could not be kept to.
            JournalError: those of the journal make no sense.
            SharedError (a TypeError): those of the shared store make none.
            EngineError (a RuntimeError): there is no such engine.
            MissingExtraError (an ImportError): it needs a package that is not installed.
        """
        runs_on = engine_of(engine)
        wanted = None if adaptive is None else Adaptive.parse(adaptive)
        if wanted is not None:
            if limit is not None:
                raise LimitError(
                    f'limit={limit!r} and adaptive="{wanted}" both say how many instances run at '
                    f'once. Write one of them: adaptive="{wanted}" begins with {wanted.start}.'
                )
            limit = wanted.start
        limits = Limits(Limits.concurrency if limit is None else limit, per_minute, burst)
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 0:
            raise LimitError(
                f"keep is {describe(keep)}, not a number of rows. Write for example keep=1000."
            )
        return cls(
            limits=limits,
            adaptive=wanted,
            timeout=None if timeout is None else check_seconds(timeout, "timeout"),
            max_errors=None if max_errors is None else ErrorBudget.of(max_errors),
            retries=retries if isinstance(retries, Retries) else Retries(retries),
            threads=threads,
            keep=keep,
            journal=JournalOptions.of(journal, resume, sync, secrets=journal_secrets),
            sharing=Sharing.of(
                isolate=isolate or runs_on.isolates,
                merge=merge,
                allow_shared=allow_shared,
                track_shared=track_shared,
            ),
        ).on(runs_on)

    def on(self, engine: Engine) -> Options:
        """Return the same options, to run on an engine, which may isolate the instances."""
        sharing = self.sharing
        if engine.isolates:
            sharing = replace(sharing, isolate=True, isolated_by=f'engine="{engine.name}"')
        return replace(self, engine=engine, sharing=sharing)

    def with_limits(self, limits: Limits) -> Options:
        """Return the same options, to begin with other limits; an adaptive one moves from there."""
        adaptive, start = self.adaptive, limits.concurrency
        if adaptive is not None:
            adaptive = replace(
                adaptive,
                minimum=min(adaptive.minimum, start),
                start=start,
                maximum=max(adaptive.maximum, start),
            )
        return replace(self, limits=limits, adaptive=adaptive)


def options_kept(options: Options) -> dict[str, Any]:
    """Return the options of a run as plain values, named as `batchflow` takes them."""
    budget, sharing = options.max_errors, options.sharing
    return {
        "limit": options.limits.concurrency,
        "per_minute": options.limits.per_minute,
        "burst": options.limits.burst,
        "adaptive": None if options.adaptive is None else str(options.adaptive),
        "timeout": options.timeout,
        "max_errors": None
        if budget is None
        else budget.count
        if budget.share is None
        else (budget.share, budget.sample),
        "retries": options.retries.times,
        "threads": options.threads,
        "keep": options.keep,
        "isolate": sharing.isolate,
        "merge": None if sharing.merge is None else getattr(sharing.merge, "__name__", "?"),
        "allow_shared": sorted(sharing.allowed, key=repr) if _has_form(sharing.allowed) else None,
        "track_shared": sharing.track,
        "engine": None if options.engine.name == "local" else options.engine.name,
    }


def options_written(options: Options) -> tuple[dict[str, Written], list[Any]]:
    """Return the options that are no plain values, and the classes and functions that they use."""
    written: dict[str, Written] = {}
    used: list[Any] = []
    for name, value in (("adaptive", options.adaptive), ("retries", options.retries)):
        if value is None:
            continue
        parts, left = [], ""
        for each in fields(value):
            part = getattr(value, each.name)
            if part == each.default:
                continue
            text, why = _expression(part, used)
            if why:
                left = f"{each.name}: {why}"
            else:
                parts.append(f"{each.name}={text}")
        plain = {"adaptive": {"minimum", "start", "maximum"}, "retries": {"times"}}[name]
        if left or not plain.issuperset(part.partition("=")[0] for part in parts):
            made = f"flowmagic.{type(value).__name__}({', '.join(parts)})"
            written[name] = Written(made, left)
    if options.sharing.merge is not None:
        written["merge"] = Written(*_expression(options.sharing.merge, used))
    if (engine := _engine(options.engine)) is not None:
        written["engine"] = engine
    if not _has_form(options.sharing.allowed):
        written["allow_shared"] = Written("", "its keys have no form in a journal")
    return written, used


def _engine(engine: Engine) -> Written | None:
    """Return an engine that is more than its name."""
    where = getattr(engine, "where", None)
    if isinstance(where, str):
        return Written(f"flowmagic.{type(engine).__name__}({where!r})", "")
    if engine.name in NAMES and where is None:
        return None
    kind = type(engine if where is None else where).__name__
    return Written("", f"it was an object of class {kind}, which has no source")


def _expression(value: Any, used: list[Any]) -> tuple[str, str]:
    """Return a value as Python, or why that cannot be."""
    if isinstance(value, (bool, int, float, str, type(None))):
        return repr(value), ""
    if isinstance(value, tuple) and value:
        parts = [_expression(each, used) for each in value]
        return f"({', '.join(text for text, _ in parts)},)", next((w for _, w in parts if w), "")
    if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>":
        text = expression_of(value)
        used.append(value)
        return text, "" if text else "it was a lambda, whose source is not known"
    if isinstance(value, (types.FunctionType, type)):
        if not source_of(value) and value.__module__ in ("__main__", "__mp_main__"):
            return "", f"the source of {value.__name__} is not known"
        used.append(value)
        return value.__name__, ""
    return "", f"it was an object of class {type(value).__name__}, which has no source"


def _has_form(value: Any) -> bool:
    return text_or_none(value, None) is not None
