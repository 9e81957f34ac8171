"""What can be read from a run: its status, counts, results and limits."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..errors import InstancesFailedError
from ..flow.finding import Finding
from ..limits.adaptive import Aimd
from ..limits.limits import LimitChange, Limits
from ..records.exports import Exports
from ..records.instances import Instance, Instances
from ..records.row_secrets import secrets_of_row, secrets_of_run
from ..records.status import CANCELLED, FAILED, SUCCEEDED, RunCounts
from ..records.store import RecordStore
from ..records.table import InstanceColumns, columns_of
from ..shared.crossing import Crossing
from ..text.formatting import error_text
from ..text.suggestions import by_wrong_name, missing_attribute
from .event_loop_monitor import Hold
from .lifecycle import Lifecycle
from .options import Options
from .status import RunStatus

if TYPE_CHECKING:
    from ..flow.reuse.count import ReuseCount
    from ..journal.recorder import Recorder


_RIGHT_NAMES = by_wrong_name(
    {
        "await run, or run.wait() in plain synchronous code": "block complete gather join wait_for",
        "run.as_completed()": "iter_completed stream",
        "run.cancel()": "abort close interrupt kill shutdown terminate",
        "run.counts": "cancelled count pending progress running stats status_counts succeeded summary",
        "run.elapsed": "duration runtime seconds time took",
        "run.ended": "completed done finished is_done is_finished",
        "run.failures": "error_rows errors exceptions failed failed_instances failed_rows",
        "run.failures, or run.error for what broke the run itself": "exception failure",
        "[each.params for each in run.instances]": "batch inputs items params rows",
        "run.limit = 10": "concurrency max_concurrent max_workers set_limit",
        "run.ok": "is_ok success successful",
        "run.outputs, or run.results for the last actions": "answer answers output result returned "
        "returns values",
        "run.retry_failed()": "rerun rerun_failed retry retry_all",
        "run.run_rest()": "continue_ resume_rest rest run_cancelled run_remaining",
        "run.to_csv(path), run.to_jsonl(path) or run.to_parquet(path)": "dump export save to_disk "
        "to_file write",
        "run.to_frame()": "as_df dataframe df frame pandas table to_dataframe to_df to_pandas",
        "run.to_polars()": "pl polars to_pl",
        "run[0].copies": "copies nodes steps trace traces",
        "run[0].printed": "log logs printed stderr stdout",
    }
)


class RunView(Exports):
    """The read-only part of a `BatchRun`. It may be read from any thread."""

    flow: Any
    name: str
    options: Options
    _lifecycle: Lifecycle
    _warned = False
    """Whether it was said that rows are still pending."""

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            return missing_attribute(self, name, "run", _RIGHT_NAMES)

    # The run

    @property
    def status(self) -> RunStatus:
        """Where the run is."""
        return self._lifecycle.status

    @property
    def ended(self) -> bool:
        """Whether the run has ended; False again after `retry_failed()` continues it."""
        return self._lifecycle.ended

    @property
    def ok(self) -> bool:
        """Whether the run has ended and every instance succeeded."""
        counts = self.counts
        return self.status == RunStatus.FINISHED and counts.succeeded == counts.total

    @property
    def error(self) -> BaseException | None:
        """What broke the run itself (its source, prep or post). Failed instances are results."""
        return self._lifecycle.run_end.error

    @property
    def reason(self) -> str:
        """Why the run stopped by itself (`max_errors`, a used-up quota); empty if it did not."""
        return self._lifecycle.run_end.reason

    @property
    def action(self) -> Any:
        """What the flow's post returned."""
        return self._lifecycle.action

    @property
    def elapsed(self) -> float:
        """Seconds that the run has taken so far, or took.

        The time between its end and a continuation, such as `retry_failed()`, does not count.
        """
        return self._lifecycle.seconds() - self._lifecycle.idle

    @property
    def idle(self) -> float:
        """Seconds between ends of the run and its continuations, which `elapsed` leaves out."""
        return self._lifecycle.idle

    @property
    def journal(self) -> Recorder | None:
        """What writes the run to its journal, with the path and any trouble; None: nothing does."""
        return self._lifecycle.parts.journal

    @property
    def reuse(self) -> dict[str, ReuseCount] | None:
        """How often the execs of each node class ran and were reused; None without `reuse`."""
        reuse = self._lifecycle.parts.reuse
        return None if reuse is None else reuse.counts

    @property
    def holds(self) -> list[Hold]:
        """Which nodes held the event loop for more than 0.1 s: the 20 longest times."""
        recorder = self._lifecycle.parts.holds
        return [] if recorder is None else recorder.holds

    @property
    def crossings(self) -> list[Crossing]:
        """Where instances met at a key of `shared`, the worst first; empty if there is none.

        One for each key and pair of node classes, at most 100. A key that instances only add to is
        no crossing, and neither is one of `allow_shared`.
        """
        return self._lifecycle.parts.store.crossings()

    def audit(self) -> list[Finding]:
        """Return what may be lost without an error, why instances failed, and what the run changed."""
        # Here, because they read sources, which a run need not.
        from .audit import audit  # noqa: PLC0415
        from .failure_audit import explain_failures  # noqa: PLC0415
        from .shared_findings import shared_findings  # noqa: PLC0415

        parts = self._lifecycle.parts
        abandoned, has_params = parts.runner.abandoned(), parts.has_params
        found = explain_failures(self.records, self.options)
        found += audit(self.flow, self.records, abandoned, has_params=has_params)
        found += parts.process.findings()
        found += shared_findings(self.flow, parts.store, secrets_of_run(self.records))
        return found if self.journal is None else [*self.journal.shared.findings, *found]

    # Its limits

    @property
    def limits(self) -> Limits:
        """The limits in force, as one value; those just assigned take effect on the run's loop."""
        return self._lifecycle.parts.limits.limits

    @property
    def limit_history(self) -> list[LimitChange]:
        """Which limits were in force since when: those of the start, and the latest 1,000 changes."""
        return self._lifecycle.parts.limits.history.kept()

    @property
    def adaptive(self) -> Aimd | None:
        """The state of an adaptive limit, with its counts; None if the limit changes only by hand."""
        return self._lifecycle.parts.limits.aimd

    @property
    def cooling(self) -> float:
        """Seconds for which nothing starts because a provider asked to wait; 0 if none did."""
        return self._lifecycle.parts.limits.cooling

    @property
    def hanging(self) -> int:
        """How many calls of sync nodes were given up, and still keep a thread busy."""
        return len(self._lifecycle.parts.runner.abandoned())

    # Its instances

    @property
    def records(self) -> RecordStore:
        """The store behind `instances`."""
        return self._lifecycle.parts.records

    @property
    def total(self) -> int | None:
        """Number of rows; None until a generator is exhausted or prep has returned the batch."""
        return self.records.total

    @property
    def left(self) -> int:
        """How many rows `run_rest()` would run."""
        return self._lifecycle.parts.scheduler.left

    @property
    def counts(self) -> RunCounts:
        """How many instances are in each status."""
        return self.records.counts

    @property
    def instances(self) -> Instances:
        """Every instance, in the order of the params."""
        return Instances(self.records)

    def __getitem__(self, index: int) -> Instance:
        return self.instances[index]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def results(self) -> list[Any]:
        """In the order of the params: the last action, or the exception; None while not ended.

        Warns, once per run, if rows have not ended.
        """
        self._warn_if_pending("run.results")
        return list(self.records.results)

    def _warn_if_pending(self, what: str, depth: int = 3) -> None:
        """Warn, once per run, that something is not complete; `depth` as `stacklevel`."""
        counts, total = self.counts, self.total
        missing = counts.pending + counts.running
        if self._warned or self.ended or (total is not None and not missing):
            return
        self._warned = True
        rows = f"{counts.ended} rows have ended, and more may come"
        if total is not None:
            rows = f"{missing} of {total} rows have not ended"
        warnings.warn(f"{what} is not complete: {rows}. Write `await run` first.", stacklevel=depth)

    @property
    def outputs(self) -> list[Any]:
        """In the order of the params: the output of each instance, or the exception of a failed one.

        The output is what exec returned in the last node whose exec returned something, see
        `Instance.output`; None if none did, or while the instance has not ended. Warns, once per run,
        if rows have not ended.
        """
        self._warn_if_pending("run.outputs")
        records = self.records
        return [
            records.results[index]
            if code in (FAILED, CANCELLED)
            else records.output(index)
            if code == SUCCEEDED
            else None
            for index, code in enumerate(records.status)
        ]

    @property
    def failures(self) -> list[Instance]:
        """The instances that failed."""
        return [self[index] for index in self.records.with_status(FAILED)]

    def raise_for_failures(self) -> None:
        """Raise if anything failed.

        Raises:
            InstancesFailedError: instances failed; it has their number and the first few errors.
            Exception: what broke the run itself.
        """
        __tracebackhide__ = True
        self._raise_error()
        failures = [(each.index, each.result) for each in self.failures]
        if failures:
            raise InstancesFailedError(failures, len(self), self._masked_text) from failures[0][1]

    def _raise_error(self) -> None:
        __tracebackhide__ = True  # IPython then shows the user's frames only
        if self.error is not None:
            # With its first traceback: each raise would add the frames of whoever awaits the run.
            raise self.error.with_traceback(self._lifecycle.run_end.traceback)

    def _masked_text(self, index: int, error: BaseException) -> str:
        # A saved notebook keeps what a cell raised: it must not contain a secret.
        return error_text(error, secrets_of_row(self.records, index))

    def _columns(self, *, nodes: bool) -> InstanceColumns:
        self._warn_if_pending("The table of the run", depth=5)
        return columns_of(self.records, nodes=nodes)

    def _secrets_of_row(self, index: int) -> frozenset[str]:
        return secrets_of_row(self.records, index)

    def _isolates(self) -> bool:
        return self.options.sharing.isolate

    def _shared_in_isolation(self) -> list[Finding]:
        from .shared_findings import not_copied  # noqa: PLC0415 - as in `audit`

        shared = self._lifecycle.parts.store.not_copied
        return [not_copied(each, self.records.secrets) for each in shared]

    def _frame_index(self) -> Any:
        return self.records.index

    def __repr__(self) -> str:
        counts = self.counts
        parts = [
            f"{number} {name}"
            for name in ("succeeded", "failed", "cancelled", "running", "pending")
            if (number := getattr(counts, name))
        ]
        text = ", ".join(parts) or "no instances"
        return f"<BatchRun of {self.name}: {self.status}, {text}>"
