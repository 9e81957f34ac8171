"""The magics `%%batchflow` and `%batchflow`, and their configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from functools import partial
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Enum, Float, Int, TraitError, Unicode, validate

from ..errors import LimitError
from ..limits.limits import Limits, check_per_minute
from ..run.end_waiters import running_loop
from .arguments import line_arguments
from .cell import run_cell, run_cell_now, run_line
from .magic_line import MagicArguments, find_engine, read_line
from .shell import run_to_end, runs_in_background


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
        help="Whether what an instance prints and logs goes to run[i].printed instead of into the "
        "cell, if --no-capture is not given. Applies only to notebooks that a person has open.",
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
        a generator, a DataFrame. If the body is only a comment, the flow's own prep returns it.

        In a notebook the cell returns at once. The run continues in the background, and a panel
        shows and controls it; `await run` in a later cell waits until it ends. Where a background
        run would be lost (nbconvert, papermill, a terminal), the cell waits.

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
            files                        on all cores: instances run in processes

            %%batchflow flow -f users.csv --wait
            # the params come from the file

            %batchflow flow --check      list what is likely to go wrong; run nothing
            %batchflow flow      open a panel with the param list of the flow's own prep; run nothing
            %batchflow           list the runs of this kernel and its named limits
            %batchflow --journal runs.journal     list the runs of a journal, too
            %batchflow 3         open a panel of run 3 of that list
            run = %batchflow 3   the same, and bind the run to a variable, as %batchflow 3 -o run does

        """
        arguments = self._arguments(line)
        if cell is None:
            return run_line(self.shell, arguments)
        header = f"%%batchflow {line}".rstrip()
        coroutine = run_cell(self.shell, arguments, header, cell, wait=self.wait)
        if running_loop() is None:
            return run_to_end(self.shell, coroutine)
        now = partial(run_cell_now, self.shell, arguments, header, cell, self.wait)
        return _PendingCell(coroutine, now)

    def _arguments(self, line: str) -> MagicArguments:
        arguments = read_line(
            self.batchflow,
            line,
            self.shell.user_ns,
            limit=self.limit,
            per_minute=self.per_minute,
            capture=self.capture,
            journal=self.journal,
        )
        options = arguments.options
        if arguments.engine is not None:
            options = options.on(find_engine(self.shell.user_ns, arguments.engine))
        if not runs_in_background(self.shell):
            # Without a panel nobody could see what an instance printed.
            options = replace(options, capture=False)
        return replace(arguments, options=options)


class _PendingCell:
    """What the magic returns: a cell that runs when it is awaited.

    The input transformer has put an `await` before the call of the magic, or `.run_now()` after it.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None], run_now: Callable[[], None]) -> None:
        self._coroutine: Coroutine[Any, Any, None] | None = coroutine
        self._run_now = run_now

    def run_now(self) -> None:
        """Run the cell without awaiting it; the input transformer calls this where nothing can be."""
        __tracebackhide__ = True
        self._close()
        self._run_now()

    def __await__(self) -> Generator[Any, None, None]:
        __tracebackhide__ = True
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is None:
            raise RuntimeError("This %%batchflow call has already been awaited.")
        return coroutine.__await__()

    def _close(self) -> bool:
        """Close the coroutine; return whether it had not been awaited."""
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is not None:
            coroutine.close()
        return coroutine is not None

    def __del__(self) -> None:
        if self._close():
            print(  # noqa: T201 - an exception in a finaliser is printed too, but less legibly
                "UsageError: %%batchflow was called but not awaited, so nothing was started. Put "
                "it on the first line of a cell, or await get_ipython().run_cell_magic(...).",
                file=sys.stderr,
            )
