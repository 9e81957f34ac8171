"""Groups the failed rows of a run by their error, for the list above the table.

Errors are alike if their texts differ in numbers only and they were raised in nodes of one name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import nsmallest

from ...records.row_secrets import secrets_of_row
from ...records.status import FAILED
from ...records.store import RecordStore
from ...text.formatting import error_text, truncate
from .protocol import FailureGroup

MAX_GROUPS = 200
"""How many kinds of errors are told apart; all further ones are one group."""

MAX_SHOWN = 5
"""How many groups are sent: the largest ones."""

_SLICE = 200  # rows between two turns of the loop, which take some milliseconds
_MAX_TEXT = 160  # characters
_MAX_NODE = 60
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_OTHERS = ("other errors", "")


@dataclass
class _Group:
    """Rows that failed alike. `text`: the error of all of them, without numbers if these differ."""

    id: int
    text: str
    node: str
    rows: dict[int, None] = field(default_factory=dict)


class FailureGroups:
    """Keeps the groups up to date while rows end and are retried.

    Args:
        call_soon: calls a function after other callbacks of the loop have had their turn.
        on_ready: called when grouping is complete that took several turns of the loop.
    """

    def __init__(
        self,
        records: RecordStore,
        *,
        call_soon: Callable[[Callable[[], None]], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._records = records
        self._call_soon = call_soon
        self._on_ready = on_ready
        self._groups: dict[tuple[str, str], _Group] = {}
        self._group_of: dict[int, _Group] = {}
        self._changed: set[int] = set()
        self._grouping = False
        self.mark_changed(records.with_status(FAILED))

    def mark_changed(self, rows: Iterable[int]) -> None:
        """Group changed rows anew, the first of them at once."""
        code, known = self._records.status, self._group_of
        self._changed.update(row for row in rows if code[row] == FAILED or row in known)
        if not self._grouping:
            self._group_some()

    def _group_some(self) -> None:
        continued, self._grouping = self._grouping, False
        changed = self._changed
        for _ in range(min(len(changed), _SLICE)):
            self._group(changed.pop())
        if changed:
            self._grouping = True
            self._call_soon(self._group_some)
        elif continued:
            self._on_ready()

    def _group(self, index: int) -> None:
        if (old := self._group_of.pop(index, None)) is not None:
            del old.rows[index]
        error = self._records.results[index]
        if self._records.status[index] != FAILED or not isinstance(error, BaseException):
            return
        text = error_text(error, secrets_of_row(self._records, index), _MAX_TEXT)
        node = truncate(self._records.node_names[self._records.nodes[index]], _MAX_NODE)
        key = (_NUMBER.sub("…", text), node)
        if key not in self._groups and len(self._groups) >= MAX_GROUPS:
            key, text, node = _OTHERS, *_OTHERS
        group = self._groups.setdefault(key, _Group(len(self._groups), text, node))
        if group.text != text:
            group.text = key[0]
        group.rows[index] = None
        self._group_of[index] = group

    def rows_of(self, group: object) -> list[int]:
        """Return the rows of a group, by its id; empty if there is none."""
        return [row for each in self._groups.values() if each.id == group for row in each.rows]

    def shown(self) -> list[FailureGroup]:
        """Return the largest groups."""
        filled = (group for group in self._groups.values() if group.rows)
        largest = nsmallest(MAX_SHOWN, filled, key=lambda group: (-len(group.rows), group.id))
        return [
            {
                "id": group.id,
                "count": len(group.rows),
                "text": group.text,
                "node": group.node,
                "row": next(iter(group.rows)),
            }
            for group in largest
        ]
