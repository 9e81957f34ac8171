"""The shell's event loop: which it is, whether it goes on after a cell, how to wait, to interrupt."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from IPython.core.getipython import get_ipython

from ..run.batchrun import BatchRun
from ..run.end_waiters import running_loop

WAIT_VARIABLE = "FLOWMAGIC_WAIT"
"""Environment variable that overrides the guess of `runs_in_background`: "always", "never" or "auto"."""

_HEARTBEAT = 0.1  # seconds; a kernel's interrupt reaches an awaiting cell when its loop next wakes
_GRACE = 5.0  # seconds for a cancelled run to come to its end before the interrupt is passed on


def find_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs cells: the running one, else the kernel's; None outside of both.

    A widget's messages may be delivered in a thread of their own, where another loop runs or none:
    what they ask for is posted to this one.
    """
    if (loop := running_loop()) is not None:
        return loop
    kernel = getattr(get_ipython(), "kernel", None)
    return getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)


def hear_during_cells(comm: Any) -> None:
    """Have the messages of a widget's comm delivered beside cells, where the kernel offers subshells.

    A page sends them to a subshell of their own. From 7.4 on, ipykernel brings those of a comm to
    whichever shell that comm last published from: a widget that draws what happens on the main
    loop would be deaf for as long as a cell blocks it. Where ipykernel has no such routing (it is
    no public part of it), nothing changes.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _, subshell: subshell


def runs_in_background(shell: Any) -> bool:
    """Whether the loop runs on, with somebody watching, after the cell has returned.

    True in a notebook that a person has open. False where a background run would be lost: without
    a kernel (terminal IPython, a plain shell) and where a program executes the notebook (nbclient,
    nbconvert, papermill), which is recognised by its not answering `input()`.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return False
    try:
        parent = kernel.get_parent("shell") or {}
    except TypeError:  # JupyterLite's takes no channel; what it runs in is always somebody's page
        return True
    return bool(parent.get("content", {}).get("allow_stdin", True))


def must_wait(shell: Any, *, asked: bool | None, configured: str) -> bool:
    """Whether a cell waits for its run: as asked, configured, set in the environment, or guessed.

    Args:
        asked: the cell's own option; None if it has none.
        configured: "always", "never", or "auto" for no opinion.
    """
    if asked is not None:
        return asked
    for word in (configured, os.environ.get(WAIT_VARIABLE, "auto")):
        if word in ("always", "never"):
            return word == "always"
    return not runs_in_background(shell)


async def wait_for_end(run: BatchRun, tick: Callable[[], None]) -> None:
    """Wait for the end of a run, calling `tick` ten times a second.

    Interrupted, cancel the run, let it come to its end, and raise KeyboardInterrupt, so that a
    notebook that runs all its cells stops here.
    """
    end = asyncio.ensure_future(run.settled())
    try:
        while not end.done():
            await asyncio.wait({end}, timeout=_HEARTBEAT)
            tick()
    except asyncio.CancelledError:
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # interrupted once more: leave at once
            await asyncio.wait({end}, timeout=_GRACE)
        raise KeyboardInterrupt from None
    finally:
        end.cancel()


@contextlib.contextmanager
def cancelling_on_interrupt(shell: Any) -> Iterator[None]:
    """Let Ctrl-C cancel the present task, where no kernel does that.

    Without it, a Ctrl-C at a terminal leaves the loop with the task pending, to go on unseen when
    the next cell runs the loop.
    """
    task = asyncio.current_task()
    in_main = threading.current_thread() is threading.main_thread()
    if task is None or not in_main or hasattr(shell, "kernel"):
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(task.cancel))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_to_end(shell: Any, lifecycle: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine where no loop runs, on the loop that the shell runs its own cells on."""
    return shell.loop_runner(lifecycle)


def name_of(filename: str) -> str:
    """Return `Cell In[3]` for the file of a cell of the present shell, and other names as they are."""
    shell = get_ipython()
    if shell is None:
        return filename
    label = shell.compile.format_code_name(filename)
    return filename if label is None else " ".join(label)
