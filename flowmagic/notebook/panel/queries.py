"""Answers the commands of the pages that change nothing, with the next delta.

A page asks for the texts of rows, for their node copies or earlier attempts, for an opened row, for a
search, or for a check of an edited param list. Each page has its own answers, under its `client` name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from ...records.instances import Instance
from ...records.row_secrets import secrets_of_row
from ...records.status import RUNNING
from ...records.store import RecordStore
from .detail import RerunCell, detail_of
from .detail_types import Detail, FullOutput
from .output_detail import FULL, output_at, output_detail
from .packing import pack_attempts, pack_segments
from .param_list import ParamList
from .picture_queries import PictureQueries
from .protocol import Command, Delta, RowTexts, TextCheck
from .row_text import MAX_COLUMNS, MAX_LABELLED, VaryingColumns, row_texts
from .search import Search

FIRST_TEXTS = 200
"""How many rows, the first ones, have texts that every page gets without a query."""

MAX_PAGES = 4
"""How many pages of one panel have answers of their own."""

_MAX_TEXTS = 400  # rows per answer; of the latest so many of each page, changed texts are sent
_MAX_PUSHED = 100  # changed rows beside the first ones in one message with the whole state
_SLICE = 0.004  # seconds of CPU for changed texts in one message
_MAX_ROWS = 200  # rows per answer with node copies or attempts

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Queries:
    """Takes queries, and keeps the answers until the panel sends them.

    Args:
        records: returns the records of the run that is shown.
        param_list: the list against which edited texts are read.
        rerun_cell: returns the cell that reruns a row.
        call_soon: calls a function after other callbacks of the loop have had their turn.
        call_on_loop: calls a function with arguments on the loop, from any thread.
        on_ready: called when an answer is ready that took several turns of the loop.
        rows_of_group: returns the rows of a group of failed rows, by its id.

    Attributes:
        varying: the params that vary among the rows.
        handlers: the function for each type of query.
    """

    def __init__(
        self,
        records: Callable[[], RecordStore],
        param_list: ParamList,
        *,
        rerun_cell: RerunCell,
        call_soon: Callable[[Callable[[], None]], None],
        call_on_loop: Callable[..., None],
        on_ready: Callable[[], None],
        rows_of_group: Callable[[object], Iterable[int]] = lambda _: (),
    ) -> None:
        self._records = records
        self._param_list = param_list
        self._rerun_cell = rerun_cell
        self._rows_of_group = rows_of_group
        self._call_soon = call_soon
        self._on_ready = on_ready
        self.varying = _varying_columns(records())
        self._texts: list[RowTexts] = []
        self._shown: dict[str, dict[int, None]] = {}
        """By page: the rows that it queried last, oldest first."""
        self._changed: dict[int, None] = {}
        """Rows that pages show and that have changed since their texts were sent."""
        self._checks: dict[str, TextCheck] = {}
        self._outputs: dict[str, FullOutput] = {}
        """By page: the output that it wants in full."""
        self._pictures = PictureQueries(records, call_on_loop, on_ready)
        self._open: dict[str, int] = {}
        self._stale: set[int] = set()
        """Opened rows whose state has changed."""
        self._printed: dict[int, int] = {}
        """For each opened row, a hash of its output when that was last sent."""
        self._searches: dict[tuple[str, str], tuple[int, Search]] = {}
        """By page and view: the number of the command, and its search."""
        self._searching = False
        self._segments: dict[str, list[int]] = {}
        """By page: the rows whose node copies it wants."""
        self._attempts: dict[str, list[int]] = {}
        """By page: the rows whose earlier attempts it wants."""
        self.handlers: dict[str, Callable[[Command], None]] = {
            "rows": self._query_rows,
            "segments": lambda command: self._want(self._segments, command),
            "attempts": lambda command: self._want(self._attempts, command),
            "open": self._query_open,
            "output": self._query_output,
            "pictures": self._query_pictures,
            "search": self._query_search,
            "check": self._query_check,
        }

    def reset(self) -> None:
        """Drop the queries about rows that are no longer shown."""
        self._open.clear()
        self._changed.clear()
        self._outputs.clear()
        self._pictures.clear()
        self._searches.clear()
        self._segments.clear()
        self._attempts.clear()
        self.varying = _varying_columns(self._records())

    def mark_changed(self, rows: Iterable[int]) -> None:
        """Note which rows have changed: the next message has those that pages show or have opened."""
        rows = set(rows)
        self._stale.update(rows.intersection(self._open.values()))
        shown = rows.intersection(range(FIRST_TEXTS)).union(
            *(rows.intersection(queried) for queried in self._shown.values())
        )
        records = self._records()
        if len(records) > MAX_LABELLED:  # no node copies are shown: only an end changes the texts
            shown = {index for index in shown if records.status[index] > RUNNING}
        self._changed.update(dict.fromkeys(sorted(shown)))

    @property
    def pushed_rows(self) -> list[int]:
        """The rows whose texts the whole state has: the first ones, and some that have changed."""
        # A copy: a page that reloads calls this in another thread.
        others = (index for index in list(self._changed) if index >= FIRST_TEXTS)
        first = range(min(FIRST_TEXTS, len(self._records())))
        return [*first, *islice(others, _MAX_PUSHED)]

    def mark_pushed(self) -> None:
        """Note that the whole state has been sent."""
        for index in self.pushed_rows:
            self._changed.pop(index, None)

    @property
    def has_answers(self) -> bool:
        """Whether an answer is ready to be sent."""
        packed = self._segments or self._attempts or self._finished or self._pictures.has_answers
        unpacked = self._texts or self._changed or self._stale or self._checks or self._outputs
        return bool(packed or unpacked)

    @property
    def _finished(self) -> list[tuple[str, str]]:
        return [key for key, (_, search) in self._searches.items() if search.done]

    def add_answers(self, delta: Delta) -> list[tuple[str, bytes]]:
        """Write the answers into a delta; return those that are sent as buffers, with their names."""
        if details := self._details():
            delta["details"] = details
        if self._changed:
            self._texts.append(row_texts(self._records(), self._take_changed(), self.varying))
        if self._texts:
            delta["rows"], self._texts = self._texts, []
        if self._outputs:
            delta["outputs"] = list(self._outputs.values())
            self._outputs = {}
        if self._checks:
            delta["checks"] = list(self._checks.values())
            self._checks = {}
        packed = [
            (f"{kind} {client}", pack(self._records(), rows))
            for kind, pack, wanted in (
                ("segments", pack_segments, self._segments),
                ("attempts", pack_attempts, self._attempts),
            )
            for client, rows in wanted.items()
        ]
        packed += self._pictures.take()
        self._segments.clear()
        self._attempts.clear()
        for key in self._finished:
            n, search = self._searches.pop(key)
            client = key[0]
            delta.setdefault("searches", []).append({"client": client, "n": n})
            packed.append((f"search {client} {n}", search.packed()))
        return packed

    def _take_changed(self) -> Iterator[int]:
        """Yield rows whose texts have changed, for a few milliseconds; the others wait."""
        end = time.thread_time() + _SLICE
        while self._changed:
            index = next(iter(self._changed))
            del self._changed[index]
            yield index
            if time.thread_time() > end:
                return

    def _details(self) -> list[Detail]:
        records, opened = self._records(), set(self._open.values())
        stale = self._stale.intersection(opened)
        # Printing changes nothing else of a row, and may happen in any thread.
        printed = {index: hash(Instance(records, index).printed) for index in opened}
        stale.update(at for at in opened if printed[at] != self._printed.get(at))
        self._printed = printed
        self._stale.clear()
        return [detail_of(records, index, self._rerun_cell) for index in sorted(stale)]

    def _query_rows(self, command: Command) -> None:
        rows = self._rows(command)[:_MAX_TEXTS]
        shown = {**self._shown.get(command["client"], {}), **dict.fromkeys(rows)}
        put_last(self._shown, command["client"], dict.fromkeys(list(shown)[-_MAX_TEXTS:]))
        self._texts = [*self._texts[-2:], row_texts(self._records(), rows, self.varying)]

    def _want(self, wanted: dict[str, list[int]], command: Command) -> None:
        put_last(wanted, command["client"], self._rows(command)[:_MAX_ROWS])

    def _rows(self, command: Command) -> list[int]:
        """Return those rows of a command that exist."""
        rows, n = command.get("rows"), len(self._records())
        if not isinstance(rows, list):
            return []
        return [index for index in rows if isinstance(index, int) and 0 <= index < n]

    def _query_open(self, command: Command) -> None:
        client, index = command["client"], command.get("index")
        self._open.pop(client, None)
        if isinstance(index, int) and 0 <= index < len(self._records()):
            put_last(self._open, client, index)
            self._stale.add(index)

    def _query_output(self, command: Command) -> None:
        client, records = command["client"], self._records()
        index, attempt, copy = command.get("index"), command.get("attempt"), command.get("copy")
        if not (isinstance(index, int) and isinstance(attempt, int) and isinstance(copy, int)):
            return
        if not 0 <= index < len(records):
            return
        output = output_detail(
            output_at(records, index, attempt, copy), secrets_of_row(records, index), FULL
        )
        if output is not None and output["picture"]:
            self._pictures.query(client, index, attempt, copy, large=True)
            return
        answer: FullOutput = {
            "client": client, "index": index, "attempt": attempt, "copy": copy, "output": output,
        }  # fmt: skip
        put_last(self._outputs, client, answer)

    def _query_pictures(self, command: Command) -> None:
        for index in self._rows(command)[:_MAX_ROWS]:
            self._pictures.query(command["client"], index, large=False)

    def _query_search(self, command: Command) -> None:
        text, sort = command.get("text"), command.get("sort")
        keys = self.varying.keys[:MAX_COLUMNS]
        key = [keys[sort]] if isinstance(sort, int) and 0 <= sort < len(keys) else []
        group = command.get("group")
        search = Search(
            self._records(),
            text if isinstance(text, str) else "",
            *key,
            among=None if group is None else frozenset(self._rows_of_group(group)),
            sort=bool(key),
            descending=command.get("descending") is True,
        )
        view = (command["client"], str(command.get("view")))
        put_last(self._searches, view, (command["n"], search))
        if not self._searching:
            self._searching = True
            self._search()

    def _search(self) -> None:
        for _, search in list(self._searches.values()):
            if not search.done:
                search.step()
                self._call_soon(self._search)
                return
        self._searching = False
        self._on_ready()

    def _query_check(self, command: Command) -> None:
        client, text = command["client"], command.get("text")
        parsed = self._param_list.read(text if isinstance(text, str) else "")
        self._checks[client] = {
            "client": client,
            "n": command["n"],
            "count": None if parsed.rows is None else len(parsed.rows),
            "message": parsed.message,
            "line": parsed.line,
        }


def put_last(entries: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Set an entry, and drop the oldest ones beyond `MAX_PAGES`."""
    entries.pop(key, None)
    entries[key] = value
    while len(entries) > MAX_PAGES:
        entries.pop(next(iter(entries)))


def _varying_columns(records: RecordStore) -> VaryingColumns:
    """Return the columns as far as the first rows show them, for the first message."""
    varying = VaryingColumns(records)
    varying.look()
    return varying
