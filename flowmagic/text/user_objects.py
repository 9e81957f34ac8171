"""Objects of the user and of other libraries: whose they are, and safe access to them.

Reading an attribute or taking the repr of such an object runs its code, which may raise anything or
take long.
"""

from __future__ import annotations

import copyreg
import functools
import os
import sys
import sysconfig
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_LIBRARIES = tuple(
    f"{os.path.realpath(path)}{os.sep}"
    for name, path in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_PACKAGES = {"site-packages", "dist-packages"}


def is_in_main(value: Any) -> bool:
    """Whether a class or function was defined in `__main__`, so that no other process can import it."""
    return getattr(value, "__module__", "") == "__main__"


def is_user_code(value: Any) -> bool:
    """Whether a class or function was defined in the notebook, or in a file outside of all libraries."""
    if is_in_main(value):
        return True
    module = sys.modules.get(str(getattr(value, "__module__", "")))
    file = getattr(module, "__file__", None)
    return bool(file) and not is_in_library(str(file))


@functools.lru_cache(maxsize=4_096)  # resolving links takes some 50 µs
def is_in_library(file: str) -> bool:
    """Whether a file belongs to Python itself or to an installed package."""
    file = os.path.realpath(file)
    return file.startswith(_LIBRARIES) or not _PACKAGES.isdisjoint(file.split(os.sep))


def copied_by_dict(kind: type) -> bool:
    """Whether an object of a class is copied if a new one gets its `__dict__`, as `copy` would do it."""
    return (
        kind not in copyreg.dispatch_table
        and kind.__new__ is object.__new__  # type: ignore[comparison-overlap]
        and kind.__reduce_ex__ is object.__reduce_ex__  # type: ignore[comparison-overlap]
        and kind.__reduce__ is object.__reduce__  # type: ignore[comparison-overlap]
        and getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not any(hasattr(kind, hook) for hook in _HOOKS)
        and not any(vars(base).get("__slots__") for base in kind.__mro__)
        and bool(kind.__dictoffset__)
    )


_HOOKS = ("__copy__", "__deepcopy__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")


def or_none(function: Callable[..., T], *args: object) -> T | None:
    """Return `function(*args)`, or None if it raises anything but a KeyboardInterrupt."""
    try:
        return function(*args)
    except KeyboardInterrupt:
        raise  # it comes from the user, not from the function
    except BaseException:  # noqa: BLE001 - not all are Exceptions, for example pytest's outcomes
        return None


def get(holder: object, name: str) -> Any:
    """Return an attribute of an object, or None if there is none or it cannot be read."""
    return or_none(getattr, holder, name)


MOST = 0.5
"""How many seconds the values of one type may take in all. Quick calls do not count."""

_MOMENT = 0.05  # seconds; even a quick repr may take that long while other threads are busy

_taken: dict[int, tuple[weakref.ref[type], float]] = {}
"""The seconds that types have taken, by `id`: hashing a type may run code of its metaclass."""


def within_budget(to_text: Callable[[object], str], value: object) -> str | None:
    """Return `to_text(value)`, or None if values of this type have taken too long before.

    Each type has half a second in all. A call that has begun is not interrupted.

    Args:
        to_text: `repr` or `str`.

    Raises:
        Exception: what `to_text` raises.
    """
    kind = type(value)
    taken = _taken_by(kind)
    if taken > MOST:
        return None
    began = time.perf_counter()
    try:
        return to_text(value)
    finally:
        seconds = time.perf_counter() - began
        if seconds > _MOMENT:
            _taken[id(kind)] = weakref.ref(kind), taken + seconds


def _taken_by(kind: type) -> float:
    owner, taken = _taken.get(id(kind), (None, 0.0))
    # Another type may have had this id before.
    return taken if owner is not None and owner() is kind else 0.0
