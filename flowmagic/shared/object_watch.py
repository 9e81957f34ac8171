"""Finds changes of objects in the shared store that are no plain containers: arrays, frames, others.

Which instance changes what in them cannot be seen, as it is of the items of lists and dicts. So an
object that several instances read is compared with what it was when the second one read it. Those
that isolated instances share, since they cannot be copied, are compared with what they were before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..records.observed_dict import MISSING
from ..text.user_objects import or_none
from .data_copies import copy_of_data, is_plain_object, not_copied, same_data
from .paths import Path

_MOST = 100  # places that are watched
_MOST_COPIES = 20  # objects that are copied to compare them


class SharedObject(NamedTuple):
    """An object in the shared store that several instances use.

    Attributes:
        path: its place in the store, or that of the container that holds it.
        value: the object.
        changed: whether it has changed; None if that cannot be seen.
    """

    path: Path
    value: Any
    changed: bool | None


class ObjectWatch:
    """Watches the objects of one store."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}
        self._copies_left = _MOST_COPIES

    def note_read(self, path: Path, value: Any, row: int) -> None:
        """Note that an instance has read a value that is no plain container."""
        seen = self._seen.get(path)
        if seen is not None and seen.value is value:
            if seen.row != row and not seen.is_shared:
                self._share(seen)
        elif len(self._seen) < _MOST or seen is not None:
            self._seen[path] = _Seen(value, row)

    def note_shared(self, path: Path, value: Any) -> None:
        """Note that all instances have an object in common."""
        if len(self._seen) < _MOST:
            self._seen[path] = seen = _Seen(value, -1)
            self._share(seen)

    def _share(self, seen: _Seen) -> None:
        seen.is_shared = True
        if self._copies_left and or_none(seen.take_copy):
            self._copies_left -= 1

    def objects(self) -> list[SharedObject]:
        """Return the objects that several instances use and that may change."""
        return [
            SharedObject(path, seen.value, seen.is_changed())
            for path, seen in list(self._seen.items())
            if seen.is_shared and not seen.is_fixed
        ]


class _Seen:
    """An object that instances have read.

    Attributes:
        row: the first one.
        is_shared: whether another one has read it, too.
        is_fixed: whether it never changes.
    """

    __slots__ = ("_copy", "is_fixed", "is_shared", "row", "value")

    def __init__(self, value: Any, row: int) -> None:
        self.value, self.row = value, row
        self.is_shared = self.is_fixed = False
        self._copy: Any = MISSING

    def take_copy(self) -> bool:
        """Remember what the object is like now; return whether that takes memory."""
        content = _content(self.value)
        copy = copy_of_data(content)
        if copy is not content or content is not self.value:
            self._copy = copy
            return True
        self.is_fixed = not_copied(copy) is None
        return False

    def is_changed(self) -> bool | None:
        if self._copy is MISSING:
            return None
        unchanged = or_none(lambda: same_data(_content(self.value), self._copy))
        return unchanged is not True  # None: a thread changes it at this moment


def _content(value: Any) -> Any:
    """Return the attributes of an object of the user's; any other value itself."""
    kind: Any = type(value)
    return dict(vars(value)) if is_plain_object(kind) else value
