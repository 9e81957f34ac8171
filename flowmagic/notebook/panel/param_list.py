"""What Run runs next: the batch that was given, the one edited in the page, or the flow's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ...errors import FlowmagicError
from ...records.batch import Batch, Params, as_batch
from ...run.batchrun import BatchRun
from .param_text import ParamText, ParsedText
from .protocol import Editor

_OWN = ("own",)
_LEFT_OPEN = (
    "There are no rows yet: Run leaves the params to the flow's own prep. Rows written here are "
    "run in its place."
)


class ParamList:
    """The param list of a panel, as a batch and as a text.

    Attributes:
        batch: what Run runs; None: the flow's own prep gives it.
        run: the run shown last, which knows the rows that a generator or the flow's prep gave.
    """

    def __init__(self, batch: Batch | None) -> None:
        self.batch = batch
        self.run: BatchRun | None = None
        self._key: tuple[Any, ...] = ()
        self._shown = ParamText(None)
        self._version = 0

    def editor(self) -> Editor:
        """Return the list as text, for the page."""
        shown = self._text()
        return {
            "version": self._version,
            "text": shown.text,
            "editable": shown.editable,
            "reason": shown.reason or (_LEFT_OPEN if self._key == _OWN else ""),
        }

    def read(self, text: str) -> ParsedText:
        """Read an edited text."""
        return self._text().read(text)

    def batch_to_run(self, text: str | None) -> Batch | None:
        """Return the batch of an edited text; of None, or an untouched one, the list as it stands.

        Raises:
            FlowmagicError: the text says no list of dicts, or the list can no longer be had.
        """
        shown = self._text()
        if text is not None and shown.editable and text != shown.text:
            reading = shown.read(text)
            if reading.rows is None:
                where = "" if reading.line is None else f"Line {reading.line}: "
                raise FlowmagicError(f"{where}{reading.message}")
            return as_batch(reading.rows)
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
        """Return the rows, or why there are none to show, and what identifies both."""
        batch, run = self.batch, self.run
        if batch is not None and batch.rows is not None:
            return batch.rows, "", ("rows", batch)
        if batch is None:
            return self._own_rows()
        if run is None or not run.ended:
            return None, "The params come from a generator, row by row.", ("drawing",)
        if run.records.dropped:
            reason = (
                f"The generator is used up, and {run.records.dropped:,} of its rows are no longer "
                "kept: to run again, run the cell again."
            )
            return None, reason, ("gone",)
        return list(cast("dict[int, Params]", run.records.rows).values()), "", ("drawn", run)

    def _own_rows(self) -> tuple[Sequence[Params] | None, str, tuple[Any, ...]]:
        run = self.run
        if run is not None and run.total is not None and isinstance(run.records.rows, list):
            return run.records.rows, "", ("prep", run)
        if run is None or run.ended:
            return [], "", _OWN
        return None, "The flow's own prep is to give the params.", ("prep",)
