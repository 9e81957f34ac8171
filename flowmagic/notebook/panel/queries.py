"""What the pages have asked the panel, and the answers that wait to be sent with the next delta.

A question is a command that changes nothing: of which rows the params are wanted, which instance is
opened, whether an edited text is right. Each page asks for itself, and is known by its `client` name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...records.instances import Instance
from ...records.store import RecordStore
from .columns import MOST_COLUMNS, VaryingColumns
from .detail import detail_of
from .packing import pack_attempts, pack_segments
from .param_list import ParamList
from .protocol import Check, Command, Delta, Detail, RowTexts
from .row_text import row_texts
from .search import Search

MOST_PAGES = 4
"""Pages of one panel that are answered apart from each other."""

_MOST_TEXTS = 400  # of one answer
_MOST_ROWS = 200  # of one answer that tells when something ran


class Queries:
    """Takes questions and gives answers, each when the panel has room for it.

    Args:
        records: gives the records of the run that is shown at that moment.
        params: the param list, against which edited texts are read.
        code: gives the cell that runs a row once more, from its index and the secrets to leave out.
        soon: called with what is to be done in a moment, when the loop has done other things.
        ready: called when an answer is ready that took its time.
    """

    def __init__(
        self,
        records: Callable[[], RecordStore],
        params: ParamList,
        *,
        code: Callable[[int, set[str]], str],
        soon: Callable[[Callable[[], None]], None],
        ready: Callable[[], None],
    ) -> None:
        self._records = records
        self._params = params
        self._code = code
        self._soon = soon
        self._ready = ready
        self.varying = _looked(records())
        self._texts: list[RowTexts] = []
        self._checks: dict[str, Check] = {}
        self._open: dict[str, int] = {}
        self._stale: set[int] = set()
        """Opened rows whose state has changed."""
        self._printed: dict[int, int] = {}
        """Of the opened rows, a hash of what they had printed when that was sent."""
        self._searches: dict[tuple[str, str], tuple[int, Search]] = {}
        """By page and view: the number of the command that asked, and what looks."""
        self._searching = False
        self._segments: dict[str, list[int]] = {}
        """By page: the rows whose node copies are wanted."""
        self._attempts: dict[str, list[int]] = {}
        """By page: the rows whose earlier attempts are wanted."""

    def take(self, command: Command) -> bool:
        """Take a command if it is a question; return whether it is one."""
        question = getattr(self, f"_ask_{command.get('type')}", None)
        if question is None:
            return False
        question(command)
        return True

    def forget(self) -> None:
        """Forget what was asked of rows that are no longer shown."""
        self._open.clear()
        self._searches.clear()
        self._segments.clear()
        self._attempts.clear()
        self.varying = _looked(self._records())

    def note(self, changed: Iterable[int]) -> None:
        """Note which rows have changed, though no delta tells of it."""
        self._stale.update(set(changed).intersection(self._open.values()))

    @property
    def waiting(self) -> bool:
        """Whether an answer is ready to be sent."""
        when = self._segments or self._attempts
        return bool(self._texts or self._stale or self._checks or when or self._found)

    @property
    def _found(self) -> list[tuple[str, str]]:
        return [asker for asker, (_, search) in self._searches.items() if search.done]

    def answer(self, delta: Delta, changed: list[int]) -> list[tuple[str, bytes]]:
        """Write all answers into a delta; return those that travel as buffers, by name.

        Args:
            changed: the rows of which the delta tells.
        """
        if details := self._details(changed):
            delta["details"] = details
        if self._texts:
            delta["rows"], self._texts = self._texts, []
        if self._checks:
            delta["checks"] = list(self._checks.values())
            self._checks = {}
        packed = [
            (f"segments {client}", pack_segments(self._records(), rows))
            for client, rows in self._segments.items()
        ]
        packed += [
            (f"attempts {client}", pack_attempts(self._records(), rows))
            for client, rows in self._attempts.items()
        ]
        self._segments.clear()
        self._attempts.clear()
        for asker in self._found:
            n, search = self._searches.pop(asker)
            delta.setdefault("found", []).append({"client": asker[0], "n": n})
            packed.append((f"found {asker[0]} {n}", search.packed()))
        return packed

    def _details(self, changed: list[int]) -> list[Detail]:
        records, opened = self._records(), set(self._open.values())
        stale = self._stale.union(changed).intersection(opened)
        # A row that prints does not change otherwise; it may do so in any thread.
        printed = {index: hash(Instance(records, index).printed) for index in opened}
        stale.update(at for at in opened if printed[at] != self._printed.get(at))
        self._printed = printed
        self._stale.clear()
        return [detail_of(records, index, self._code) for index in sorted(stale)]

    # The questions

    def _ask_rows(self, command: Command) -> None:
        rows = self._rows(command)[:_MOST_TEXTS]
        self._texts = [*self._texts[-2:], row_texts(self._records(), rows, self.varying)]

    def _ask_segments(self, command: Command) -> None:
        self._note(self._segments, command)

    def _ask_attempts(self, command: Command) -> None:
        self._note(self._attempts, command)

    def _note(self, wanted: dict[str, list[int]], command: Command) -> None:
        wanted[command.get("client", "")] = self._rows(command)[:_MOST_ROWS]
        while len(wanted) > MOST_PAGES:
            wanted.pop(next(iter(wanted)))

    def _rows(self, command: Command) -> list[int]:
        """Return the rows that a command names, as far as there are such rows."""
        wanted, n = command.get("rows"), len(self._records())
        if not isinstance(wanted, list):
            return []
        return [index for index in wanted if isinstance(index, int) and 0 <= index < n]

    def _ask_open(self, command: Command) -> None:
        client, index = command.get("client", ""), command.get("index")
        self._open.pop(client, None)
        if isinstance(index, int) and 0 <= index < len(self._records()):
            self._open[client] = index
            self._stale.add(index)
            while len(self._open) > MOST_PAGES:
                self._open.pop(next(iter(self._open)))

    def _ask_find(self, command: Command) -> None:
        client, text, sort = command.get("client", ""), command.get("text"), command.get("sort")
        keys = self.varying.keys[:MOST_COLUMNS]
        key = [keys[sort]] if isinstance(sort, int) and 0 <= sort < len(keys) else []
        search = Search(
            self._records(),
            text if isinstance(text, str) else "",
            *key,
            sort=bool(key),
            descending=command.get("descending") is True,
        )
        asker = (client, str(command.get("view")))
        self._searches.pop(asker, None)
        self._searches[asker] = (command.get("n", 0), search)
        while len(self._searches) > MOST_PAGES:
            self._searches.pop(next(iter(self._searches)))
        if not self._searching:
            self._searching = True
            self._search()

    def _search(self) -> None:
        for _, search in list(self._searches.values()):
            if not search.done:
                search.step()
                self._soon(self._search)
                return
        self._searching = False
        self._ready()

    def _ask_check(self, command: Command) -> None:
        client, n, text = command.get("client", ""), command.get("n", 0), command.get("text")
        reading = self._params.read(text if isinstance(text, str) else "")
        self._checks[client] = {
            "client": client,
            "n": n,
            "count": None if reading.rows is None else len(reading.rows),
            "message": reading.message,
            "line": reading.line,
        }


def _looked(records: RecordStore) -> VaryingColumns:
    """Return what varies among the first rows: the first message is to tell it already."""
    varying = VaryingColumns(records)
    varying.look()
    return varying
