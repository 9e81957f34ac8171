"""What Run runs next: the panel's batch, the list edited in the page, or the batch of the flow's prep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ...errors import FlowmagicError
from ...records.batch import Batch, as_batch
from ...records.trace import Params
from ...run.batchrun import BatchRun
from .param_text import ParamText, ParsedText
from .protocol import Editor

_FROM_PREP = ("from prep",)
_EMPTY_HINT = (
    "There are no rows yet. Run takes the params from the flow's own prep, or the rows that you "
    "write here instead."
)


class ParamList:
    """The param list of a panel, as a batch and as text.

    Attributes:
        batch: what Run runs; None if the flow's own prep gives it.
        run: the run shown last, which has the rows that a generator or the flow's prep gave.
    """

    def __init__(self, batch: Batch | None) -> None:
        self.batch = batch
        self.run: BatchRun | None = None
        self._key: tuple[Any, ...] = ()
        """Identifies the rows of the text."""
        self._shown = ParamText(None)
        self._version = 0

    def editor(self) -> Editor:
        """Return the list as text for the page."""
        shown = self._text()
        return {
            "version": self._version,
            "text": shown.text,
            "editable": shown.editable,
            "reason": shown.reason or (_EMPTY_HINT if self._key == _FROM_PREP else ""),
        }

    def read(self, text: str) -> ParsedText:
        """Parse an edited text."""
        return self._text().read(text)

    def batch_to_run(self, text: str | None) -> Batch | None:
        """Return the batch of an edited text, or the present one for None or an unedited text.

        Raises:
            FlowmagicError: the text is not a list of dicts, or the list is no longer available.
        """
        shown = self._text()
        if text is not None and shown.editable and text != shown.text:
            parsed = shown.read(text)
            if parsed.rows is None:
                where = "" if parsed.line is None else f"Line {parsed.line}: "
                raise FlowmagicError(f"{where}{parsed.message}")
            return as_batch(parsed.rows)
        if self.batch is None or self.batch.rows is not None or self.run is None:
            return self.batch
        rows, reason, _ = self._rows()
        if rows is None:
            raise FlowmagicError(reason)
        return as_batch(rows)

    def _text(self) -> ParamText:
        rows, reason, key = self._rows()
        if key != self._key:
            self._key = key
            self._shown = ParamText(rows, reason)
            self._version += 1
        return self._shown

    def _rows(self) -> tuple[Sequence[Params] | None, str, tuple[Any, ...]]:
        """Return the rows, or None and the reason; and a key that identifies both."""
        batch, run = self.batch, self.run
        if batch is not None and batch.rows is not None:
            return batch.rows, "", ("rows", batch)
        if batch is None:
            return self._prep_rows()
        if run is None or not run.ended:
            return None, "The params come from a generator, row by row.", ("generating",)
        if run.records.dropped:
            reason = (
                f"The generator is exhausted, and {run.records.dropped:,} of its rows are no longer "
                "kept. Run the cell again instead."
            )
            return None, reason, ("dropped",)
        return list(cast("dict[int, Params]", run.records.rows).values()), "", ("generated", run)

    def _prep_rows(self) -> tuple[Sequence[Params] | None, str, tuple[Any, ...]]:
        run = self.run
        if run is not None and run.total is not None and isinstance(run.records.rows, list):
            return run.records.rows, "", ("prep", run)
        if run is None or run.ended:
            return [], "", _FROM_PREP
        return None, "The params will come from the flow's own prep.", ("prep",)
