"""Makes `input()` fail in a run that no cell waits for, and lets the others ask one at a time.

Between cells, a kernel reads a stdin of its own, which is empty; and while another cell runs, the
question would appear in that one. So a run may ask only while the cell that started it still runs.

Threads that ask at the same time make a kernel hang, since they read the answers from one socket. So
they take turns, and each question names its row.
"""

from __future__ import annotations

import functools
import sys
import threading
from contextvars import ContextVar
from typing import Any

from ..engines.redirects import owner
from ..errors import InputError
from ..records.printed import row_here

_ASKING = ("raw_input", "getpass")
"""Methods of a kernel; while a cell runs, they are `input` and `getpass.getpass`."""

_POLL = (
    0.1  # seconds after which a thread that waits for its turn looks whether its cell still runs
)

_READING = frozenset({"read", "readline", "readlines"})
"""Methods of `sys.stdin`; between cells, `input` calls one of them."""

_cell: ContextVar[Any] = ContextVar("flowmagic_cell", default=None)
"""The cell of the code in the current Context, as IPython describes it to callbacks."""


class InputGuard:
    """Guards what code of a shell with a kernel can ask for, from `install` to `uninstall`."""

    def __init__(self, shell: Any) -> None:
        self._events, self._kernel = shell.events, shell.kernel
        self._running: list[Any] = []
        """The cells that run now: more than one, if there are subshells."""
        self._stdin: _Stdin | None = None
        self._turn = threading.Lock()
        """Held by the thread that asks."""

    def install(self) -> None:
        """Install it. To be called in a cell, from which runs may ask until it ends."""
        self._begin_cell(self)  # whatever IPython's description of this cell is
        self._events.register("pre_run_cell", self._begin_cell)
        self._events.register("post_run_cell", self._end_cell)
        for name in _ASKING:
            if hasattr(self._kernel, name):  # not in JupyterLite
                setattr(self._kernel, name, self._guarded(getattr(self._kernel, name)))
        if sys.stdin is not None:
            sys.stdin = self._stdin = _Stdin(sys.stdin, self)

    def uninstall(self) -> None:
        """Restore everything."""
        self._events.unregister("pre_run_cell", self._begin_cell)
        self._events.unregister("post_run_cell", self._end_cell)
        for name in _ASKING:
            vars(self._kernel).pop(name, None)
        if self._stdin is not None and sys.stdin is self._stdin:
            sys.stdin = self._stdin.below

    def check(self) -> None:
        """Raise InputError if the code that runs here belongs to a run, and the run's cell has ended."""
        if owner.get() is not None and not any(_cell.get() is each for each in self._running):
            raise InputError(
                "Nobody can answer input() in a run that no cell waits for. Add --wait --limit 1 to the "
                "line of the cell; in Python, await the run, with limit=1, in the cell that starts it."
            )

    def _begin_cell(self, cell: Any) -> None:
        _cell.set(cell)
        self._running.append(cell)

    def _end_cell(self, result: Any) -> None:
        # There is no result if the cell was cancelled. The cell in which this was installed is unknown.
        ended = getattr(result, "info", None)
        self._running = [
            each for each in self._running if ended is not None and each not in (ended, self)
        ]
        self._turn = threading.Lock()  # an abandoned call of a run may hold the last one for ever

    def _guarded(self, method: Any) -> Any:
        @functools.wraps(method)
        def guarded(prompt: Any = "", *args: Any, **kwargs: Any) -> Any:
            self.check()
            in_main_thread = threading.current_thread() is threading.main_thread()
            if owner.get() is None and in_main_thread:  # a cell's own code, beside its run
                return method(prompt, *args, **kwargs)
            turn, row = self._turn, row_here()
            while not turn.acquire(timeout=_POLL):
                self.check()
            try:
                self.check()  # the cell may have ended meanwhile
                return method(prompt if row is None else f"row {row}: {prompt}", *args, **kwargs)
            finally:
                turn.release()

        return guarded


class _Stdin:
    """Replaces `sys.stdin` to guard what is read from it."""

    def __init__(self, below: Any, guard: InputGuard) -> None:
        self.below = below
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        if name in {"below", "_guard"}:  # missing while `copy.copy` makes a copy
            raise AttributeError(name)
        if name in _READING:
            self._guard.check()
        return getattr(self.below, name)

    def __iter__(self) -> _Stdin:
        return self

    def __next__(self) -> Any:
        self._guard.check()
        return next(self.below)
