"""Processes that nodes fork: only the parent goes on with the run.

`os.fork` copies the event loop in the middle of a step. A child that returned to it would run other
instances once more, and take events that are meant for its parent. So a child ends when it leaves the
node that forked it: when it returns, raises (`sys.exit()`), or awaits something. It ends by `os._exit`,
since what its parent registered for the end of the process, such as closing a journal, is not for it.

Whoever runs nodes compares `count` before and after. In case a task of the node's own has forked, the
first thing that the loop does in the child is to end it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import traceback
from collections import deque
from typing import NoReturn

count = 0
"""The number of forks from the process in which flowmagic was first imported to this one."""

_running: list[tuple[int, asyncio.AbstractEventLoop]] = []
"""The event loops of the runs in this process, each with the thread that it runs in."""


def run_begins(loop: asyncio.AbstractEventLoop) -> None:
    """Note that a run has begun in the loop of this thread."""
    _running.append((threading.get_ident(), loop))


def run_ends(loop: asyncio.AbstractEventLoop) -> None:
    """Note that a run has ended in the loop of this thread."""
    with contextlib.suppress(
        ValueError
    ):  # its loop was moved to another thread, or has been forked
        _running.remove((threading.get_ident(), loop))


def end_if_forked(before: int, error: BaseException | None) -> None:
    """End this process if it is a child that a node forked.

    Args:
        before: `count` before the node ran.
        error: what the node raised; None: it returned.
    """
    if count != before:
        end_child(error)


def end_child(error: BaseException | None = None) -> NoReturn:
    """End this process as the interpreter ends after an exception, or after none."""
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            _exit(error.code or 0)
        _exit(1, f"{error.code}\n")
    if error is not None:
        _exit(1, "".join(traceback.format_exception(type(error), error, error.__traceback__)))
    _exit(0)


def _end_in_loop() -> NoReturn:
    """End this process before its loop does anything else."""
    # `asyncio.run` turns the loop once more after a SystemExit of a task.
    if (error := sys.exc_info()[1]) is not None:
        end_child(error)
    _exit(
        1,
        "flowmagic: a process that a node forked has ended at an await, since only its parent goes on "
        "with the run. Let the child await nothing, and end it with os._exit(0).\n",
    )


def _exit(status: int, message: str = "") -> NoReturn:
    with contextlib.suppress(Exception):  # there is no stderr, or it is closed
        sys.stderr.write(message)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status & 0xFF)


def _after_fork() -> None:
    global count  # noqa: PLW0603
    count += 1
    loops = {loop for thread, loop in _running if thread == threading.get_ident()}
    _running.clear()
    for loop in loops:
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon(_end_in_loop)
        # Before all that is ready in it. Loops that are not asyncio's have no such attribute.
        ready = getattr(loop, "_ready", None)
        if isinstance(ready, deque):
            ready.rotate(1)
    if loops:  # called before all that its parent has registered
        atexit.register(_exit, 0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
