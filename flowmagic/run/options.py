"""What a run was asked to keep to: a value, checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..engines.base import Engine
from ..engines.local import LocalEngine
from ..engines.registry import engine_of
from ..errors import LimitError, describe
from ..journal.options import JournalOptions
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
