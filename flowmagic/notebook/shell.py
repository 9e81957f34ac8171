"""The shell of the notebook: its event loop, and how a cell waits for a run and is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from ..run.batchrun import BatchRun
from ..run.end_waiters import running_loop

WAIT_VARIABLE = "FLOWMAGIC_WAIT"
"""Environment variable that says whether cells wait: "always", "never" or "auto"."""

_TICK = 0.1  # seconds; an interrupt reaches a cell that awaits only when the loop wakes up
_GRACE = 5.0  # seconds that a cancelled run has to end before the interrupt is raised


def find_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs cells: the running loop, or else that of the kernel, or else None.

    The messages of a widget may arrive in another thread, where another loop runs or none. Their
    handlers post to this loop.
    """
    if (loop := running_loop()) is not None:
        return loop
    kernel = getattr(get_ipython(), "kernel", None)
    return getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)


_IPYKERNEL_WITH_REROUTING = ((7, 4),)
"""Versions of ipykernel in which `keep_on_subshell` is needed and has been tested."""


def keep_on_subshell(comm: Any) -> None:
    """Let the messages of a widget's comm arrive while a cell blocks the main thread.

    JupyterLab sends them to a subshell, a thread beside the main one. Since ipykernel 7.4
    (https://github.com/ipython/ipykernel/pull/1565) the kernel delivers them in the shell from which the
    comm last published instead. Our widgets publish from the main thread, so there the messages would
    wait until the cell ends. ipykernel has no setting for this, so this replaces its private method, and
    only in the versions listed above. In any other version, at worst the messages arrive later.
    """
    ipykernel = sys.modules.get("ipykernel")
    if getattr(ipykernel, "version_info", ())[:2] in _IPYKERNEL_WITH_REROUTING:
        comm._reply_subshell_for = lambda _data, sent_to: sent_to


def runs_in_background(shell: Any) -> bool:
    """Whether a run can continue after its cell has returned, with a person watching.

    True in a notebook that a person has open. False where a background run would be lost: without
    a kernel (terminal IPython, a plain shell), and where a program executes the notebook (nbclient,
    nbconvert, papermill). Such programs declare that they do not answer `input()`.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return False
    try:
        parent = kernel.get_parent("shell") or {}
    except TypeError:  # JupyterLite's takes no channel; its kernel always runs in a page
        return True
    return bool(parent.get("content", {}).get("allow_stdin", True))


def awaits_cells() -> bool:
    """Whether the shell awaits a cell whose text is transformed now, if the text has an `await`.

    It does not with `%autoawait off`; nor where `run_cell` would start an event loop, and one runs
    already. So `%run` executes a notebook in a kernel.
    """
    shell = get_ipython()
    if shell is not None and not shell.autoawait:
        return False
    frame = None if running_loop() is None else sys._getframe(1)
    while frame is not None:
        if frame.f_code is InteractiveShell._run_cell.__code__:
            return False
        frame = frame.f_back
    return True


_PLAIN = str.maketrans("✓✗⚠○◐⊘", "+x!o~-")


def encodable(text: str) -> str:
    """Return a text as stdout can encode it: a file on Windows knows few characters."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    return text


def must_wait(shell: Any, *, requested: bool | None, configured: str) -> bool:
    """Whether a cell waits for its run.

    The first of these that decides: the line of the cell, the configuration, the environment
    variable, and at last whether a background run would be lost.

    Args:
        requested: what the line says; None if it says nothing.
        configured: "always", "never", or "auto" for undecided.
    """
    if requested is not None:
        return requested
    for setting in (configured, os.environ.get(WAIT_VARIABLE, "auto")):
        if setting in ("always", "never"):
            return setting == "always"
    return not runs_in_background(shell)


async def wait_for_end(run: BatchRun, tick: Callable[[], None]) -> None:
    """Wait until a run has ended, and call `tick` ten times a second.

    If interrupted, cancel the run, give it time to end, and raise KeyboardInterrupt, so that "Run All"
    stops at this cell.
    """
    end = asyncio.ensure_future(run.settled())
    try:
        while not end.done():
            await asyncio.wait({end}, timeout=_TICK)
            tick()
    except asyncio.CancelledError:
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # interrupted again: leave at once
            await asyncio.wait({end}, timeout=_GRACE)
        raise KeyboardInterrupt from None
    finally:
        end.cancel()


@contextlib.contextmanager
def cancelling_on_interrupt(shell: Any) -> Iterator[None]:
    """Let Ctrl-C cancel the current task, if no kernel does that.

    Without this, Ctrl-C at a terminal would leave the task pending, and it would continue unseen when
    the next cell runs the loop.
    """
    task = asyncio.current_task()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if task is None or not in_main_thread or hasattr(shell, "kernel"):
        yield
        return
    loop = asyncio.get_running_loop()
    previous = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(task.cancel))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def run_to_end(shell: Any, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on the loop on which the shell runs its cells; no loop may be running."""
    return shell.loop_runner(coroutine)


def name_of(filename: str) -> str:
    """Return `Cell In[3]` for the file name of a cell in the current shell; other names unchanged."""
    shell = get_ipython()
    if shell is None:
        return filename
    label = shell.compile.format_code_name(filename)
    return filename if label is None else " ".join(label)
