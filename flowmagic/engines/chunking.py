"""How many instances go to a worker together, and how soon after the last ones.

A task costs its scheduler some milliseconds, whatever is in it. So short instances travel in chunks
that keep a worker busy for many times that, long ones alone, so that they spread over the workers. What
counts is what an instance computes: those that wait for somebody do it side by side in one chunk.
"""

from __future__ import annotations

import math

TARGET = 0.1
"""Seconds for which a chunk should keep its worker busy."""

MOST = 500
"""Instances in a chunk."""

_PAUSE = 0.004  # seconds that a task costs
_GATHER = 0.002  # seconds in which instances that start are gathered
_SHARE = 64  # of an instance's duration: gathering longer than this part of it would be felt
_WAITING = 0.2  # of a chunk's time: who computes less than that waits
_WEIGHT = 0.3  # of the latest chunk in what is known of all
_LONG = 0.005  # seconds that an instance computes; as long as that, the next chunk comes in time


class Chunking:
    """Learns from the chunks of one run how large the next ones are to be."""

    def __init__(self) -> None:
        self._cpu: float | None = None
        """Seconds that an instance computes; None: not known yet."""
        self._seconds = 0.0
        self._share = 1.0
        """Of the time that a chunk takes, how much it computes."""

    def learn(self, seconds: float, cpu: float, instances: int) -> None:
        """Take in a chunk that has ended: how long it took, and computed, with so many instances."""
        each, share = cpu / instances, min(1.0, cpu / max(seconds, 1e-6))
        if self._cpu is None:
            self._cpu, self._seconds, self._share = each, seconds, share
            return
        self._cpu += _WEIGHT * (each - self._cpu)
        self._seconds += _WEIGHT * (seconds - self._seconds)
        self._share += _WEIGHT * (share - self._share)

    @property
    def waits(self) -> bool:
        """Whether the instances wait for somebody, most of their time, so that many may be at it."""
        return self._share < _WAITING

    @property
    def ahead(self) -> int:
        """How many chunks are to lie ready for each that a worker takes at once.

        More than one would be sent in pieces, as one instance after the other ends, and each piece
        costs. One is enough where it lasts until the next is there.
        """
        return 1 if self._cpu is not None and self._cpu >= _LONG else 2

    def size(self, waiting: int, places: int, room: int) -> int:
        """Return how many instances the next chunks take.

        Args:
            waiting: how many wait to be sent.
            places: how many chunks the workers take at once.
            room: how many can be sent now.
        """
        if self._cpu is None:
            # Small enough that nobody has to compute much more than the others.
            return max(1, min(MOST, math.ceil(math.ceil(waiting / max(1, places)) / 2)))
        even = math.ceil(waiting / max(1, room))
        full = math.floor(TARGET / max(self._cpu, TARGET / MOST))
        return max(1, min(even, full))

    def pause(self, chunks: int) -> float:
        """Return how many seconds to gather instances after so many chunks were sent."""
        return max(_GATHER, chunks * _PAUSE, min(1.0, self._seconds / _SHARE))
