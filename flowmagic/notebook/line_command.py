"""What `%batchflow` does on a single line: list runs, open a panel, check a flow."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from IPython.core.error import UsageError

from ..records.batch import Batch, as_batch
from ..run.prep_post import has_own_prep, own_batch
from ..text.formatting import error_text
from . import run_list
from .display import NotebookDisplay
from .magic_line import MagicArguments
from .namespace import find_flow, find_shared_store
from .panel.widget import Panel
from .shell import find_loop
from .starter import origin_of, starter
from .summary.notices import engine_lines, findings_text


def run_line(shell: Any, arguments: MagicArguments) -> None:
    """Run a line of the magic.

    Raises:
        UsageError: the line is wrong, or a panel is needed and there is no notebook.
    """
    if arguments.flow is None:
        journal = arguments.options.journal
        print(run_list.table(shell, None if journal is None else journal.path))  # noqa: T201 - for the user
    elif arguments.flow.isdigit():
        _open_panel_of_run(shell, int(arguments.flow), arguments)
    elif arguments.check:
        print_check(arguments, find_flow(shell.user_ns, arguments.flow), None)
    else:
        _open_panel_of_flow(shell, arguments)


def print_check(arguments: MagicArguments, flow: Any, batch: Batch | None) -> None:
    """Print what is likely to go wrong with a flow, and start nothing."""
    from ..flow.checks import check  # noqa: PLC0415 - imported when it is first used

    options = arguments.options
    findings = check(
        flow,
        None if batch is None else batch.rows,
        limit=options.limits.concurrency,
        threads=options.threads,
    )
    notes = (f"note: {line}" for line in engine_lines(options.engine))
    print("\n".join([findings_text(findings), *notes]))  # noqa: T201 - for the user


def _open_panel_of_run(shell: Any, number: int, arguments: MagicArguments) -> None:
    """Open a panel of a run that was started before."""
    _check_for_notebook(shell)
    runs = run_list.runs(shell)
    if number not in runs:
        raise UsageError(f"There is no run {number}. %batchflow lists the runs of this kernel.")
    name, run = runs[number]
    arguments = replace(
        arguments, flow=run.name, output=name or None, options=run.options, rerun_line=run.name
    )
    rows = run.records.rows
    display = NotebookDisplay(
        run.name,
        starter(shell, arguments, run.flow, run.shared),
        run.limits,
        as_batch(rows) if isinstance(rows, list) else None,
        origin=origin_of(shell, arguments),
    )
    display.attach(run)


def _open_panel_of_flow(shell: Any, arguments: MagicArguments) -> None:
    """Open a panel that starts runs of a flow; the flow's own prep fills its param list."""
    flow = find_flow(shell.user_ns, arguments.flow)
    shared = find_shared_store(shell.user_ns, arguments.shared)
    _check_for_notebook(shell)
    if shared is None:
        shared = {}  # the same dict for prep, which is called now, and for the runs of this panel
    panel = NotebookDisplay(
        arguments.flow or "",
        starter(shell, arguments, flow, shared),
        arguments.options.limits,
        None,
        origin=origin_of(shell, arguments),
    ).open()
    panel.preview(flow)
    if has_own_prep(flow):
        loop = find_loop()
        assert loop is not None  # there is a kernel
        task = loop.create_task(_load_own_batch(panel, flow, shared))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[None]] = set()
"""Keeps tasks from being garbage-collected before they are done."""


async def _load_own_batch(panel: Panel, flow: Any, shared: Any) -> None:
    """Load the param list that the flow's own prep returns into a panel."""
    try:
        panel.load(await own_batch(flow, shared))
    except Exception as error:  # noqa: BLE001 - the user's prep may raise anything
        panel.show_notice(f"The flow's own prep returned no param list. {error_text(error)}")


def _check_for_notebook(shell: Any) -> None:
    if not hasattr(shell, "kernel"):
        raise UsageError("A panel needs a notebook. Here, run the flow in a cell: %%batchflow FLOW")
