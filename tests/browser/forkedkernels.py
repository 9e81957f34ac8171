"""Kernels that begin with everything imported: each is forked from a process that has run nothing.

To start Python and to import what a notebook needs takes longer than most tests. Run as a program,
this is the process they are forked from; `launch` asks it for one, and starts it first if need be.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any


class Forked:
    """A kernel's process as `subprocess.Popen` has it, as far as a server looks at it."""

    stdin = stdout = stderr = None
    returncode: int | None = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """Return None while it lives; how it ended, only the process that it was forked from knows."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            self.returncode = 0
        return self.returncode

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


_source: subprocess.Popen[str] | None = None


def launch(command: list[str], *, env: dict[str, str], cwd: Any = None, **_: Any) -> Forked:
    """Do as `jupyter_client.launcher.launch_kernel` for `python -m ipykernel_launcher`, by a fork."""
    global _source
    assert command[1:3] == ["-m", "ipykernel_launcher"], command
    if _source is None:
        _source = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    asked = {"arguments": command[2:], "env": env, "cwd": cwd and str(cwd)}
    _source.stdin.write(json.dumps(asked) + "\n")
    _source.stdin.flush()
    return Forked(int(_source.stdout.readline()))


def _become_a_kernel(arguments: list[str], env: dict[str, str], cwd: str | None) -> None:
    os.setsid()
    print(os.getpid(), flush=True)  # not before signals to its group reach it alone
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    gc.unfreeze()
    os.environ.clear()
    os.environ.update(env, JPY_PARENT_PID=str(os.getppid()))
    os.chdir(cwd or ".")
    sys.argv = arguments
    from ipykernel import kernelapp

    kernelapp.launch_new_instance(parent_handle=os.getppid())


def main() -> None:
    """Import what kernels need; then fork one for each line that asks, which says its number."""
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    import ipykernel.ipkernel
    import ipykernel.kernelapp  # noqa: F401

    import flowmagic

    for each in pkgutil.walk_packages(flowmagic.__path__, "flowmagic."):
        importlib.import_module(each.name)
    assert threading.active_count() == 1, "a fork has one thread"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that have ended are to be gone
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        if os.fork() == 0:
            _become_a_kernel(**asked)
            os._exit(0)


if __name__ == "__main__":
    main()
