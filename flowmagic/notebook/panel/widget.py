"""The panel: one widget that shows a run live and steers it.

Commands come as custom messages, in whatever thread the kernel delivers them; they are posted to
the kernel's own loop and acted on there. State is made at the moment it is sent, so that a page that
reloads or a second view gets the present; when and how much of it goes out is the `Updates`'s.
"""

from __future__ import annotations

import functools
import pathlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import anywidget
import traitlets

from ...errors import FlowmagicError, LimitError
from ...limits.limits import Limits
from ...records.batch import Batch
from ...records.store import RecordStore
from ...run.batchrun import BatchRun
from ...text.formatting import error_text, truncate
from ..shell import keep_on_subshell
from ..summary.notices import finding_lines
from .graph import GraphState
from .header import header_of, shown_limits
from .packing import pack_columns
from .param_list import ParamList
from .protocol import Command, FirstTexts, Header, with_none, with_null
from .queries import MOST_PAGES, Queries
from .rerun_cell import Origin, cell_of
from .row_text import row_labels, row_texts
from .ticker import Ticker
from .updates import Updates

_HERE = pathlib.Path(__file__).parent

_FIRST_TEXTS = 200  # rows whose params travel unasked
_STATE = ("snapshot", "header", "texts", "editor", "graph")
_CHECKED = 1_000  # rows whose params are looked at before Run
_TUNABLE = ("concurrency", "per_minute", "tokens_per_minute")

Start = Callable[["Batch | None", Limits], BatchRun]
"""Starts a run of a flow that is known already."""


@functools.cache
def _script() -> str:
    from .esm import joined  # noqa: PLC0415 - wanted once, by the first panel

    return joined(_HERE / "js", "panel")


class Panel(anywidget.AnyWidget):
    """Shows one flow's run, steers it, and starts the next one.

    Args:
        flow_name: what to call the flow.
        start: starts a run; called on the kernel's loop when Run is pressed, with the batch (None:
            the flow's own prep gives it) and the limits. A FlowmagicError is shown in place.
        limits: of the first run that Run starts.
        batch: what Run runs, until it is edited.
        origin: what a cell says that starts one more run of the flow; None: it is Python.
    """

    _esm = property(lambda _: _script())  # read when the first panel is made, not by %load_ext
    _css = _HERE / "panel.css"

    panel_id = traitlets.Unicode().tag(sync=True)
    # Their values are made when they are sent (`get_state`).
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
    ) -> None:
        self.run: BatchRun | None = None
        self._flow_name = truncate(flow_name, 80)
        self._start = start
        self._limits = limits
        self._list = ParamList(batch)
        self._idle = _records_of(batch)
        self._flow: Any = None
        """The flow that Run will run, where it is known before there is a run."""
        self._findings: list[str] = []
        self._notice = ""
        self._refused: str | None = None
        """Which command was refused for the reason that the notice says."""
        self._ticker = Ticker()
        self._heard: dict[str, int] = {}
        self._origin = origin or Origin(self._flow_name)
        self._asked = Queries(
            lambda: self._records,
            self._list,
            code=self._code,
            soon=self._ticker.soon,
            ready=self._ticker.ask,
        )
        self._graph = GraphState(soon=self._ticker.soon, ready=self._ticker.ask)
        self._updates = Updates(
            self._ticker,
            records=lambda: self._records,
            header=self._header,
            goes_on=lambda: self.run is not None and not self.run.ended,
            asked=self._asked,
            graph=self._graph,
            push=lambda: self.send_state(_STATE),
            send=self.send,
        )
        super().__init__(panel_id=uuid.uuid4().hex)
        keep_on_subshell(self.comm)
        self.on_msg(self._on_msg)

    # What the magic calls

    def show(self, run: BatchRun) -> None:
        """Attach a run: from now on the panel draws it and acts on it."""
        if self.run is not None:
            self.run.records.unwatch(self._updates.changed)
        self.run = self._list.run = run
        self._ticker.find_loop()
        self._limits = run.limits
        self._notice, self._refused = "", None
        self._asked.forget()
        self._updates.changed = run.records.watch()
        self._graph.watch(run.flow, run.records)
        run.observe(self._on_status)
        self._updates.begin()

    def load(self, batch: Batch) -> None:
        """Give an idle panel its param list."""
        self._list.batch = batch
        self._idle = _records_of(batch)
        self._check()
        self._asked.forget()
        self._notice, self._refused = "", None
        self._updates.push_soon()

    def foresee(self, flow: Any) -> None:
        """Show the graph of the flow that Run will run, before there is a run."""
        self._graph.load(flow)
        self._flow = flow
        self._check()
        self._updates.push_soon()

    def _check(self) -> None:
        """Note what is likely to go wrong with the next run, as far as it is known."""
        if self._flow is not None:
            batch = self._list.batch
            rows = None if batch is None or batch.rows is None else batch.rows[:_CHECKED]
            from ...flow.checks import check  # noqa: PLC0415 - imported when it is first used

            self._findings = finding_lines(check(self._flow, rows, limit=self._limits.concurrency))

    def say(self, text: str) -> None:
        """Show one line of notice; an empty one takes it away."""
        self._notice, self._refused = truncate(" ".join(text.split()), 500), None
        self._ticker.ask()

    # The state, as it is at this moment

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002 - ipywidgets' own signature
        """Return the state to send; overrides ipywidgets', so that it is never one of the past.

        Defaults are never dropped, as `ipywidgets.embed` asks for: to anywidget, script and style
        are such, and a page of its own would have a panel without either.
        """
        state = cast("dict[str, Any]", super().get_state(key))
        if "snapshot" in state:
            state["snapshot"] = pack_columns(self._records, self._updates.seq)
        if "header" in state:
            state["header"] = self._header()
        if "texts" in state:
            state["texts"] = self._first_texts()
        if "editor" in state:
            state["editor"] = self._list.editor()
        if "graph" in state:
            state["graph"] = self._graph.trait()
        return cast("dict[str, Any]", with_null(state))

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(with_null(msg), buffers)

    def _first_texts(self) -> FirstTexts:
        records, varying = self._records, self._asked.varying
        return {
            **row_texts(records, range(min(_FIRST_TEXTS, len(records))), varying),
            "columns": varying.columns(),
            "labels": row_labels(records, varying),
        }

    @property
    def _records(self) -> RecordStore:
        return self._idle if self.run is None else self.run.records

    def _code(self, index: int, secrets: set[str]) -> str:
        return cell_of(self._origin, self.run, self._records, index, secrets)

    def _header(self) -> Header:
        run = self.run
        if run is not None and not run.ended:
            self._limits = run.limits
        return header_of(
            run,
            self._records,
            flow=self._flow_name,
            limits=self._limits,
            notice=self._notice,
            findings=self._findings,
            heard=self._heard,
        )

    # What the page asks for

    def _on_msg(self, _: object, content: Any, __: object) -> None:
        # In any thread: nothing may happen here but this.
        self._ticker.post(self._act, content)

    def _act(self, command: Command) -> None:
        if not isinstance(command, dict):
            return
        command = with_none(command)
        client, n = command.get("client"), command.get("n")
        if isinstance(client, str) and isinstance(n, int):
            self._heard.pop(client, None)
            self._heard[client[:40]] = n
            while len(self._heard) > MOST_PAGES:
                self._heard.pop(next(iter(self._heard)))
        kind = command.get("type")
        act = getattr(self, f"_do_{kind}", None)
        if act is None:
            self._asked.take(command)
        else:
            try:
                act(command)
            except FlowmagicError as error:
                self._notice, self._refused = truncate(str(error), 500), kind
            except Exception as error:  # noqa: BLE001 - nobody else would show it
                self._notice, self._refused = error_text(error, width=500), kind
            else:
                if kind == self._refused:
                    self._notice, self._refused = "", None
        self._ticker.ask()

    def _do_run(self, command: Command) -> None:
        if self.run is not None and not self.run.ended:
            return
        self._notice = ""
        batch = self._list.batch_to_run(command.get("text"))
        run = self._start(batch, self._limits)
        self._list.batch = batch
        self.show(run)

    def _do_limit(self, command: Command) -> None:
        limits = replace(self._limits, concurrency=command.get("value"))  # type: ignore[arg-type]
        self._limits = limits
        if self.run is not None and not self.run.ended:
            self.run.limit = limits.concurrency

    def _do_verb(self, command: Command) -> None:
        if self.run is not None:
            getattr(self.run, command["type"])()

    _do_pause = _do_resume = _do_stop = _do_verb

    def _do_cancel(self, command: Command) -> None:
        if self.run is not None:
            self.run.cancel(command.get("index"))

    def _do_tune(self, command: Command) -> None:
        name, field = str(command.get("name")), command.get("field")
        self._updates.limits_due = True
        if field not in _TUNABLE:
            return
        limit = shown_limits().get(name)
        if limit is None:
            raise LimitError(f"There is no limit named {truncate(name, 80)!r} any more.")
        try:
            setattr(limit, field, command.get("value"))
        except LimitError as error:
            raise LimitError(f"Limit {name!r}: {error}") from None

    def _do_retry(self, _: Command) -> None:
        if self.run is not None:
            if self.run.ended:
                self.run.limit = self._limits.concurrency
            self.run.retry_failed()

    def _do_state(self, _: Command) -> None:
        self._updates.push_soon()

    def _on_status(self, run: BatchRun) -> None:
        if run is not self.run:
            return
        if run.ended:
            # At once: whoever awaits the run may be the last cell of a notebook.
            self._limits = run.limits
            self._updates.push()
        elif not self._ticker.live:
            self._updates.begin()  # taken up again
        else:
            self._ticker.ask()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            # A saved notebook keeps it for good: it must not say how things stood when it was made.
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
    """Return records in which the rows of a batch are pending, for a panel without a run."""
    records = RecordStore({}, 0.0, 0)
    if batch is not None and batch.rows is not None:
        records.load(batch.rows)
    return records
