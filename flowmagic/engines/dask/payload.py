"""The payload of a run: its flow and shared store, kept by the scheduler for all workers.

Beside it, the scheduler keeps which chunks of the run have been claimed by a worker.
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
_MAX_PAYLOADS = 8


async def publish(client: Any, key: str, content: bytes) -> Any:
    """Store what `dump_flow` returned on the scheduler, and return a future that keeps it there.

    The client cancels that future when it loses the scheduler, and at no other time before it closes.
    """
    # Metadata of a task: no worker that dies takes it along, and the scheduler deletes it with the
    # task, when this client disconnects at the latest.
    anchor = client.submit(bool, key=key, pure=False)
    await client.set_metadata([key], {"open": True, "content": content})
    return anchor


# On a worker, in the threads of its tasks


class _CachedPayload:
    """The payload of one run in this process, fetched from the scheduler when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payload: tuple[Any, Any, list[type]] | None = None

    def load(self, worker: Any, key: str) -> tuple[Any, Any, list[type]]:
        with self._lock:
            if self._payload is None:
                content = _on_loop(worker, worker.scheduler.get_metadata(keys=[key, "content"]))
                self._payload = pickle.loads(content)  # noqa: S301 - sent by the run itself
            return self._payload


_payloads: OrderedDict[str, _CachedPayload] = OrderedDict()
_payloads_lock = threading.Lock()


def load(worker: Any, key: str) -> tuple[Any, Any, list[type]]:
    """Return flow, shared store and node classes; all chunks of a run in this process share them."""
    with _payloads_lock:
        cached = _payloads.setdefault(key, _CachedPayload())
        _payloads.move_to_end(key)
        while len(_payloads) > _MAX_PAYLOADS:
            _payloads.popitem(last=False)
    return cached.load(worker, key)


def forget(key: str) -> None:
    """Remove the payload of an ended run from this process."""
    with _payloads_lock:
        _payloads.pop(key, None)


def claim(worker: Any, key: str, chunk: int) -> bool:
    """Claim a chunk; return whether it may run: its run has not ended, and nobody else claimed it."""
    return bool(_on_loop(worker, _claim(worker, key, chunk)))


async def _claim(worker: Any, key: str, chunk: int) -> bool:
    scheduler, claims, own = worker.scheduler, [key, f"chunk {chunk}"], uuid.uuid4().hex
    # All three in one round trip, during which the worker is idle. The claim is written before the
    # chunk starts, so a later claimant finds it, whether or not this one has read its own.
    is_open, claimed, _ = await asyncio.gather(
        scheduler.get_metadata(keys=[key, "open"], default=False),
        scheduler.get_metadata(keys=claims, default=None),
        scheduler.set_metadata(keys=[*claims, own], value=worker.address),
    )
    return is_open and set(claimed or ()) <= {own}


def _on_loop(worker: Any, call: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in the event loop of a worker, and wait for its result."""
    return asyncio.run_coroutine_threadsafe(call, worker.loop.asyncio_loop).result(_RPC_TIMEOUT)
