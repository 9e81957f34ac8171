"""The panel: one widget that shows a run live and steers it.

Commands come as custom messages, in whatever thread the kernel delivers them. They are posted to the
kernel's own loop and carried out there by `Commands`. The state is made when it is sent, so that a
page that reloads, or a second view, gets the present; `Updates` decides when to send what.
"""

from __future__ import annotations

import functools
import pathlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import anywidget
import traitlets

from ...flow.finding import Finding
from ...limits.limits import Limits
from ...records.batch import Batch
from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from ...text.formatting import truncate
from ..shell import keep_on_subshell
from ..summary.notices import finding_lines
from .commands import Commands
from .failure_groups import FailureGroups
from .graph import GraphState
from .header import earlier_text, header_of, shown_limits
from .held_back import HoldBack
from .jsnull import with_null
from .packing import pack_columns
from .param_list import ParamList
from .protocol import FirstTexts, Header
from .queries import Queries
from .rerun_cell import Origin, cell_of
from .row_text import row_labels, row_texts
from .ticker import Ticker
from .updates import Updates

_HERE = pathlib.Path(__file__).parent

_STATE = ("snapshot", "header", "texts", "editor", "graph")
_CHECKED = 1_000  # rows whose params are checked before Run

Start = Callable[["Batch | None", Limits], BatchRun]
"""Starts a run of a known flow, with a batch (None: the flow's own prep gives it) and limits."""


@functools.cache
def _script() -> str:
    from .esm import joined  # noqa: PLC0415 - needed once, by the first panel

    return joined(_HERE / "js", "panel")


@functools.cache
def _style_sheet() -> str:
    return (_HERE / "panel.css").read_text(encoding="utf-8")


class Panel(anywidget.AnyWidget):
    """Shows one flow's run, steers it, and starts the next one.

    Args:
        flow_name: the name of the flow to display.
        start: starts a run; called on the kernel's loop when Run is pressed. The panel shows the
            FlowmagicError that it raises.
        limits: the limits of the first run that Run starts.
        batch: what Run runs, until it is edited.
        compact: whether pages fold it to one line at first.
        earlier: runs of the same cell that are still in progress, by their numbers.
        origin: what a cell that starts another run of the flow contains; None for plain Python.
        run: the run to show from the start.

    Attributes:
        run: the run that the panel shows; None before the first one.
    """

    _esm = property(lambda _: _script())  # read when the first panel is made, not by %load_ext

    panel_id = traitlets.Unicode().tag(sync=True)
    style_sheet = traitlets.Unicode().tag(sync=True)
    """Not anywidget's `_css`, which the page would parse again for each further panel."""
    # `get_state` makes the values of the following traits when they are sent.
    snapshot = traitlets.Bytes().tag(sync=True)
    header = traitlets.Dict().tag(sync=True)
    texts = traitlets.Dict().tag(sync=True)
    editor = traitlets.Dict().tag(sync=True)
    graph = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        flow_name: str,
        start: Start,
        *,
        limits: Limits = Limits(),  # noqa: B008 - a frozen value
        batch: Batch | None = None,
        origin: Origin | None = None,
        compact: bool = False,
        earlier: Mapping[int, BatchRun] | None = None,
        run: BatchRun | None = None,
    ) -> None:
        self.run: BatchRun | None = None
        self._compact = compact
        self._earlier = dict(earlier or {})
        self._flow_name = truncate(flow_name, 80)
        self._param_list = ParamList(batch)
        self._idle_records = _records_of(batch if run is None else None)
        self._flow: Any = None
        """The flow that Run will run, if it is known before there is a run."""
        self._check_options: Mapping[str, Any] = {}
        self._findings: list[str] = []
        self._other_findings: Sequence[Finding] = ()
        self._ticker = ticker = Ticker()
        self._origin = origin or Origin(self._flow_name)
        self._failures = self._group_failures()
        self._held_back = HoldBack(ticker.now, shown_limits)
        self._queries = Queries(
            lambda: self._records,
            self._param_list,
            rows_of_group=self._rows_of_group,
            rerun_cell=self._rerun_cell,
            call_soon=ticker.call_soon,
            call_on_loop=ticker.call_on_loop,
            on_ready=ticker.request_tick,
        )
        self._graph = GraphState(call_soon=ticker.call_soon, on_ready=ticker.request_tick)
        self._updates = Updates(
            ticker,
            records=lambda: self._records,
            header=self._header,
            running=lambda: self.run is not None and not self.run.ended,
            queries=self._queries,
            graph=self._graph,
            failures=lambda: self._failures,
            push=lambda: self.send_state(_STATE),
            send=self.send,
        )
        self._commands = Commands(
            lambda: self.run,
            start,
            limits,
            param_list=self._param_list,
            queries=self._queries,
            updates=self._updates,
            earlier=self._earlier_runs,
            failures=lambda: self._failures,
            show=self.show,
        )
        if run is not None:
            self._take(run)
        # This sends the whole state, which a page draws without waiting for another message.
        super().__init__(panel_id=uuid.uuid4().hex, style_sheet=_style_sheet())
        keep_on_subshell(self.comm)
        self.on_msg(self._on_msg)
        if run is not None:
            self._updates.start(is_sent=True)

    # For the notebook's commands

    def show(self, run: BatchRun) -> None:
        """Show a run from now on, and act on it."""
        self._take(run)
        self._updates.start()

    def _take(self, run: BatchRun) -> None:
        if self.run is not None:
            self.run.records.unwatch(self._updates.changed)
        self.run = self._param_list.run = run
        self._commands.keep_limits(run)
        self._commands.show_notice("")
        self._ticker.find_loop()
        self._queries.reset()
        self._failures = self._group_failures()
        self._updates.changed = run.records.watch()
        self._graph.watch(run.flow, run.records)
        run.observe(self._on_status)

    def load(self, batch: Batch) -> None:
        """Give a panel without a run its param list."""
        self._param_list.batch = batch
        self._idle_records = _records_of(batch)
        self._check()
        self._queries.reset()
        self._commands.show_notice("")
        self._updates.push_soon()

    def preview(
        self,
        flow: Any,
        check_options: Mapping[str, Any] | None = None,
        findings: Sequence[Finding] = (),
    ) -> None:
        """Show the graph and the findings of the flow that Run will run, before there is a run.

        Args:
            check_options: further arguments of `check`.
            findings: what was found in other things than the flow and the rows.
        """
        self._graph.load(flow)
        self._flow, self._check_options = flow, check_options or {}
        self._other_findings = findings
        self._check()
        self._updates.push_soon()

    def _check(self) -> None:
        """Find what is likely to go wrong with the next run, as far as its flow and rows are known."""
        if self._flow is not None:
            batch = self._param_list.batch
            rows = None if batch is None or batch.rows is None else batch.rows[:_CHECKED]
            from ...flow.checks import check  # noqa: PLC0415 - imported when it is first used

            limit = self._commands.limits.concurrency
            found = check(self._flow, rows, limit=limit, **self._check_options)
            self._findings = finding_lines([*found, *self._other_findings])

    def show_notice(self, text: str) -> None:
        """Show a line of text as the notice; an empty one removes it."""
        self._commands.show_notice(text)
        self._ticker.request_tick()

    # The current state

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 - ipywidgets' own signature
        """Return the current state to send; overrides ipywidgets' method, which returns stored values.

        Defaults are never dropped, although `ipywidgets.embed` requests it: anywidget's script and
        style sheet are defaults, and an embedded panel would lack both.
        """
        state = cast("dict[str, Any]", super().get_state(key))
        if "snapshot" in state:
            state["snapshot"] = pack_columns(self._records, self._updates.seq)
        if "header" in state:
            state["header"] = self._header()
        if "texts" in state:
            state["texts"] = self._first_texts()
        if "editor" in state:
            state["editor"] = self._param_list.editor()
        if "graph" in state:
            state["graph"] = self._graph.state()
        return cast("dict[str, Any]", with_null(state))

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(with_null(msg), buffers)

    def _first_texts(self) -> FirstTexts:
        records, varying = self._records, self._queries.varying
        return {
            **row_texts(records, self._queries.pushed_rows, varying),
            "columns": varying.columns(),
            "labels": row_labels(records, varying),
        }

    @property
    def _records(self) -> RecordStore:
        return self._idle_records if self.run is None else self.run.records

    def _rows_of_group(self, group: object) -> list[int]:
        return self._failures.rows_of(group)

    def _group_failures(self) -> FailureGroups:
        ticker = self._ticker
        return FailureGroups(
            self._records, call_soon=ticker.call_soon, on_ready=ticker.request_tick
        )

    def _rerun_cell(self, index: int, secrets: frozenset[str]) -> str:
        return cell_of(self._origin, self.run, self._records, index, secrets)

    def _header(self) -> Header:
        return header_of(
            self.run,
            self._records,
            flow=self._flow_name,
            limits=self._commands.limits,
            notice=self._commands.notice,
            findings=self._findings,
            failures=self._failures.shown(),
            compact=self._compact,
            earlier=self._earlier_line(),
            held_back=self._held_back.current(self.run),
            waits=self._held_back.rows(self.run),
            acknowledged=self._commands.acknowledged,
        )

    def _earlier_runs(self) -> list[BatchRun]:
        return list(self._earlier.values())

    def _earlier_line(self) -> str:
        self._earlier = {n: run for n, run in self._earlier.items() if not run.ended}
        return next((earlier_text(n, run) for n, run in self._earlier.items()), "")

    # Messages and events

    def _on_msg(self, _: object, content: Any, __: object) -> None:
        # May be called in any thread, so it must do nothing else.
        self._ticker.call_on_loop(self._handle, content)

    def _handle(self, content: object) -> None:
        self._commands.handle(content)
        self._ticker.request_tick()

    def _on_status(self, run: BatchRun) -> None:
        if run is not self.run:
            return
        if run.ended:
            self._commands.keep_limits(run)
            # Not at the next tick: what awaits the run may be the last cell of a notebook.
            self._updates.push()
        elif not self._ticker.live:
            self._updates.start()  # the run has been resumed after its end
        else:
            self._ticker.request_tick()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            # A saved notebook keeps this text, so it must not describe the present state.
            bundle[0]["text/plain"] = (
                f"The flowmagic panel of {self._flow_name}; it is live while its kernel runs."
            )
        return bundle

    def __str__(self) -> str:
        run = self.run
        if run is None:
            return f"flowmagic panel of {self._flow_name}, idle"
        done, total = run.counts.ended, "?" if run.total is None else run.total
        return f"flowmagic panel of {self._flow_name}: {run.status}, {done}/{total} done"


def _records_of(batch: Batch | None) -> RecordStore:
    """Return records in which all rows of a batch are pending, for a panel without a run."""
    records = RecordStore({}, 0.0, 0)
    if batch is not None and batch.rows is not None:
        records.load(batch.rows)
    return records
