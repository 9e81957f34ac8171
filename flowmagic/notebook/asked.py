"""What the pages have asked the panel, and the answers that wait to be sent with the next delta.

A question is a command that changes nothing: of which rows the params are wanted, which instance is
opened, whether an edited text is right. Each page asks for itself, and is known by its `client` name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..instances import Instance
from ..records import Records
from .detail import detail_of, row_texts
from .paramlist import ParamList
from .wire import Check, Command, Delta, Detail, RowTexts

MOST_PAGES = 4
"""Pages of one panel that are answered apart from each other."""

_MOST_TEXTS = 400  # of one answer


class Asked:
    """Takes questions and gives answers, each when the panel has room for it.

    Args:
        records: gives the records of the run that is shown at that moment.
        params: the param list, against which edited texts are read.
    """

    def __init__(self, records: Callable[[], Records], params: ParamList) -> None:
        self._records = records
        self._params = params
        self._texts: list[RowTexts] = []
        self._checks: dict[str, Check] = {}
        self._open: dict[str, int] = {}
        self._stale: set[int] = set()
        """Opened rows whose state has changed."""
        self._printed: dict[int, int] = {}
        """Of the opened rows, a hash of what they had printed when that was sent."""

    def take(self, command: Command) -> bool:
        """Take a command if it is a question; return whether it is one."""
        question = getattr(self, f"_ask_{command.get('type')}", None)
        if question is None:
            return False
        question(command)
        return True

    def forget(self) -> None:
        """Forget what was asked of a run that is no longer shown."""
        self._open.clear()

    def note(self, changed: Iterable[int]) -> None:
        """Note which rows have changed, though no delta tells of it."""
        self._stale.update(set(changed).intersection(self._open.values()))

    @property
    def waiting(self) -> bool:
        """Whether an answer is ready to be sent."""
        return bool(self._texts or self._stale or self._checks)

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
        return []

    def _details(self, changed: list[int]) -> list[Detail]:
        records, opened = self._records(), set(self._open.values())
        stale = self._stale.union(changed).intersection(opened)
        # A row that prints does not change otherwise; it may do so in any thread.
        printed = {index: hash(Instance(records, index).output) for index in opened}
        stale.update(at for at in opened if printed[at] != self._printed.get(at))
        self._printed = printed
        self._stale.clear()
        return [detail_of(records, index) for index in sorted(stale)]

    # The questions

    def _ask_rows(self, command: Command) -> None:
        first, last = command.get("first"), command.get("last")
        if isinstance(first, int) and isinstance(last, int):
            last = min(last, first + _MOST_TEXTS)
            self._texts = [*self._texts[-2:], row_texts(self._records(), first, last)]

    def _ask_open(self, command: Command) -> None:
        client, index = command.get("client", ""), command.get("index")
        self._open.pop(client, None)
        if isinstance(index, int) and 0 <= index < len(self._records()):
            self._open[client] = index
            self._stale.add(index)
            while len(self._open) > MOST_PAGES:
                self._open.pop(next(iter(self._open)))

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
