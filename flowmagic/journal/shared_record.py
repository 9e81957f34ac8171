"""Records what the rows of one run assign to `shared`, and brings back what earlier runs recorded."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from ..flow.finding import Finding
from ..records.trace import Restored
from ..shared.assignments import Assignment, AssignmentLog
from ..shared.paths import Path
from ..text.redact import masked
from .replay import Replay
from .shared_state import SharedState, findings


class SharedRecord:
    """The shared store of one run, as its journal sees it.

    Args:
        log: records what the rows assign; None: nothing does.
        unseen: why it is not known what they assign, in words; empty if it is.
        replay: brings back what the restored rows had assigned; None: no row is restored.
        secrets: texts to mask in what is written.
        write: takes the state of the store as text, whenever it has changed.
    """

    def __init__(
        self,
        log: AssignmentLog | None,
        unseen: str,
        replay: Replay | None,
        secrets: AbstractSet[str],
        write: Callable[[str], None],
    ) -> None:
        self._log = log
        self._replay = replay
        self._secrets = secrets
        self._write = write
        self._state = SharedState(unseen)
        if unseen:
            self._write(self._state.to_json())

    @property
    def findings(self) -> list[Finding]:
        """The keys that are not as before, and as notes those that a resumed run cannot bring back."""
        before = {} if self._replay is None else self._replay.changed
        now = {} if self._log is None else self._log.changed
        own = {name: self._state.unseen or now[name] for name in now if name not in before}
        return [*findings(before, is_resumed=True), *findings(own, is_resumed=False)]

    @property
    def restores_first(self) -> bool:
        """Whether all known rows must be restored before any row starts, for what they assigned."""
        return self._replay is not None and self._replay.is_needed

    def add(self, restored: Restored) -> None:
        """Take what a restored row had assigned."""
        if self._replay is not None:
            self._replay.add(restored)

    async def begin(self) -> None:
        """Assign what the restored rows had assigned, before the first row starts."""
        if self._replay is not None:
            await self._replay.make()
        if self._log is not None:
            await self._log.expected.remember()

    def take(self, index: int, *, again: bool) -> dict[Path, Assignment]:
        """Return what a row that has ended has assigned, see `AssignmentLog.take`."""
        if self._log is None:
            return {}
        assigned = self._log.take(index, again=again)
        if assigned and not self._state.is_assigned:
            self._change(self._state._replace(is_assigned=True))
        elif len(self._log.changed) > len(self._state.changed):
            self._change(self._state)
        return assigned

    async def compare(self) -> None:
        """Find what has changed the store besides the assignments of rows; all rows have ended."""
        if self._log is not None:
            await self._log.compare()
            self._change(self._state._replace(is_compared=True))

    def _change(self, state: SharedState) -> None:
        changed = {} if self._log is None else self._log.changed
        shown = {
            masked(name, self._secrets): masked(changed[name], self._secrets) for name in changed
        }
        state = state._replace(changed=shown)
        if state != self._state:
            self._state = state
            self._write(state.to_json())
