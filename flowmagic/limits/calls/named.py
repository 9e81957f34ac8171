"""Limits by name: set in one place of the process, and in force wherever a call is made."""

from __future__ import annotations

import threading
from typing import Any

from ...errors import LimitError
from .call_limit import CallLimit
from .capacity import KEEP, Kept
from .context import CallContext, Tokens

_lock = threading.Lock()
_limits: dict[str, CallLimit] = {}


def set_limit(
    name: str,
    *,
    concurrency: int | Kept | None = KEEP,
    per_minute: float | Kept | None = KEEP,
    tokens_per_minute: float | Kept | None = KEEP,
    adaptive: Any = KEEP,
    burst: int | Kept = KEEP,
) -> CallLimit:
    """Create the limit with this name, or change the settings that are given, and return it.

    A limit that exists is changed, not replaced: the change acts at once on calls that wait.

    Args:
        name: the name that calls refer to, as in `limit("openai")`.
        concurrency: how many calls run at once; None: any number.
        per_minute: how many calls begin within any 60 seconds; None: any number.
        tokens_per_minute: how many tokens these calls use; None: any number.
        adaptive: bounds within which the concurrency adapts to refusals, as in "2-10-50"; None: it
            does not adapt.
        burst: how many calls may begin at once after an idle time, before they are spread evenly.

    Raises:
        LimitError (a ValueError): a value is not what it should be; then nothing is changed.
    """
    return change_limit(
        name,
        {
            "concurrency": concurrency,
            "per_minute": per_minute,
            "tokens_per_minute": tokens_per_minute,
            "adaptive": adaptive,
            "burst": burst,
        },
    )


def change_limit(name: str, changes: dict[str, Any], *, new: bool | None = None) -> CallLimit:
    """Change the limit with this name, or create it.

    Args:
        name: the name of the limit.
        changes: the arguments for `CallLimit.change`.
        new: True: raise if the limit exists; False: if it exists, leave it as it is.

    Raises:
        LimitError: a value is not what it should be, or the limit exists although `new` is True.
    """
    if not isinstance(name, str) or not name:
        raise LimitError(
            f'A limit needs a name, not {name!r}. Write for example set_limit("openai", concurrency=5).'
        )
    with _lock:
        limit = _limits.get(name)
        if limit is None:
            limit = CallLimit(name)
            limit.change(**changes)
            _limits[name] = limit
            return limit
    if new:
        raise LimitError(
            f"A limit named {name!r} already exists: {limit!r}. Pass replace=True to change it."
        )
    if new is None:
        limit.change(**changes)
    return limit


def limit(name: str, *, tokens: Tokens = 0) -> CallContext:
    """Return what puts calls under the limit with this name: enter it, or decorate a function.

    The name is looked up when a call is made, so `set_limit` may come after a decorator.

        async with flowmagic.limit("openai", tokens=1200) as call: ...

        @flowmagic.limit("openai")
        async def ask(prompt): ...

    A call within a call under the same limit takes a second slot. If all slots are taken by calls
    that wait for a second one, they wait forever: put only the innermost call under the limit.

    Args:
        name: the name that `set_limit` was given.
        tokens: see `CallLimit.call`.

    Raises:
        LimitError: `tokens` is not a number of tokens; when a call is made: there is no limit with
            this name.
    """
    return _NamedCallContext(name, tokens)


def named_limits() -> dict[str, CallLimit]:
    """Return all named limits, in the order in which they were created."""
    with _lock:
        return dict(_limits)


def remove_limit(name: str) -> None:
    """Remove the limit with this name, if there is one; calls that run or wait finish under it."""
    with _lock:
        _limits.pop(name, None)


class _NamedCallContext(CallContext):
    """Looks up its limit by name, each time that a call is made."""

    __slots__ = ("_name",)

    def __init__(self, name: str, tokens: Tokens = 0) -> None:
        super().__init__(None, tokens)
        self._name = name

    def find_limit(self) -> CallLimit:
        named_limit = _limits.get(self._name)
        if named_limit is None:
            import difflib  # noqa: PLC0415 - only needed for the message

            near = difflib.get_close_matches(str(self._name), _limits, 1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise LimitError(
                f"There is no limit named {self._name!r} in this process.{meant} Set it first: "
                f'flowmagic.set_limit("{self._name}", concurrency=5).'
            )
        return named_limit

    def with_tokens(self, tokens: float) -> CallContext:
        return _NamedCallContext(self._name, tokens)
