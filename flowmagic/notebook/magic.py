"""`%%batchflow` and `%batchflow`: text to options to a call."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import sys
from collections.abc import Coroutine, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from pocketflow import BaseNode
from traitlets import Bool, Enum, Float, Int, TraitError, Unicode, validate

from ..engines.base import Engine
from ..engines.registry import NAMES, engine_of
from ..errors import EngineError, FlowmagicError, LimitError, describe
from ..flow.graph import check_flow
from ..limits.limits import Limits, check_per_minute
from ..records.batch import Batch, as_batch
from ..run.api import start as start_run
from ..run.batchrun import BatchRun
from ..run.end_waiters import running_loop
from ..run.prep_post import has_own_prep, own_batch
from ..text.formatting import error_text, truncate
from . import run_list
from .arguments import MagicArguments, line_arguments, read_line
from .cell_body import NOTHING, run_body
from .display import NotebookDisplay, make_display
from .panel.rerun_cell import Origin
from .panel.widget import Panel, Start
from .shell import (
    cancelling_on_interrupt,
    find_loop,
    must_wait,
    run_to_end,
    runs_in_background,
    wait_for_end,
)
from .streams import stand_in
from .summary.notices import engine_lines, findings_text
from .summary.summary import headline

_NAME = 80  # characters of a flow's name

_MAKE = {
    "flow": "Make one in a cell above, flow = AsyncFlow(start=node), and write its name: flow.",
    "engine": 'Write local, dask, or the name of one that you made: flowmagic.DaskEngine("tcp://…").',
    "shared store": "Make one in a cell above, shared = {}, and write its name: shared.",
}
"""What to write where a name holds nothing."""


@magics_class
class BatchFlowMagics(Magics):
    """The magics, and their defaults: `%config BatchFlowMagics.limit = 8`."""

    shell: Any

    limit = Int(
        Limits.concurrency, min=1, help="How many instances run at once, if --limit is not given."
    ).tag(config=True)
    per_minute = Float(
        None,
        allow_none=True,
        help="How many instances may start within 60 seconds, if --per-minute is not given.",
    ).tag(config=True)
    wait = Enum(
        ["auto", "always", "never"],
        default_value="auto",
        help="Whether a cell waits for its run, if neither --wait nor --no-wait is given. 'auto' "
        "waits where a background run would be lost.",
    ).tag(config=True)
    capture = Bool(
        True,
        help="Whether what an instance prints and logs goes to its own output, run[i].printed, and "
        "not into the cell, if --no-capture is not given. Only where somebody has a panel open.",
    ).tag(config=True)

    journal = Unicode(
        "", help="The file to which runs are written, if --journal is not given; empty: none."
    ).tag(config=True)

    @validate("per_minute")
    def _check_per_minute(self, proposal: Any) -> Any:
        try:
            return check_per_minute(proposal["value"])
        except LimitError as error:
            raise TraitError(str(error)) from None

    @line_arguments
    @no_var_expand
    @line_cell_magic
    def batchflow(self, line: str, cell: str | None = None) -> Any:
        """Run a PocketFlow flow once per param dict, throttled, in the notebook's event loop.

        The body is Python like any cell's; its last expression is the param list: a list of dicts,
        a generator, a DataFrame. With an empty body (a comment), the flow's own prep gives it.

        In a notebook the cell returns at once while the run goes on, with a panel to watch and
        steer it; `await run` in a later cell waits for its end. Where a background run would be
        lost (nbconvert, papermill, a terminal), the cell waits.

        Examples::

            %%batchflow flow --limit 10 -o run
            [{"user_id": 1}, {"user_id": 2}]

            %%batchflow flow --limit 3 --per-minute 60
            users = await load_users()
            [{"user_id": user.id} for user in users]

            %%batchflow flow --adaptive 2-10-50 --timeout 60 --retries 2 --max-errors 20%
            [{"user_id": 1}, {"user_id": 2}]

            %%batchflow flow --isolate -o run
            images                       each instance has its own view of shared: run[0].writes

            %%batchflow flow --engine dask --limit 8
            files                        on all cores: the instances run in processes

            %%batchflow flow -f users.csv --wait
            # the params come from the file

            %batchflow flow --check      what is likely to go wrong; starts nothing
            %batchflow flow      a panel with the param list of the flow's own prep, not yet started
            %batchflow --journal runs.journal     the runs that it holds, too
            %batchflow           a table of the runs of this kernel, and of its named limits
            %batchflow 3         a panel of run 3 of that table

        """
        asked = read_line(
            self.batchflow,
            line,
            limit=self.limit,
            per_minute=self.per_minute,
            capture=self.capture,
            journal=self.journal,
        )
        if asked.engine is not None:
            asked = replace(asked, run=asked.run.on(self._engine(asked.engine)))
        if asked.run.capture and not runs_in_background(self.shell):
            # Where nobody can open an instance, its prints would be seen by nobody.
            asked = replace(asked, run=replace(asked.run, capture=False))
        if cell is None:
            return self._line(asked)
        lifecycle = self._cell(asked, f"%%batchflow {line}".rstrip(), cell)
        if running_loop() is None:
            return run_to_end(self.shell, lifecycle)
        return _Course(lifecycle)

    # %%batchflow FLOW

    async def _cell(self, asked: MagicArguments, header: str, body: str) -> None:
        __tracebackhide__ = True
        flow = self._flow(asked)
        shared = self._shared(asked)
        batch = await self._batch(asked, flow, header, body)
        if asked.check:
            self._check(asked, flow, batch)
            return
        self._tell_of_its_like(asked)
        try:
            shown = make_display(
                self.shell,
                asked.flow or "",
                self._starter(asked, flow, shared),
                asked.run.limits,
                batch,
                origin=self._origin(asked),
            )
            run = shown.start(batch, asked.run.limits)
        except FlowmagicError as error:
            raise UsageError(_as_options(str(error))) from None
        if must_wait(self.shell, asked=asked.wait, configured=self.wait):
            with cancelling_on_interrupt(self.shell), contextlib.closing(shown):
                await wait_for_end(run, shown.tick)
            await run  # raises what broke the run itself

    async def _batch(
        self, asked: MagicArguments, flow: Any, header: str, body: str
    ) -> Batch | None:
        __tracebackhide__ = True
        given = await run_body(self.shell, header, body)
        if asked.file is not None:
            if given is not NOTHING:
                raise UsageError("The params come from --file, so the cell's body must be empty: #")
            return _file(asked.file)
        if given is NOTHING:
            resumes = asked.run.journal is not None and asked.run.journal.resume
            if not has_own_prep(flow) and not resumes:
                raise UsageError(
                    f"The cell has no param list, and {type(flow).__name__} has no prep of its own "
                    'to give one. Write it into the cell: [{"user_id": 1}, {"user_id": 2}]'
                )
            return None
        try:
            return as_batch(given)
        except FlowmagicError as error:
            raise UsageError(str(error)) from None

    def _starter(self, asked: MagicArguments, flow: Any, shared: Any) -> Start:
        def start(batch: Batch | None, limits: Limits) -> BatchRun:
            if asked.run.capture:
                stand_in()
            run = start_run(flow, batch, shared=shared, options=asked.run.with_limits(limits))
            run.name = truncate(asked.flow or run.name, _NAME)
            if asked.output is not None:
                self.shell.user_ns[asked.output] = run
            run_list.note(self.shell, run, asked.output)
            return run

        return start

    def _origin(self, asked: MagicArguments) -> Origin:
        return Origin(asked.flow or "", asked.again, asked.output, self.shell.user_ns)

    def _flow(self, asked: MagicArguments) -> Any:
        if asked.flow is None:
            raise UsageError("Which flow? Write its name: %%batchflow flow --limit 5")
        flow = self._named(asked.flow, "flow")
        try:
            check_flow(flow)
        except FlowmagicError as error:
            raise UsageError(str(error).replace("The flow", asked.flow, 1)) from None
        return flow

    def _shared(self, asked: MagicArguments) -> Any:
        if asked.shared is None:
            return None
        shared = self._named(asked.shared, "shared store")
        # Any object that nodes can write to will do.
        writable = hasattr(shared, "__setitem__") or hasattr(shared, "__dict__")
        if isinstance(shared, list) or not writable:
            raise UsageError(
                f"--shared {asked.shared} is {describe(shared)}, not a dict. {_MAKE['shared store']}"
            )
        return shared

    def _engine(self, name: str) -> Engine:
        try:
            return engine_of(self._named(name, "engine"))
        except EngineError as error:
            raise UsageError(str(error).replace("engine", f"--engine {name}", 1)) from None

    def _named(self, name: str, what: str) -> Any:
        """Look up a name, dotted or not, in the user's namespace. Never evaluates it."""
        first, *rest = name.split(".")
        try:
            value = self.shell.user_ns[first]
            for attribute in rest:
                value = getattr(value, attribute)
        except (KeyError, AttributeError):
            known = {"flow": self.flow_names(), "engine": list(NAMES)}.get(what, [])
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else _MAKE[what]
            raise UsageError(f"There is no {what} named {name!r}. {hint}") from None
        return value

    def flow_names(self) -> list[str]:
        """Return the names in the user's namespace that hold a flow or a node."""
        return sorted(
            name
            for name, value in self.shell.user_ns.items()
            if isinstance(value, BaseNode) and not name.startswith("_")
        )

    # %batchflow

    def _tell_of_its_like(self, asked: MagicArguments) -> None:
        """Say which runs still go on though nothing in the notebook shows them any more.

        A cell that is run again loses the panel of its run, and the name; the run itself goes on.
        """
        for number, (name, run) in run_list.runs(self.shell).items():
            if not run.ended and (name, run.name) == (asked.output or "", asked.flow):
                print(  # noqa: T201 - for the user of the cell
                    f"An earlier run goes on beside this one: {headline(run)}. "
                    f"To steer or end it: %batchflow {number}"
                )

    def _panel_of(self, number: int, asked: MagicArguments) -> None:
        """Open a panel of a run that was started before."""
        runs = run_list.runs(self.shell)
        if number not in runs:
            raise UsageError(f"There is no run {number} here. %batchflow lists those there are.")
        name, run = runs[number]
        as_then = replace(
            asked, flow=run.name, output=name or None, run=run.options, again=run.name
        )
        rows = run.records.rows
        shown = NotebookDisplay(
            run.name,
            self._starter(as_then, run.flow, run.shared),
            run.limits,
            as_batch(rows) if isinstance(rows, list) else None,
            origin=self._origin(as_then),
        )
        shown.attach(run)

    def _line(self, asked: MagicArguments) -> None:
        if asked.flow is None:
            journal = None if asked.run.journal is None else asked.run.journal.path
            print(run_list.table(self.shell, journal))  # noqa: T201 - a table is what was asked for
            return
        if asked.flow.isdigit():
            self._need_notebook()
            self._panel_of(int(asked.flow), asked)
            return
        flow = self._flow(asked)
        if asked.check:
            self._check(asked, flow, None)
            return
        shared = self._shared(asked)
        self._need_notebook()
        if shared is None:
            shared = {}  # one for prep, which is called now, and for the run that Run starts
        start = self._starter(asked, flow, shared)
        origin = self._origin(asked)
        panel = NotebookDisplay(asked.flow, start, asked.run.limits, None, origin=origin).open()
        panel.preview(flow)
        if has_own_prep(flow):
            loop = find_loop()
            assert loop is not None  # there is a kernel
            fill = loop.create_task(_fill(panel, flow, shared))
            _fills.add(fill)
            fill.add_done_callback(_fills.discard)

    def _need_notebook(self) -> None:
        if not hasattr(self.shell, "kernel"):
            raise UsageError("A panel needs a notebook. Here, run the flow: %%batchflow FLOW")

    def _check(self, asked: MagicArguments, flow: Any, batch: Batch | None) -> None:
        rows = None if batch is None else batch.rows
        from ..flow.checks import check  # noqa: PLC0415 - imported when it is first used

        found = check(flow, rows, limit=asked.run.limits.concurrency, threads=asked.run.threads)
        lines = [
            findings_text(found),
            *(f"note: {line}" for line in engine_lines(asked.run.engine)),
        ]
        print("\n".join(lines))  # noqa: T201 - a list is what was asked for


_fills: set[asyncio.Task[None]] = set()


async def _fill(panel: Panel, flow: Any, shared: Any) -> None:
    """Give an idle panel the param list of the flow's own prep."""
    try:
        panel.load(await own_batch(flow, shared))
    except Exception as error:  # noqa: BLE001 - the user's prep; said where it is looked for
        panel.show_notice(f"The flow's own prep gave no param list. {error_text(error)}")


def _as_options(message: str) -> str:
    """Return what an error says is to be written, as it is written on the line of a cell."""
    anyway = message.replace("resume='anyway'", "--resume-anyway")
    return anyway.replace("leave resume out", "leave --resume out")


def _file(name: str) -> Batch:
    try:
        return as_batch(Path(name).expanduser())
    except (FlowmagicError, OSError) as error:
        raise UsageError(f"--file: {error}") from None


class _Course:
    """What the magic returns: the input transformer has put an `await` before the call."""

    def __init__(self, lifecycle: Coroutine[Any, Any, None]) -> None:
        self._lifecycle: Coroutine[Any, Any, None] | None = lifecycle

    def __await__(self) -> Generator[Any, None, None]:
        __tracebackhide__ = True
        lifecycle, self._lifecycle = self._lifecycle, None
        if lifecycle is None:
            raise RuntimeError("This %%batchflow call was awaited already.")
        return lifecycle.__await__()

    def __del__(self) -> None:
        if self._lifecycle is not None:
            self._lifecycle.close()
            print(  # noqa: T201 - raising in a finaliser would only be printed, less legibly
                "UsageError: %%batchflow was called but not awaited, so nothing was started. Put "
                "it on the first line of a cell, or await get_ipython().run_cell_magic(...).",
                file=sys.stderr,
            )
