"""Adds up the tokens of the calls that some code makes, also in the tasks and threads that it starts.

A task or thread counts that has a copy of the code's Context, as tasks and `asyncio.to_thread` have.
"""

from __future__ import annotations

from contextvars import ContextVar


class TokenUsage:
    """As a context manager around code, the tokens that its calls use.

    Attributes:
        tokens: how many; of a call that has not reported its true number, the estimate.
    """

    __slots__ = ("_outer", "tokens")

    def __init__(self) -> None:
        self.tokens: float = 0
        self._outer: TokenUsage | None = None

    def __enter__(self) -> TokenUsage:  # noqa: PYI034 - `Self` is in typing since Python 3.11
        self._outer = _current.get()
        _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.set(self._outer)  # not `reset`: a coroutine may be closed in another Context


_current: ContextVar[TokenUsage | None] = ContextVar("flowmagic_token_usage", default=None)

current_usage = _current.get
"""Returns what counts the tokens of a call that is made now; None if nothing does."""
