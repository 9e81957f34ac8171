"""Processes that begin with everything imported: each is forked from one that has run nothing.

To start Python and to import what a kernel needs takes longer than what is measured here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["__main__", "ipykernel.kernelapp", "flowmagic.notebook.extension", "benchmarks.resumes"]
)


@contextlib.contextmanager
def forked(target: Callable[..., object], *arguments: Any) -> Iterator[BaseProcess]:
    """Give a process that calls a function of a module; it is killed at the end of the `with` block."""
    process = _context.Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def kernel() -> Iterator[tuple[BaseProcess, Any]]:
    """Give the process of a real IPython kernel, and a client that talks to it over ZMQ."""
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.connect import write_connection_file

    with tempfile.TemporaryDirectory() as folder:
        # Sockets in a folder: another process may take a port that is free now.
        file, _ = write_connection_file(
            f"{folder}/connection.json", transport="ipc", ip=f"{folder}/kernel"
        )
        client = BlockingKernelClient(connection_file=file)
        client.load_connection_file()
        with forked(_be_a_kernel, file) as process:
            client.start_channels()
            try:
                client.wait_for_ready(timeout=60)
                yield process, client
            finally:
                client.stop_channels()


def _be_a_kernel(connection_file: str) -> None:
    from ipykernel.kernelapp import IPKernelApp

    threading.Thread(target=_end_with_parent, daemon=True).start()
    # With a parent, it prints no instructions for a terminal.
    options = ["-f", connection_file, "--HistoryManager.enabled=False"]
    IPKernelApp.launch_instance(options, parent_handle=os.getppid())


def _end_with_parent() -> None:
    """Wait until the process is gone that has asked for this one, and end; it may have been killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def service(target: Callable[..., object]) -> Iterator[Callable[[str], Any]]:
    """Give a function that asks a process something; `target` answers at the connection it is passed."""
    ours, theirs = _context.Pipe()

    def ask(question: str) -> Any:
        ours.send(question)
        return ours.recv()

    with forked(target, theirs):
        yield ask


def written_numbers(path: Path) -> list[int]:
    """Return the numbers in a file, one a line; a process that was killed may have cut off the last."""
    text = path.read_bytes() if path.exists() else b""
    return [int(line) for line in text.split(b"\n")[:-1]]
