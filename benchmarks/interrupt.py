"""How soon a waiting cell ends when the notebook's stop button is pressed.

Measured at a real kernel, from sending the interrupt until the cell has answered: by then the run is
cancelled, its instances have ended and the cell has failed with KeyboardInterrupt.
"""

from __future__ import annotations

import time
from statistics import median

from jupyter_client.manager import start_new_kernel

from .measuring import print_heading, print_table

OPTIONS = {
    "limit": (100, "how many instances run when the interrupt comes"),
    "rounds": (9, "how often it is measured; the median and the worst are printed"),
}

SETUP = """
%load_ext flowmagic
import asyncio
from pocketflow import AsyncFlow, AsyncNode

class Hold(AsyncNode):
    async def exec_async(self, _):
        print("holding", flush=True)
        await asyncio.Event().wait()

hold = AsyncFlow(start=Hold())
"""
CELL = """%%batchflow hold --limit {limit} --wait --no-capture -o run
[{{'n': n}} for n in range(10 * {limit})]"""
TIMEOUT = 60  # seconds for a kernel to answer


def measure(limit: int, rounds: int) -> None:
    """Print the table."""
    print_heading()
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute_interactive(SETUP, timeout=TIMEOUT)
        taken = [_round(manager, client, CELL.format(limit=limit)) for _ in range(rounds)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print_table(
        ["from the interrupt to the cell's end", "median", "worst"],
        [
            [
                f"{limit} instances running",
                f"{median(taken) * 1e3:.0f} ms",
                f"{max(taken) * 1e3:.0f} ms",
            ]
        ],
    )
    print(f"{rounds} rounds")


def _round(manager, client, cell: str) -> float:
    message = client.execute(cell)
    while True:
        heard = client.get_iopub_msg(timeout=TIMEOUT)
        mine = heard["parent_header"].get("msg_id") == message
        if mine and heard["msg_type"] == "stream":
            break
    began = time.perf_counter()
    manager.interrupt_kernel()
    while client.get_shell_msg(timeout=TIMEOUT)["parent_header"].get("msg_id") != message:
        pass
    return time.perf_counter() - began
