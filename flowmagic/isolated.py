"""The shared store as an isolated instance has it: it reads what was there, and writes for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsIndex

from .received import _GivesDicts

_set, _update = dict.__setitem__, dict.update


class Isolated(dict[Any, Any], metaclass=_GivesDicts):
    """A copy of the shared store that notes which keys were written to it.

    A real copy, of the keys and not of the values: whatever looks into a dict finds in it what it
    would find in any. Copies and pickles of it, and `type(shared)(...)`, are plain dicts.
    """

    __slots__ = ("_written",)
    _written: dict[Any, Any]

    def __setitem__(self, key: Any, value: Any) -> None:
        _set(self, key, value)
        self._written[key] = value

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self._written.pop(key, None)

    def pop(self, key: Any, *default: Any) -> Any:
        """As of any dict."""
        value = super().pop(key, *default)
        self._written.pop(key, None)
        return value

    def popitem(self) -> tuple[Any, Any]:
        """As of any dict."""
        key, value = super().popitem()
        self._written.pop(key, None)
        return key, value

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        """As of any dict."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As of any dict."""
        new = dict(*args, **kwargs)
        _update(self, new)
        self._written.update(new)

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc] # unlike `|`, gives itself
        self.update(other)
        return self

    def clear(self) -> None:
        """As of any dict."""
        super().clear()
        self._written.clear()

    def __reduce_ex__(self, _: SupportsIndex) -> tuple[Any, ...]:
        return dict, (), None, None, iter(self.items())


_make: Callable[..., Isolated] = type.__call__.__get__(Isolated)


def isolated(store: dict[Any, Any], written: dict[Any, Any]) -> Isolated:
    """Return a view of a store whose writes go to `written`, and not to the store."""
    view = _make(store)
    view._written = written
    return view
