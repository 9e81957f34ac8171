"""What each row assigns to `shared`, so that a resumed run can assign it again.

A run with a journal has an `AssignmentLog`, to which the views of its instances report. An assignment
is kept by its path: a key of `shared`, or also a key of the dict there, since nodes write
`shared["by"][i] = answer`. When a row has ended, the journal takes what it assigned last to each
path. These assignments are numbered over the whole run: made again in this order, they give what the
store held.

What changes the store in any other way cannot be made again for some of the rows only: a list that
all append to, an object with attributes. The log finds such keys, and names them in `changed`: when a
row has ended, it compares the containers that the row had in hand; when all have ended, the store.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, NamedTuple

from ..records.containers import ATOMS, CONTAINERS, equal
from ..records.observed_dict import MISSING
from ..records.trace import Trace
from .expected import ExpectedStore, Held, Items, value_of
from .paths import Path, name_of_path

IN_PLACE = "instances changed it in place"
PAST_VIEWS = "it was changed otherwise than by an assignment of an instance"
OTHERS = "further keys of shared"
TOO_MANY = "they are too many to name"

_MOST_NAMED = 100
_MOST_READ = 100  # containers that count as read where a row reads a whole dict
_UNCHANGING: tuple[type, ...] = (*ATOMS, complex, tuple, frozenset)


class How(str, Enum):
    """How a row assigned a value."""

    SET = "set"
    ADDED = "added"
    """Nothing was there before, and the row had not removed it."""
    DERIVED = "derived"
    """The row had read another value there, from which it may have computed this one: a counter."""
    REMOVED = "removed"


class Assignment(NamedTuple):
    """What a row assigned last to a path.

    Attributes:
        number: the order among all assignments of the run.
        how: see `How`.
        value: the value; MISSING if it was removed.
    """

    number: int
    how: How
    value: Any


def assign(store: MutableMapping[Any, Any], path: Path, how: How, value: Any) -> bool:
    """Make an assignment again; return whether that was possible.

    The dict that a path leads through is made if it is missing.
    """
    if len(path) > 1:
        within = store.get(path[0], MISSING)
        if within is MISSING and how is not How.REMOVED:
            within = store[path[0]] = {}
        if within is not MISSING and not isinstance(within, dict):
            return False
        store = {} if within is MISSING else within
    if how is How.REMOVED:
        store.pop(path[-1], None)
    elif how is not How.ADDED or type(value) not in CONTAINERS or len(value):
        store[path[-1]] = value
    else:  # such as `shared.setdefault("by", {})`
        store.setdefault(path[-1], value)
    return True


class _Row:
    """What the attempts of a row that has not ended have done with the store."""

    __slots__ = ("assigned", "read")

    def __init__(self) -> None:
        self.assigned: dict[Path, Assignment] = {}
        self.read: set[Path] = set()


class AssignmentLog:
    """Records what the rows of one run assign to the shared store.

    Args:
        store: the user's dict.
        live: the traces of the running rows, by index.
        item_keys: the keys to whose dicts nodes assign items, see `flow.shared_writes`.
        object_keys: the keys whose values nodes change in place.
        secrets: texts to mask in the names of keys.

    Attributes:
        changed: why the value of a key cannot be assigned again, by the key as text.
    """

    def __init__(
        self,
        store: dict[Any, Any],
        live: Mapping[int, Trace],
        item_keys: AbstractSet[Any] = frozenset(),
        object_keys: AbstractSet[Any] = frozenset(),
        secrets: AbstractSet[str] = frozenset(),
    ) -> None:
        self.changed: dict[str, str] = {}
        self.expected = ExpectedStore(store, item_keys)
        self._live = live
        self._object_keys = object_keys
        self._secrets = secrets
        self._rows: dict[int, _Row] = {}
        self._numbers = itertools.count()

    # What the views report

    def note_read(self, trace: Trace, path: Path, value: Any) -> None:
        """Note that an instance has read a path, which has this value."""
        if self._live.get(trace.row) is trace:
            self._row(trace.row).read.add(path)
            if type(value) in CONTAINERS and type(held := self.expected.at(path)) is Held:
                held.given_to(trace.row)

    def note_read_all(self, trace: Trace, within: Mapping[Any, Any], *before: Any) -> None:
        """Note that an instance has read a whole dict: the store, or the one under the key `before`."""
        containers = (each for each in list(within.items()) if type(each[1]) in CONTAINERS)
        for key, value in itertools.islice(containers, _MOST_READ):
            self.note_read(trace, (*before, key), value)

    def note_write(self, trace: Trace, key: Any, old: Any, new: Any) -> None:
        """Note that an instance wrote `new` in place of `old`; MISSING stands for no value."""
        if self._live.get(trace.row) is not trace:
            return
        slots = self.expected.slots
        if not self.expected.has_items(key, new):
            self._assign(trace.row, (key,), slots, old, new)
            return
        if new is old:  # as `shared["by"] |= ...` does at its end
            return
        before, items = slots.get(key), {}
        was_read = (key,) in self._row(trace.row).read
        if was_read and new and type(before) is Items and before.value is old:
            # Probably made from the dict before: what other rows have assigned in it stays theirs.
            items = before.items
        else:
            self._assign(trace.row, (key,), slots, old, {})
        now = slots[key] = Items(new)
        for item in items.keys() - new.keys():
            self._assign(trace.row, (key, item), {}, value_of(items[item]), MISSING)
        for item, value in list(new.items()):
            was = items.get(item, MISSING)
            if value_of(was) is value:
                now.items[item] = was
            else:
                self._assign(trace.row, (key, item), now.items, value_of(was), value)

    def note_item(
        self, trace: Trace, within: dict[Any, Any], path: Path, old: Any, new: Any
    ) -> None:
        """Note that an instance wrote an item of a dict in the store, as `note_write`."""
        slot = self.expected.slots.get(path[0])
        # Else another dict is there by now.
        if type(slot) is Items and slot.value is within and self._live.get(trace.row) is trace:
            self._assign(trace.row, path, slot.items, old, new)

    def _assign(self, row: int, path: Path, slots: dict[Any, Any], old: Any, new: Any) -> None:
        slot = slots.get(path[-1])
        if new is MISSING:
            slots.pop(path[-1], None)
        elif type(new) not in CONTAINERS:
            slots[path[-1]] = new
        elif type(slot) is not Held or slot.value is not new:
            slots[path[-1]] = Held(new, row)
        elif slot.owner != row:  # as by `shared["log"] += [line]`: both rows have the same list
            self._derive(slot.owner, path)
            slot.assigned_by(row)
        state = self._row(row)
        how = _how(old, new, state.assigned.get(path), was_read=path in state.read)
        if len(path) == 1 and self.expected.has_items(path[0], {}):
            for item in [each for each in state.assigned if len(each) > 1 and each[0] == path[0]]:
                del state.assigned[item]  # it is gone with the dict
        state.assigned[path] = Assignment(next(self._numbers), how, new)

    def _derive(self, index: int, path: Path) -> None:
        """Note that what a running row has assigned is changed by another one."""
        assigned = {} if index not in self._rows else self._rows[index].assigned
        if path in assigned:
            assigned[path] = assigned[path]._replace(how=How.DERIVED)

    def _row(self, index: int) -> _Row:
        row = self._rows.get(index)
        if row is None:
            row = self._rows[index] = _Row()
        return row

    # What the journal asks for

    def take(self, index: int, *, again: bool = False) -> dict[Path, Assignment]:
        """Return what the attempts of a row that has ended assigned last, by path.

        Args:
            again: whether another attempt may follow, whose assignments are added to these.
        """
        row = self._rows.get(index)
        if row is None:
            return {}
        for path in row.assigned.keys() | row.read:
            if self._is_changed(index, path, is_own=path in row.assigned):
                self._name(path[0], IN_PLACE)
        row.read.clear()
        if not again:
            del self._rows[index]
        return row.assigned

    def _is_changed(self, index: int, path: Path, *, is_own: bool) -> bool:
        """Whether what a row has read or assigned was changed in another way."""
        slot = self.expected.at(path)
        if type(slot) is Items:
            return len(slot.value) != len(slot.items)
        if type(slot) is not Held:
            is_object = slot is not MISSING and not isinstance(slot, _UNCHANGING)
            return is_object and not is_own and path[0] in self._object_keys
        if slot.owner == index and not slot.others:
            slot.take_copy()  # nobody else can have changed it
            return False
        return slot.seems_changed()

    async def compare(self) -> None:
        """Find the keys whose value is not what the rows have assigned; all rows have ended."""
        for key, is_there in await self.expected.differences():
            self._name(key, IN_PLACE if is_there else PAST_VIEWS)

    def _name(self, key: Any, reason: str) -> None:
        if len(self.changed) < _MOST_NAMED:
            self.changed.setdefault(name_of_path((key,), self._secrets), reason)
        else:
            self.changed.setdefault(OTHERS, TOO_MANY)


def _how(old: Any, new: Any, own: Assignment | None, *, was_read: bool) -> How:
    if new is MISSING:
        return How.REMOVED
    if old is MISSING:
        return How.ADDED if own is None else How.SET
    if new is old and own is None and type(new) in CONTAINERS:
        return How.DERIVED
    if not was_read or (own is not None and own.value is old and own.how is not How.DERIVED):
        return How.SET
    return How.SET if type(old) in ATOMS and equal(old, new) else How.DERIVED
