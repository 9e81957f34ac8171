"""The process that runs a batch, as its journal names it, and whether it is still alive.

A lock on the file would not do: a forked child inherits it and outlives its parent, and on a network
drive it may never be released. So a run names its process, which whoever wants to resume it looks for.

A pid is reused after a while, so the time when the process started belongs to it. Both mean something
only where the same processes are seen: on one computer until it restarts and, on Linux, in one
container. Of a process anywhere else, only its heartbeat in the file is known.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import JournalError
from ..text.formatting import truncate

HEARTBEAT = 5.0
"""Seconds between two heartbeats of a run."""
SILENCE = 60.0
"""Seconds after its last heartbeat until a process that cannot be looked for is taken for dead."""

_LONGEST = 200  # characters of its name

recorded_here: dict[object, str] = {}
"""The ids of the runs that this process is writing to a journal, by what does so."""


class Process(NamedTuple):
    """A process that runs a batch.

    Attributes:
        program: name of its notebook or script, for people; may be empty.
        host: name of its computer, for people.
        scope: equal for processes that see each other's pids.
        pid: its number there.
        started: when it started, in the units of the system; empty if that is not known.
    """

    program: str
    host: str
    scope: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Process:
        """Return this process; after a fork, the child."""
        pid = os.getpid()
        program = os.environ.get("JPY_SESSION_NAME") or sys.argv[0]
        return cls(os.path.basename(program), platform.node(), _scope(), pid, _start_of(pid))

    @classmethod
    def read(cls, text: str) -> Process:
        """Return a process that `written` has written.

        Raises:
            ValueError, TypeError: the text is something else.
        """
        process = cls(**json.loads(text))
        if [type(each) for each in process] != [str, str, str, int, str]:
            raise ValueError("its process is something else")
        return process

    def written(self) -> str:
        """Return it as text for the journal."""
        return json.dumps(self._asdict())

    def is_this(self) -> bool:
        """Whether this code runs in that process."""
        return self[2:] == Process.current()[2:]

    def is_alive(self) -> bool | None:
        """Whether the process has not ended; None if that cannot be seen from here."""
        if not self.started or self.scope != _scope():
            return None
        return _start_of(self.pid) == self.started

    def runs(self, run: str, beat: float) -> bool:
        """Whether it is still running a run that has not ended, or has paused it.

        Args:
            run: id of the run.
            beat: the latest heartbeat of the run, as `time.time()` gave it there.
        """
        if self.is_this():
            return run in list(recorded_here.values())
        alive = self.is_alive()
        return time.time() - beat < SILENCE if alive is None else alive

    def refuse_if_running(self, number: int, run: str, beat: float) -> None:
        """Check that a run is not running any more, so that another one may take its rows over.

        Args:
            number: of the run in its journal.
            run, beat: as for `runs`.

        Raises:
            JournalError: it is.
        """
        if not self.runs(run, beat):
            return
        if self.is_this():
            raise JournalError(
                f"Run {number} of this journal is still running in this kernel, and its rows would run "
                "twice. Wait for it (await run) or stop it (run.stop()), then resume."
            )
        if self.is_alive() is None:
            silent = max(0.0, time.time() - beat)
            raise JournalError(
                f"Run {number} of this journal may still be running in {self}, which cannot be seen from "
                f"here: its last sign of life is {silent:.0f} seconds old. Try again when it is "
                f"{SILENCE:.0f} seconds old."
            )
        raise JournalError(
            f"Run {number} of this journal is still running in {self}, and its rows would run twice. "
            "Wait for its end, or end that process, then resume."
        )

    def __str__(self) -> str:
        program = f" ({self.program})" if self.program else ""
        return truncate(f"process {self.pid}{program} on {self.host}", _LONGEST)


def _scope() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return platform.node()


def _start_of(pid: int) -> str:
    """Return when a process started; empty if there is none with this pid, or that is not known."""
    if not sys.platform.startswith("linux"):
        return _start_of_elsewhere(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # After its name, which may hold spaces and brackets, come its state and 18 other fields.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in _DEAD else fields[19]


_DEAD = ("Z", "X", "x")  # a zombie, which waits to be reaped, is dead too


def _start_of_elsewhere(pid: int) -> str:
    try:
        import psutil  # noqa: PLC0415 - optional; every notebook has it, since ipykernel needs it
    except ImportError:
        return ""
    try:
        process: Any = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.Error:
        return ""
