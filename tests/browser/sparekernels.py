"""A Jupyter server's kernels, of which one is always started before it is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import forkedkernels
from jupyter_client.provisioning import local_provisioner
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

local_provisioner.launch_kernel = forkedkernels.launch


class SpareKernels(AsyncMappingKernelManager):
    """Gives a notebook a kernel that has started while the test before ran, and starts the next.

    It is as new as any: nothing has run in it. Only its environment does not name the notebook.
    """

    _spare: asyncio.Task[str] | None = None

    async def start_kernel(self, *, path: str | None = None, **options: Any) -> str:
        """Return the id of a kernel; those in the folder of all notebooks are interchangeable."""
        if "/" in (path or "") or options.get("kernel_id") is not None:
            return await super().start_kernel(path=path, **options)
        options.pop("env", None)
        start = super().start_kernel
        started = await (self._spare or start(path=path, **options))
        self._spare = asyncio.create_task(start(path=path, **options))
        return started

    async def shutdown_kernel(
        self, kernel_id: str, now: bool = False, restart: bool = False
    ) -> None:
        """End a kernel at once: what a test has left running is waited for by nobody."""
        await super().shutdown_kernel(kernel_id, now=True, restart=restart)
