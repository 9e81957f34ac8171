"""A fake provider: it takes its time, has limits, refuses, fails in every way, and logs each call.

`call` works on any event loop, and takes no time on a virtual one. `http_service.serve` answers over
HTTP, for clients that are to be used as they are.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_WINDOW = 60.0  # seconds, in which the calls and tokens per minute are counted
_TOKEN = 4  # characters


class Fault(str, Enum):
    """How a call can go wrong that is within the limits."""

    RATE_LIMIT = "rate limit"
    """429, with the wait in its headers."""
    RATE_LIMIT_WITHOUT_WAIT = "rate limit without wait"
    """429, with no word of how long to wait."""
    OVERLOADED = "overloaded"
    """503."""
    SERVER_ERROR = "server error"
    """500."""
    HANG = "hang"
    """No answer, however long one waits."""
    BROKEN = "broken"
    """An answer that breaks off in the middle."""


@dataclass
class ProviderCall:
    """A call in the log of a provider.

    Attributes:
        number: counts the calls, from 0.
        prompt: what was asked.
        began, ended: by the clock of the provider, in seconds; `ended` is None while it is under way.
        outcome: "answered", "quota", "cancelled", the value of a `Fault`, or "" while it is under way.
    """

    number: int
    prompt: str
    began: float
    ended: float | None = None
    outcome: str = ""


class ProviderError(Exception):
    """What `FakeProvider.call` raises, with what the errors of client libraries have.

    Attributes:
        status_code: of HTTP.
        code: what the provider calls the error; "" if it does not say.
        headers: with "retry-after" if the provider says how long to wait.
        response: has `status_code` and `headers`, too.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.status_code = reply.status
        self.code = reply.code
        self.headers = reply.headers
        self.response = reply


@dataclass
class Reply:
    """What a provider replies to a call.

    Attributes:
        status: of HTTP.
        text: the answer, or the message of an error.
        code: what the provider calls the error; "" if there is none.
        seconds: how long it takes.
        headers: of the reply.
        fault: what goes wrong; None: nothing does.
    """

    status: int
    text: str
    code: str = ""
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    @property
    def status_code(self) -> int:
        """The status, by the name that client libraries give it."""
        return self.status


def heavy_tailed(median: float, *, spread: float = 1.0) -> Callable[[random.Random], float]:
    """Return a function that draws latencies of which few are many times the median.

    Args:
        median: in seconds.
        spread: the deviation of their logarithm; with 1, one call in a hundred takes ten times the
            median.
    """
    return lambda chance: median * math.exp(chance.gauss(0, spread))


class FakeProvider:
    """A provider whose limits, latencies and faults are known.

    Args:
        answer: returns the answer to a prompt; by default the prompt itself.
        latency: how many seconds an answer takes, or a function that draws it, such as
            `heavy_tailed(0.5)`. Refusals take none.
        at_once: how many calls it takes at once; None: any number.
        retry_after: how many seconds it asks to wait then, and after a `Fault.RATE_LIMIT`.
        per_minute: how many calls it takes within any 60 seconds; None: any number.
        tokens_per_minute: how many tokens, of prompts and answers, within any 60 seconds; a token is
            four characters. None: any number.
        quota: how many calls it answers in all; None: any number.
        faults: what goes wrong in which call: a `Fault` by the number of the call, or a function that
            returns one, or None, for a number.
        seed: of what is drawn.

    Attributes:
        calls: the log, in the order in which the calls came.
        at_work: how many calls are under way.
        peak: how many there were at most.
    """

    def __init__(
        self,
        answer: Callable[[str], str] = str,
        *,
        latency: float | Callable[[random.Random], float] = 0.0,
        at_once: int | None = None,
        retry_after: float = 1.0,
        per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        quota: int | None = None,
        faults: Mapping[int, Fault] | Callable[[int], Fault | None] | None = None,
        seed: int = 0,
    ) -> None:
        self.calls: list[ProviderCall] = []
        self.at_work = self.peak = 0
        self._answer = answer
        self._latency = latency
        self._at_once = at_once
        self._retry_after = retry_after
        self._per_minute = per_minute
        self._tokens_per_minute = tokens_per_minute
        self._quota = quota
        self._faults = faults
        self._chance = random.Random(seed)  # noqa: S311 - no secrets are drawn
        self._recent: deque[tuple[float, int]] = deque()
        """When each call of the last minute was taken, and how many tokens it had."""
        self._answered = 0
        self._lock = threading.Lock()

    @property
    def counts(self) -> dict[str, int]:
        """How many calls had each outcome."""
        counts: dict[str, int] = {}
        for each in self.calls:
            name = each.outcome or "under way"
            counts[name] = counts.get(name, 0) + 1
        return counts

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {name}" for name, number in self.counts.items())
        return f"<FakeProvider: {counts or 'no calls'}>"

    async def call(self, prompt: str) -> str:
        """Return the answer to a prompt.

        Raises:
            ProviderError: it refuses, or fails.
            ValueError: the answer is broken.
        """
        loop = asyncio.get_running_loop()
        call, reply = self.take(prompt, loop.time())
        try:
            if reply.fault is Fault.HANG:
                await loop.create_future()
            await asyncio.sleep(reply.seconds)
        except BaseException:
            self.end(call, "cancelled", loop.time())
            raise
        self.end(call, outcome_of(reply), loop.time())
        if reply.fault is Fault.BROKEN:
            raise ValueError(f"The answer breaks off: {reply.text!r}")
        if reply.status != OK:
            raise ProviderError(reply)
        return reply.text

    def call_sync(self, prompt: str) -> str:
        """Do as `call` in a thread, in real time; it cannot hang.

        Raises:
            ProviderError, ValueError: as `call`.
        """
        call, reply = self.take(prompt, time.monotonic())
        time.sleep(reply.seconds)
        self.end(call, outcome_of(reply), time.monotonic())
        if reply.fault is Fault.BROKEN:
            raise ValueError(f"The answer breaks off: {reply.text!r}")
        if reply.status != OK:
            raise ProviderError(reply)
        return reply.text

    def take(self, prompt: str, now: float) -> tuple[ProviderCall, Reply]:
        """Log a call that comes now, and return the reply that it gets."""
        with self._lock:
            call = ProviderCall(len(self.calls), prompt, now)
            self.calls.append(call)
            reply = self._reply(call, now)
            self.at_work += 1
            self.peak = max(self.peak, self.at_work)
        return call, reply

    def end(self, call: ProviderCall, outcome: str, now: float) -> None:
        """Log how a call has ended."""
        with self._lock:
            call.ended, call.outcome = now, outcome
            self.at_work -= 1

    def _reply(self, call: ProviderCall, now: float) -> Reply:
        text = self._answer(call.prompt)
        tokens = tokens_of(call.prompt) + tokens_of(text)
        if self._quota is not None and self._answered >= self._quota:
            return Reply(_TOO_MANY, "You exceeded your current quota.", "insufficient_quota")
        if (wait := self._wait(tokens, now)) is not None:
            return _refused(wait)
        faults = self._faults
        fault = faults(call.number) if callable(faults) else (faults or {}).get(call.number)
        if fault is Fault.RATE_LIMIT:
            return _refused(self._retry_after)
        if fault in _STATUSES:
            return _failed(fault)
        self._recent.append((now, tokens))
        self._answered += 1
        latency = self._latency
        seconds = latency(self._chance) if callable(latency) else latency
        if fault is Fault.BROKEN:
            text = text[: len(text) // 2]
        return Reply(OK, text, seconds=seconds, fault=fault)

    def _wait(self, tokens: int, now: float) -> float | None:
        """Return how many seconds a call should wait, which is refused; None if it is taken."""
        recent = self._recent
        while recent and recent[0][0] <= now - _WINDOW:
            recent.popleft()
        waits = []
        if self._at_once is not None and self.at_work >= self._at_once:
            waits.append(self._retry_after)
        if self._per_minute is not None and len(recent) >= self._per_minute:
            waits.append(recent[len(recent) - self._per_minute][0] + _WINDOW - now)
        most = self._tokens_per_minute
        if most is not None and recent and sum(used for _, used in recent) + tokens > most:
            waits.append(recent[0][0] + _WINDOW - now)
        return max(waits, default=None)


OK = 200
_TOO_MANY = 429
_STATUSES = {
    Fault.RATE_LIMIT_WITHOUT_WAIT: _TOO_MANY,
    Fault.OVERLOADED: 503,
    Fault.SERVER_ERROR: 500,
}


def _refused(wait: float) -> Reply:
    text = f"Rate limit reached. Please try again in {wait:.3f}s."
    headers = {"retry-after": f"{math.ceil(wait)}", "retry-after-ms": f"{math.ceil(1000 * wait)}"}
    return Reply(_TOO_MANY, text, "rate_limit_exceeded", 0.0, headers, Fault.RATE_LIMIT)


def _failed(fault: Any) -> Reply:
    if fault is Fault.RATE_LIMIT_WITHOUT_WAIT:
        return Reply(_TOO_MANY, "Slow down.", "rate_limit_exceeded", fault=fault)
    return Reply(_STATUSES[fault], f"The provider is {fault.value}.", fault=fault)


def tokens_of(text: str) -> int:
    """Return how many tokens a text has: one for four characters, at least one."""
    return max(1, len(text) // _TOKEN)


def outcome_of(reply: Reply) -> str:
    """Return what the log says of a reply."""
    if reply.fault is not None:
        return reply.fault.value
    return "answered" if reply.status == OK else "quota"
