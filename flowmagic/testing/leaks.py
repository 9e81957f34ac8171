"""Finds what an ended run has left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection
from pathlib import Path

from ..limits.calls.named import named_limits
from ..run.batchrun import BatchRun

_WAIT = 2.0  # seconds for threads that have nothing more to do to end
_LOOK_EVERY = 0.01


def assert_no_leaks(
    run: BatchRun, *, besides: Collection[asyncio.Task[object] | threading.Thread] = ()
) -> None:
    """Check that an ended run has left no task, thread, permit, timer or file handle.

    Call it on the loop of the run, in a program that does nothing else, such as a test: any task of the
    loop counts but the current one, and any thread that flowmagic has started. Threads that are about
    to end get two seconds for it; a sync node that hangs keeps its thread.

    Args:
        besides: tasks and threads that were there before.

    Raises:
        AssertionError: the run has not ended, or something is left, which the message names.
    """
    if not run.ended:
        raise AssertionError(f"The run has not ended: {run!r}. Write `await run` first.")
    left = [*_tasks(besides), *_permits(run), *_timers(run), *_threads(run, besides), *_files(run)]
    if left:
        raise AssertionError(f"{run.name} has left behind: " + "; ".join(left) + ".")


def _tasks(besides: Collection[object]) -> list[str]:
    try:
        current = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return []
    tasks = asyncio.all_tasks() - {current} - set(besides)
    return [f"the task {task.get_name()} ({task.get_coro()!r})" for task in tasks]


def _permits(run: BatchRun) -> list[str]:
    left = []
    if running := run._lifecycle.parts.limits.limiter.running:
        left.append(f"{running} slots of its limit")
    for name, limit in named_limits().items():
        if limit.running or limit.waiting:
            left.append(f"{limit.running} calls and {limit.waiting} waiting at the limit {name!r}")
    return left


def _timers(run: BatchRun) -> list[str]:
    parts = run._lifecycle.parts
    left = parts.workers.timers + parts.scheduler.waits_for_retry
    return [f"{left} timers"] if left else []


def _threads(run: BatchRun, besides: Collection[object]) -> list[str]:
    until = time.monotonic() + _WAIT
    if run.journal is not None:
        run.journal.join(_WAIT)
    while (threads := _of_flowmagic(besides)) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
    return [f"the thread {each}" for each in threads]


def _of_flowmagic(besides: Collection[object]) -> list[str]:
    threads = [each for each in threading.enumerate() if each not in besides]
    return [each.name for each in threads if each.name.startswith("flowmagic-")]


def _files(run: BatchRun) -> list[str]:
    """Return the open files of the run's journal, where the system lists them."""
    options = run.options.journal
    opened = Path("/proc/self/fd")
    if options is None or not opened.is_dir():
        return []
    path = str(Path(options.path).expanduser().absolute())
    targets = []
    for each in opened.iterdir():
        try:
            targets.append(str(each.readlink()))
        except OSError:  # it was closed meanwhile, as the one that lists them
            continue
    return [f"the open file {each}" for each in sorted(set(targets)) if each.startswith(path)]
