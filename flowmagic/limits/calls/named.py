"""The limits of the process, by name: set in one place, kept wherever a call is made."""

from __future__ import annotations

import threading
from typing import Any, Literal

from ...errors import LimitError
from .call_limit import KEEP, CallLimit, Keep
from .context import CallContext, Tokens

_Kept = Literal[Keep.KEEP]

_lock = threading.Lock()
_limits: dict[str, CallLimit] = {}


def set_limit(
    name: str,
    *,
    concurrency: int | _Kept | None = KEEP,
    per_minute: float | _Kept | None = KEEP,
    tokens_per_minute: float | _Kept | None = KEEP,
    adaptive: Any = KEEP,
    burst: int | _Kept = KEEP,
) -> CallLimit:
    """Set the limit of that name, or what is given of it, and return it.

    There is one object for a name as long as it is not removed: what is set anew acts at once on
    those who are inside or wait.

    Args:
        name: what calls name it by, as in `limit("openai")`.
        concurrency: how many calls are under way at once; None: any number.
        per_minute: how many begin within any 60 seconds; None: any number.
        tokens_per_minute: how many tokens those may use; None: any number.
        adaptive: between what bounds the concurrency finds its own value, as in "2-10-50"; None: it
            stays what it is.
        burst: how many calls may begin at once after idleness, before they are spread evenly.

    Raises:
        LimitError (a ValueError): one of them cannot be kept; then nothing is changed.
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
    """LimitChange the limit of that name, or create it.

    Args:
        name: whose.
        changes: what `CallLimit.change` takes.
        new: True: there must be none yet; False: one that there is stays as it is.

    Raises:
        LimitError: one of the changes cannot be kept, or there is one that should be new.
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
    """Return what puts calls under the limit of that name: enter it, or decorate a function.

    The name is looked up when a call is made, so that a decorator may stand before `set_limit`.

        async with flowmagic.limit("openai", tokens=1200) as call: ...

        @flowmagic.limit("openai")
        async def ask(prompt): ...

    A call within a call takes a second slot: where all slots are held by calls that wait for one
    more of the same limit, none of them goes on. Limit the innermost only.

    Args:
        name: what `set_limit` was given.
        tokens: as for `CallLimit.call`.

    Raises:
        LimitError: `tokens` is no number; when a call is made: there is no limit of that name.
    """
    return _NamedCallContext(name, tokens)


def named_limits() -> dict[str, CallLimit]:
    """Return all of them, in the order in which they were created."""
    with _lock:
        return dict(_limits)


def remove_limit(name: str) -> None:
    """Forget the limit of that name, if there is one; those inside or waiting finish under it."""
    with _lock:
        _limits.pop(name, None)


class _NamedCallContext(CallContext):
    """Finds its limit by name, each time that a call is made."""

    __slots__ = ("_name",)

    def __init__(self, name: str, tokens: Tokens = 0) -> None:
        super().__init__(None, tokens)
        self._name = name

    def limit(self) -> CallLimit:
        found = _limits.get(self._name)
        if found is None:
            import difflib  # noqa: PLC0415 - wanted only for the message

            near = difflib.get_close_matches(str(self._name), _limits, 1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise LimitError(
                f"There is no limit named {self._name!r} in this process.{meant} Set it first: "
                f'flowmagic.set_limit("{self._name}", concurrency=5).'
            )
        return found

    def another(self, tokens: float) -> CallContext:
        return _NamedCallContext(self._name, tokens)
