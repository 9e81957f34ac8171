"""Puts calls under a limit: `with` and `async with` around a block, or a decorator on a function."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from asyncio import current_task
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from ...errors import BlockedLoopError, LimitError, OptionError, describe
from .capacity import Call, check_tokens
from .queue import CallQueue

Tokens = float | Callable[..., float]
"""Tokens that a call is going to use: a number, or a function of the decorated function's arguments."""

_NONE = 0

_Function = TypeVar("_Function", bound=Callable[..., Any])


class CallContext:
    """What `limit.call()` returns: a context manager, and a decorator.

    Each `with` block, or each call of the decorated function, is one call under the limit: it waits
    at the start until the limit lets it in, and makes room for the next one at the end. One context
    may be entered by several tasks and threads at the same time, and by one task repeatedly.

    Args:
        limit: the limit; None in a subclass that finds it when a call is made.
        tokens: how many tokens each call is going to use.
    """

    __slots__ = ("_entered", "_limit", "_tokens")

    def __init__(self, limit: CallQueue | None, tokens: Tokens = 0) -> None:
        self._limit = limit
        # The default needs no check.
        self._tokens = tokens if tokens is _NONE or callable(tokens) else check_tokens(tokens)
        self._entered: dict[object, Call] = {}
        """The innermost open call of each task and thread, by task or thread id.

        So each ends its own call, not one that another task began later.
        """

    def find_limit(self) -> CallQueue:
        """Return the limit that a call made now is under."""
        assert self._limit is not None
        return self._limit

    def with_tokens(self, tokens: float) -> CallContext:
        """Return a context under the same limit, with another number of tokens."""
        return type(self)(self._limit, tokens)

    async def __aenter__(self) -> Call:
        limit, tokens = self.find_limit(), self._tokens
        if tokens and callable(tokens):
            raise _needs_arguments(tokens)
        call = limit.enter(tokens) or await limit.wait_in_loop(tokens)
        self._push(_task(), call)
        return call

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pop(_task(), error)

    def __enter__(self) -> Call:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise BlockedLoopError(
                "`with` would block the event loop that runs in this thread while it waits. "
                "Write `async with limit.call():` in an async function here, "
                "or run the function in a thread."
            )
        limit, tokens = self.find_limit(), self._tokens
        if callable(tokens):
            raise _needs_arguments(tokens)
        call = limit.enter(tokens) or limit.wait_in_thread(tokens)
        self._push(threading.get_ident(), call)
        return call

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pop(threading.get_ident(), error)

    def end(self) -> None:
        """End the innermost call of this task or thread, as leaving its block would."""
        self._pop(_task(), None)

    def _push(self, key: object, call: Call) -> None:
        if self._entered:
            call.outer = self._entered.get(key)
        self._entered[key] = call

    def _pop(self, key: object, error: BaseException | None) -> None:
        call = self._entered.pop(key, None)
        if call is None:
            # Another task leaves the block than has entered it: a coroutine that the garbage
            # collector closes. Which call has ended is unknown, so any open one is ended.
            if not self._entered:
                raise RuntimeError("A call ended that had not begun: __exit__ without __enter__.")
            key, call = self._entered.popitem()
        if call.outer is not None:
            self._entered[key] = call.outer
        call.limit.leave(call, error)

    def __call__(self, function: _Function) -> _Function:
        """Decorate a function, async or not: each of its calls is under the limit.

        Raises:
            OptionError (a TypeError): `function` is a generator function, or not a function.
        """
        if not callable(function):
            raise OptionError(
                f"What is decorated is {describe(function)}, not a function. Write "
                "`@limit.call()` above a def, or `async with limit.call():` around a block."
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise OptionError(
                f"{function.__name__} is a generator: its calls only begin it. Write "
                "`async with limit.call():` inside it, around what is to be limited."
            )
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - whether that is async is the question
        ):

            @functools.wraps(function)
            async def limited(*args: Any, **kwargs: Any) -> Any:
                async with self.with_tokens(self._amount(args, kwargs)):
                    return await function(*args, **kwargs)

        else:

            @functools.wraps(function)
            def limited(*args: Any, **kwargs: Any) -> Any:
                with self.with_tokens(self._amount(args, kwargs)):
                    return function(*args, **kwargs)

        return limited  # type: ignore[return-value]

    def _amount(self, args: Any, kwargs: Any) -> float:
        tokens = self._tokens
        return check_tokens(tokens(*args, **kwargs)) if callable(tokens) else tokens


def _task() -> object:
    try:
        return current_task() or threading.get_ident()
    except RuntimeError:  # no event loop: a coroutine that is closed after its loop
        return threading.get_ident()


def _needs_arguments(tokens: Callable[..., float]) -> LimitError:
    return LimitError(
        f"tokens is {describe(tokens)}, which needs the arguments of a decorated function. "
        "Write `with limit.call(tokens=1200)`, or `@limit.call(tokens=count)` above a def."
    )
