"""Run a `%%batchflow` cell: read its batch, start the run, show it, and wait for it if needed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from ..errors import FlowmagicError
from ..records.batch import Batch, as_batch
from ..run.prep_post import has_own_prep
from . import run_list
from .cell_body import NOTHING, run_body
from .display import make_display
from .line_command import print_check
from .magic_line import MagicArguments, as_written_in_a_cell
from .namespace import find_flow, find_shared_store
from .shell import cancelling_on_interrupt, must_wait, wait_for_end
from .starter import origin_of, starter
from .summary.summary import headline


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
    flow = find_flow(shell.user_ns, arguments.flow)
    shared = find_shared_store(shell.user_ns, arguments.shared)
    batch = await _read_batch(shell, arguments, flow, header, body)
    limits = arguments.options.limits
    if arguments.check:
        print_check(arguments, flow, batch)
        return
    _print_earlier_runs(shell, arguments)
    try:
        display = make_display(
            shell,
            arguments.flow or "",
            starter(shell, arguments, flow, shared),
            limits,
            batch,
            origin=origin_of(shell, arguments),
        )
        run = display.start(batch, limits)
    except FlowmagicError as error:
        raise UsageError(as_written_in_a_cell(str(error))) from None
    if must_wait(shell, requested=arguments.wait, configured=wait):
        with cancelling_on_interrupt(shell), contextlib.closing(display):
            await wait_for_end(run, display.tick)
        await run  # raises what broke the run itself


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
        return as_batch(value)
    except FlowmagicError as error:
        raise UsageError(str(error)) from None


def _read_file(path: str) -> Batch:
    try:
        return as_batch(Path(path).expanduser())
    except (FlowmagicError, OSError) as error:
        raise UsageError(f"--file: {error}") from None


def _print_earlier_runs(shell: Any, arguments: MagicArguments) -> None:
    """Print which runs of the same cell are still in progress.

    A cell that is executed again replaces the panel and the variable of its earlier run.
    """
    for number, (name, run) in run_list.runs(shell).items():
        if not run.ended and (name, run.name) == (arguments.output or "", arguments.flow):
            print(  # noqa: T201 - for the user of the cell
                f"An earlier run of this cell is still in progress: {headline(run)}. "
                f"To open its panel: %batchflow {number}"
            )
