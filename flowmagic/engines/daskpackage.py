"""What all chunks of a run share: kept by the scheduler, read once in each process of a worker.

The run leaves its flow, its store and its node classes there. Beside them the chunks put down where
each has begun, so that none begins twice.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import uuid
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

_RPC_TIMEOUT = 60.0  # seconds
_MOST_PACKAGES = 8


async def leave(client: Any, key: str, content: bytes) -> Any:
    """Give the scheduler what `packed` made of a run; return the future that keeps it there."""
    # With the scheduler, where a worker that dies takes nothing along, and under the key of a task,
    # so that it is forgotten with this client at the latest.
    held = client.submit(bool, key=key, pure=False)
    await client.set_metadata([key], {"open": True, "content": content})
    return held


# On a worker, in the threads of its tasks


class _Package:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: tuple[Any, Any, list[type]] | None = None

    def opened(self, worker: Any, key: str) -> tuple[Any, Any, list[type]]:
        with self._lock:
            if self._opened is None:
                content = _on_loop(worker, worker.scheduler.get_metadata(keys=[key, "content"]))
                self._opened = pickle.loads(content)  # noqa: S301 - of the user's own run
            return self._opened


_packages: OrderedDict[str, _Package] = OrderedDict()
_sharing = threading.Lock()


def opened(worker: Any, key: str) -> tuple[Any, Any, list[type]]:
    """Return flow, store and classes; the first chunk fetches them from the scheduler."""
    with _sharing:
        package = _packages.setdefault(key, _Package())
        _packages.move_to_end(key)
        while len(_packages) > _MOST_PACKAGES:
            _packages.popitem(last=False)
    return package.opened(worker, key)


def forget(key: str) -> None:
    """Let go of the flow and the store of a run that has ended."""
    with _sharing:
        _packages.pop(key, None)


def claim(worker: Any, key: str, number: int) -> bool:
    """Whether a chunk may run here: its run goes on, and it has begun nowhere else."""
    return bool(_on_loop(worker, _claim(worker, key, number)))


async def _claim(worker: Any, key: str, number: int) -> bool:
    scheduler, claims, mine = worker.scheduler, [key, f"chunk {number}"], uuid.uuid4().hex
    # All in one turn, for which a worker stands idle. The claim is there before anything begins, so
    # that whoever comes after this one finds it, whether or not this one has seen its own.
    goes_on, claimed, _ = await asyncio.gather(
        scheduler.get_metadata(keys=[key, "open"], default=False),
        scheduler.get_metadata(keys=claims, default=None),
        scheduler.set_metadata(keys=[*claims, mine], value=worker.address),
    )
    return goes_on and set(claimed or ()) <= {mine}


def _on_loop(worker: Any, call: Coroutine[Any, Any, Any]) -> Any:
    """Await something in a worker's loop."""
    return asyncio.run_coroutine_threadsafe(call, worker.loop.asyncio_loop).result(_RPC_TIMEOUT)
