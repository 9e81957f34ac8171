"""The chunk size policy: how many instances are sent to a worker at once, and when."""

from __future__ import annotations

import math

TARGET = 0.1
"""The CPU time that a chunk should take, in seconds."""

MAX_SIZE = 500
"""The most instances of a chunk."""

_PAUSE = 0.004  # seconds after each chunk that was sent: about what a task costs the scheduler
_MIN_PAUSE = 0.002  # seconds; instances that start within them go into one chunk
_MAX_PAUSE = 1.0  # seconds
_PAUSE_SHARE = 64  # a pause takes at most one part in so many of an instance's duration
_WAITING_SHARE = 0.2  # of a chunk's duration; a chunk with less CPU time mostly waits
_WEIGHT = 0.3  # of the latest chunk in the averages
_LONG = 0.005  # seconds of CPU time for each instance


class ChunkSizePolicy:
    """Decides on the sizes of a run's next chunks by how long earlier chunks took."""

    def __init__(self) -> None:
        self._cpu: float | None = None
        """The CPU time of an instance, in seconds; None before the first chunk has ended."""
        self._seconds = 0.0
        self._cpu_share = 1.0
        """The share of a chunk's duration that is CPU time."""

    def learn(self, seconds: float, cpu: float, instances: int) -> None:
        """Take a chunk that has ended into account.

        Args:
            seconds: how long it took.
            cpu: its CPU time, in seconds.
            instances: the number of its instances.
        """
        each, share = cpu / instances, min(1.0, cpu / max(seconds, 1e-6))
        if self._cpu is None:
            self._cpu, self._seconds, self._cpu_share = each, seconds, share
            return
        self._cpu += _WEIGHT * (each - self._cpu)
        self._seconds += _WEIGHT * (seconds - self._seconds)
        self._cpu_share += _WEIGHT * (share - self._cpu_share)

    @property
    def mostly_waiting(self) -> bool:
        """Whether instances wait most of the time, so that a worker can run many chunks at once."""
        return self._cpu_share < _WAITING_SHARE

    @property
    def ready_chunks(self) -> int:
        """How many chunks should lie ready for each thread of a worker.

        A second one is sent in pieces, as one instance after the other ends, and each piece costs. One is
        enough if its instances compute for long: the next one arrives before it has ended.
        """
        return 1 if self._cpu is not None and self._cpu >= _LONG else 2

    def size(self, waiting: int, threads: int, room: int) -> int:
        """Return the number of instances of each of the next chunks.

        Args:
            waiting: the number of instances that wait to be sent.
            threads: the number of threads of all workers.
            room: the number of chunks that can be sent now.
        """
        if self._cpu is None:
            # Two small chunks for each thread, so that no worker computes much longer than the others.
            return max(1, min(MAX_SIZE, math.ceil(math.ceil(waiting / max(1, threads)) / 2)))
        even = math.ceil(waiting / max(1, room))
        full = math.floor(TARGET / max(self._cpu, TARGET / MAX_SIZE))
        return max(1, min(even, full))

    def pause(self, chunks: int) -> float:
        """Return how many seconds to collect instances after `chunks` chunks have been sent."""
        return max(_MIN_PAUSE, chunks * _PAUSE, min(_MAX_PAUSE, self._seconds / _PAUSE_SHARE))
