"""What starts the runs of a cell or of a panel, from the parsed line."""

from __future__ import annotations

from typing import Any

from ..limits.limits import Limits
from ..records.batch import Batch
from ..run.api import start
from ..run.batchrun import BatchRun
from ..text.formatting import truncate
from . import run_list, streams
from .magic_line import MagicArguments
from .panel.rerun_cell import Origin
from .panel.widget import Start

_NAME = 80  # characters of a flow's name


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
