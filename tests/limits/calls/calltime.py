"""Call limits whose clock is the virtual one, or one's own; and how to see that nothing leaked."""

from __future__ import annotations

import asyncio
import threading

from flowmagic.limits.calls import CallLimit

from ...virtualtime import VirtualLoop


class VirtualLimit(CallLimit):
    """A limit that goes by the clock of the virtual loop that it is used in."""

    @staticmethod
    def _clock():
        return asyncio.get_running_loop().time()


class HandLimit(CallLimit):
    """A limit whose clock is set by hand, and in which a thread's wait moves it on at once."""

    def __init__(self, *args, **kwargs):
        self.now = 1000.0
        self.blocked = []
        super().__init__(*args, **kwargs)

    def _clock(self):
        return self.now

    def _block(self, event, seconds):
        self.blocked.append(seconds)
        if seconds is None:
            assert event.wait(30), "nobody woke it"
        elif not event.is_set():
            self.now += seconds


def check_nothing_left(limit):
    """Check that no call runs or waits, and that nothing is admitted, deferred or pending."""
    assert limit.running == limit.waiting == 0
    assert not limit._admitted
    assert not limit._deferred
    for pace in (limit._capacity.pace, limit._capacity.token_pace):
        assert pace is None or pace._pending == 0


class ThreadSpy:
    """Counts what is inside its `with` blocks in any thread, and the most there ever was."""

    def __init__(self):
        self.lock = threading.Lock()
        self.live = self.peak = self.total = 0

    def __enter__(self):
        with self.lock:
            self.live += 1
            self.total += 1
            self.peak = max(self.peak, self.live)

    def __exit__(self, *_):
        with self.lock:
            self.live -= 1


def in_threads(*works):
    """Run each in a thread of its own; raise what one raised."""
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def abandoned_loop(main):
    """Begin `main` in a loop until nothing moves there; return the loop and the suspended task."""
    loop = VirtualLoop()
    task = loop.create_task(main)
    task._log_destroy_pending = False
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert not task.done()
    return loop, task
