"""Run a `%%batchflow` cell or a `%batchflow` line: start a run, open a panel, or check a flow."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from ..errors import FlowmagicError
from ..limits.limits import Limits
from ..records.batch import Batch, as_batch
from ..run.api import start
from ..run.batchrun import BatchRun
from ..run.options import Options
from ..run.prep_post import has_own_prep, own_batch
from ..run.shared_findings import findings_before
from ..text.formatting import error_text, truncate
from . import run_list, streams
from .cell_body import NOTHING, run_body
from .display import NotebookDisplay, batch_of, hide_as_value, is_hidden, make_display
from .magic_line import (
    MagicArguments,
    as_written_in_a_cell,
    check_output,
    find_flow,
    find_shared_store,
)
from .panel.rerun_cell import Origin
from .panel.widget import Panel, Start
from .shell import cancelling_on_interrupt, encodable, find_loop, must_wait, wait_for_end
from .summary.notices import engine_lines, findings_text

_NAME = 80  # characters of a flow's name


async def run_cell(
    shell: Any, arguments: MagicArguments, header: str, body: str, *, wait: str
) -> None:
    """Run a cell of the magic.

    Args:
        header: the first line of the cell.
        body: the other lines.
        wait: whether the cell waits if its line does not say: "always", "never" or "auto".

    Raises:
        UsageError: the line or the batch is wrong; nothing has been started.
        Exception: anything that the body raises, or that broke a run for which the cell waits.
    """
    __tracebackhide__ = True
    if arguments.manual:
        print(arguments.manual)  # noqa: T201 - for the user
        return
    flow = find_flow(shell.user_ns, arguments.flow)
    shared = find_shared_store(shell.user_ns, arguments.shared)
    batch = await _read_batch(shell, arguments, flow, header, body)
    if batch is not None and batch.rows is not None and not batch.rows:
        print(  # noqa: T201 - for the user of the cell
            "The param list is empty, so no instance runs. It has one dict per instance: "
            '[{"user_id": 1}, {"user_id": 2}]'
        )
    limits = arguments.options.limits
    if arguments.check:
        print_check(arguments, flow, batch, shared)
        return
    earlier = {
        number: run
        for number, (name, run) in run_list.runs(shell).items()
        if not run.ended and (name, run.name) == (arguments.output or "", arguments.flow)
    }
    if found := findings_before(arguments.options.sharing, shared):
        print(findings_text(found))  # noqa: T201 - for the user of the cell
    try:
        display = make_display(
            shell,
            arguments.flow or "",
            starter(shell, arguments, flow, shared),
            limits,
            batch,
            origin=origin_of(shell, arguments),
            compact=arguments.compact,
            earlier=earlier,
        )
        run = display.start(batch, limits)
    except FlowmagicError as error:
        raise UsageError(as_written_in_a_cell(str(error))) from None
    if must_wait(shell, requested=arguments.wait, configured=wait):
        with cancelling_on_interrupt(shell), contextlib.closing(display):
            await wait_for_end(run, display.tick)
        await run  # raises what broke the run itself


def run_cell_now(shell: Any, arguments: MagicArguments, header: str, body: str, wait: str) -> None:
    """Run a cell as `run_cell`, where nothing can be awaited: it never waits for its run.

    Raises:
        UsageError: also if the body awaits something; nothing has been started then.
    """
    __tracebackhide__ = True
    coroutine = run_cell(shell, replace(arguments, wait=False), header, body, wait=wait)
    try:
        coroutine.send(None)
    except StopIteration:
        pass
    else:
        coroutine.close()
        raise UsageError(
            "The body of this cell awaits something, which neither %run nor %autoawait off allows. "
            "Await it in a cell of the notebook itself, after %autoawait on, and name the result here."
        )
    starts = not (arguments.manual or arguments.check)
    if starts and must_wait(shell, requested=arguments.wait, configured=wait):
        name = arguments.output or "run"
        print(  # noqa: T201 - for the user of the cell
            f"This cell cannot wait for its run here. Write in the next one: await {name}"
            + ("" if arguments.output else " (and -o run in this one)")
        )


async def _read_batch(
    shell: Any, arguments: MagicArguments, flow: Any, header: str, body: str
) -> Batch | None:
    """Return the batch of the file or of the body; None: of the journal or of the flow's own prep."""
    __tracebackhide__ = True
    value = await run_body(shell, header, body)
    if arguments.file is not None:
        if value is not NOTHING:
            raise UsageError(
                "The params come from --file, so the cell's body must be empty. Write a comment: #"
            )
        return _read_file(arguments.file)
    if value is NOTHING:
        journal = arguments.options.journal
        resumes = journal is not None and journal.resume
        if not has_own_prep(flow) and not resumes:
            raise UsageError(
                f"The cell has no param list, and {type(flow).__name__} has no prep that returns one. "
                'Write the list in the cell: [{"user_id": 1}, {"user_id": 2}]'
            )
        return None
    try:
        return as_batch(value, arguments.options.sharing.text_param)
    except FlowmagicError as error:
        raise UsageError(as_written_in_a_cell(str(error))) from None


def _read_file(path: str) -> Batch:
    try:
        return as_batch(Path(path).expanduser())
    except (FlowmagicError, OSError) as error:
        raise UsageError(f"--file: {error}") from None


def starter(shell: Any, arguments: MagicArguments, flow: Any, shared: Any) -> Start:
    """Return the function that starts a run, binds it to its variable and adds it to the run list."""

    def start_run(batch: Batch | None, limits: Limits) -> BatchRun:
        if arguments.options.capture:
            streams.ensure_installed()
        run = start(flow, batch, shared=shared, options=arguments.options.with_limits(limits))
        run.name = truncate(arguments.flow or run.name, _NAME)
        if arguments.output is not None:
            shell.user_ns[arguments.output] = run
        run_list.add(shell, run, arguments.output)
        return run

    return start_run


def origin_of(shell: Any, arguments: MagicArguments) -> Origin:
    """Return what a panel writes into a cell that runs one row again."""
    return Origin(arguments.flow or "", arguments.rerun_line, arguments.output, shell.user_ns)


def run_line(shell: Any, arguments: MagicArguments) -> BatchRun | None:
    """Run a line of the magic; return the run, if the line has the number of one.

    Raises:
        UsageError: the line is wrong, or a panel is needed and there is no notebook.
    """
    if arguments.manual:
        print(arguments.manual)  # noqa: T201 - for the user
    elif arguments.flow is None:
        journal = arguments.options.journal
        print(encodable(run_list.table(shell, None if journal is None else journal.path)))  # noqa: T201 - for the user
    elif arguments.flow.isdigit():
        return _reach_run(shell, int(arguments.flow), arguments)
    elif arguments.check:
        shared = find_shared_store(shell.user_ns, arguments.shared)
        print_check(arguments, find_flow(shell.user_ns, arguments.flow), None, shared)
    else:
        _open_panel_of_flow(shell, arguments)
    return None


def print_check(
    arguments: MagicArguments, flow: Any, batch: Batch | None, shared: Any = None
) -> None:
    """Print what is likely to go wrong with a flow, and start nothing."""
    from ..flow.checks import check  # noqa: PLC0415 - imported when it is first used

    options = arguments.options
    findings = check(
        flow,
        batch,
        limit=options.limits.concurrency,
        **_check_options(options),
    )
    if options.journal is not None and batch is not None and batch.rows is not None:
        from ..journal.row_key import MOST_CHECKED, params_without_key  # noqa: PLC0415 - ditto

        findings += params_without_key(batch.rows[:MOST_CHECKED])
    findings += findings_before(options.sharing, shared)
    if options.journal is not None and options.journal.reuse:
        from ..journal.reusable import reuse_findings  # noqa: PLC0415 - ditto

        findings += reuse_findings(flow, options.journal.path)
    notes = (f"note: {line}" for line in engine_lines(options.engine))
    print(encodable("\n".join([findings_text(findings), *notes])))  # noqa: T201 - for the user


def _check_options(options: Options) -> dict[str, Any]:
    """Return the options of a run by which `check` judges, besides its limit."""
    sharing = options.sharing
    return {
        "threads": options.threads,
        "isolate": sharing.isolate,
        "fill_shared": sharing.fill,
        "merge": sharing.merge,
        "allow_shared": sharing.allowed,
    }


def _reach_run(shell: Any, number: int, arguments: MagicArguments) -> BatchRun:
    """Return a run that was started before. In a notebook, open a panel of it, too."""
    name, run = run_list.find(shell, number)
    if arguments.output is not None:
        check_output(arguments.output, run.name)
        run_list.bind(shell, number, arguments.output)
    if not hasattr(shell, "kernel"):
        return run
    _open_panel_of_run(
        shell,
        run,
        replace(
            arguments,
            flow=run.name,
            output=arguments.output or name or None,
            options=run.options,
            rerun_line=run.name,
        ),
    )
    hide_as_value(shell, run)
    return run


def _open_panel_of_run(shell: Any, run: BatchRun, arguments: MagicArguments) -> None:
    """Open a panel of a run that was started before, perhaps with another panel."""
    NotebookDisplay(
        run.name,
        starter(shell, arguments, run.flow, run.shared),
        run.limits,
        batch_of(run),
        origin=origin_of(shell, arguments),
        compact=arguments.compact,
    ).attach(run)


def display_run(shell: Any, run: BatchRun) -> None:
    """Display a run, such as the value of a cell, as a panel that is folded to one line.

    Raises:
        NotImplementedError: the shell has no kernel. IPython then displays the run as text.
    """
    if is_hidden(shell, run):
        return
    if not hasattr(shell, "kernel"):
        raise NotImplementedError
    names = [name for name, each in run_list.runs(shell).values() if each is run]
    arguments = MagicArguments(
        run.name,
        run.options,
        output=names[0] or None if names else None,
        compact=True,
        rerun_line=run.name,
    )
    _open_panel_of_run(shell, run, arguments)


def _open_panel_of_flow(shell: Any, arguments: MagicArguments) -> None:
    """Open a panel that starts runs of a flow; a file or the flow's own prep fills its param list."""
    flow = find_flow(shell.user_ns, arguments.flow)
    shared = find_shared_store(shell.user_ns, arguments.shared)
    _check_for_notebook(shell)
    if shared is None:
        shared = {}  # the same dict for prep, which is called now, and for the runs of this panel
    panel = NotebookDisplay(
        arguments.flow or "",
        starter(shell, arguments, flow, shared),
        arguments.options.limits,
        None if arguments.file is None else _read_file(arguments.file),
        origin=origin_of(shell, arguments),
        compact=arguments.compact,
    ).open()
    findings = findings_before(arguments.options.sharing, shared)
    panel.preview(flow, _check_options(arguments.options), findings)
    if has_own_prep(flow) and arguments.file is None:
        loop = find_loop()
        assert loop is not None  # there is a kernel
        text_param = arguments.options.sharing.text_param
        task = loop.create_task(_load_own_batch(panel, flow, shared, text_param))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[None]] = set()
"""Keeps tasks from being garbage-collected before they are done."""


async def _load_own_batch(panel: Panel, flow: Any, shared: Any, text_param: str) -> None:
    """Load the param list that the flow's own prep returns into a panel."""
    try:
        panel.load(await own_batch(flow, shared, text_param))
    except Exception as error:  # noqa: BLE001 - the user's prep may raise anything
        panel.show_notice(f"The flow's own prep returned no param list. {error_text(error)}")


def _check_for_notebook(shell: Any) -> None:
    if not hasattr(shell, "kernel"):
        raise UsageError("A panel needs a notebook. Here, run the flow in a cell: %%batchflow FLOW")
