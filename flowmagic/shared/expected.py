"""What should be in the shared store of a run with a journal, to find what changed it unseen.

What the instances assign is known (see `assignments`). Everything else that changes the store is found
by comparing it with what should be there: with the object itself, and with a copy of what was in a
plain container.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from ..records.containers import CONTAINERS, copy_of, same
from ..records.observed_dict import MISSING
from .paths import Path

NO_ROW = -1

_Item = TypeVar("_Item")

_SLICE = 0.005  # seconds of the loop's time at once
_SHARE = 20  # a container is compared again after so many times as long as the last time took


class Held:
    """A container that should be in the store, and what should be in it.

    A row that has assigned a container may fill it until the row ends, unless others have it in hand.

    Attributes:
        value: the container.
        owner: the row that assigned it; NO_ROW: it was there before the rows.
        others: whether a row has had it in hand that did not assign it.
    """

    __slots__ = ("_compare_at", "_copy", "others", "owner", "value")

    def __init__(self, value: Any, owner: int) -> None:
        self.value = value
        self.owner = owner
        self.others = False
        self._copy: Any = None
        self._compare_at = 0.0

    def take_copy(self) -> None:
        """Remember what is in the container; of a very large one, not what is in its items."""
        try:
            self._copy = copy_of(self.value)
        except Exception:  # noqa: BLE001 - another thread may be changing it
            self._copy = ()

    def given_to(self, row: int) -> None:
        """Note that a row has the container in hand."""
        if row != self.owner:
            self.others = True
            if self._copy is None:
                self.take_copy()

    def assigned_by(self, row: int) -> None:
        """Note that another row than the owner has assigned the container anew."""
        self.owner, self.others = row, True
        self.take_copy()

    def is_changed(self) -> bool:
        """Whether something else is in the container than when `take_copy` was called."""
        if self._copy is None:
            return False
        began = time.perf_counter()
        try:
            changed = not same(self.value, self._copy)
        except Exception:  # noqa: BLE001 - as above, or the `__eq__` of a user's object
            changed = True
        now = time.perf_counter()
        self._compare_at = now + _SHARE * (now - began)
        return changed

    def seems_changed(self) -> bool:
        """As `is_changed`, but where that would take too much time, only the length is compared."""
        if self._copy is None or len(self.value) != len(self._copy):
            return self._copy is not None
        return time.perf_counter() >= self._compare_at and self.is_changed()


class Items:
    """A plain dict that should be in the store, and what should be under its keys."""

    __slots__ = ("items", "value")

    def __init__(self, value: dict[Any, Any]) -> None:
        self.value = value
        self.items: dict[Any, Any] = {}


def value_of(slot: Any) -> Any:
    """Return the value that should be in the store."""
    return slot.value if type(slot) in (Held, Items) else slot


class ExpectedStore:
    """What should be in a store: a `Held` or `Items` for each container, or the value itself.

    Args:
        store: the user's dict.
        item_keys: the keys whose dicts are compared item by item.

    Attributes:
        slots: what should be there, by key.
    """

    def __init__(self, store: dict[Any, Any], item_keys: AbstractSet[Any]) -> None:
        self.slots: dict[Any, Any] = {}
        self._store = store
        self._item_keys = item_keys

    def has_items(self, key: Any, value: Any) -> bool:
        """Whether a value is compared item by item."""
        return type(value) is dict and key in self._item_keys

    def at(self, path: Path) -> Any:
        """Return what should be at a path; MISSING for nothing."""
        slot = self.slots.get(path[0], MISSING)
        if len(path) == 1:
            return slot
        return slot.items.get(path[1], MISSING) if type(slot) is Items else MISSING

    async def remember(self) -> None:
        """Expect what is in the store now."""
        self.slots = {}
        async for _ in in_slices(self._remember()):
            pass

    def remember_path(self, path: Path) -> None:
        """Expect what is at a path now."""
        store, slots, slot = self._store, self.slots, self.slots.get(path[0])
        if type(slot) is Items and len(path) > 1 and slot.value is store.get(path[0]):
            store, slots = slot.value, slot.items
        else:
            path = path[:1]
        slots.pop(path[-1], None)
        if path[-1] in store:
            for _ in self._expect(path, slots, store[path[-1]]):
                pass

    def _remember(self) -> Iterator[None]:
        for key, value in list(self._store.items()):
            yield from self._expect((key,), self.slots, value)

    def _expect(self, path: Path, slots: dict[Any, Any], value: Any) -> Iterator[None]:
        if len(path) == 1 and self.has_items(path[0], value):
            slot = slots[path[0]] = Items(value)
            for item, part in list(value.items()):
                yield from self._expect((path[0], item), slot.items, part)
        elif type(value) in CONTAINERS:
            held = slots[path[-1]] = Held(value, NO_ROW)
            held.others = True
            held.take_copy()
        else:
            slots[path[-1]] = value
        yield

    async def differences(self) -> list[tuple[Any, bool]]:
        """Return the keys whose value differs, and whether it is the expected object all the same."""
        found: list[tuple[Any, bool]] = []
        async for _ in in_slices(self._compare(self._store, self.slots, found)):
            pass
        return found

    def _compare(
        self, store: dict[Any, Any], slots: dict[Any, Any], found: list[tuple[Any, bool]]
    ) -> Iterator[None]:
        for key in list({**slots, **store}):
            yield
            value, slot = store.get(key, MISSING), slots.get(key, MISSING)
            if value_of(slot) is not value:
                found.append((key, False))
            elif type(slot) is Items:
                inner: list[tuple[Any, bool]] = []
                yield from self._compare(value, slot.items, inner)
                found += [(key, is_there) for _, is_there in inner]
            elif type(slot) is Held and slot.is_changed():
                found.append((key, True))


async def in_slices(items: Iterable[_Item]) -> AsyncIterator[_Item]:
    """Yield the items, and let other callbacks of the loop run every few milliseconds."""
    slice_ends = time.perf_counter() + _SLICE
    for item in items:
        yield item
        if time.perf_counter() > slice_ends:
            await asyncio.sleep(0)
            slice_ends = time.perf_counter() + _SLICE
