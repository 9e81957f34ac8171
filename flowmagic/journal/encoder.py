"""What a run records, as values for the columns of its journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any

from ..errors import OutputLostError
from ..records.containers import same
from ..records.instances import Instance
from ..records.node_copies import CopyFields, fields_in
from ..records.row_secrets import secrets_of_row
from ..records.status import Status
from ..records.trace import unpacked
from ..shared.assignments import Assignment
from ..shared.paths import Path
from ..text.formatting import traceback_text
from ..text.redact import masked, secrets_of
from ..text.user_objects import or_none
from .assigned import encoded_assignments
from .codec import encoded, encoded_and_masked
from .plain_json import EncodingError, as_json
from .row_key import row_key
from .row_log import Row

_MOST_PRINTED = 64_000  # characters, the last ones
_LONGEST_ERROR = 10_000  # characters

# Of the outputs. A text of a million characters takes 5 ms, and 50,000 numbers take 45 ms, in which
# the event loop is held.
_LONGEST_OUTPUT = 1_000_000  # characters
_MOST_OUTPUTS = 10_000_000  # characters of all outputs of an instance; SQLite takes 1,000 million
_LARGEST_OUTPUT = 4_000_000  # bytes in memory; a larger one is not encoded to see how long it is
_TOO_LARGE = (
    "The output is too large: a journal keeps outputs of up to 1 MB of text each (and 4 MB in "
    "memory), and 10 MB of text for a row."
)


class Encoder:
    """Encodes the params of rows, and the instances that have ended.

    Args:
        hash_key: the key of the hashes by which rows are recognised.
        secrets: texts to mask wherever they occur, besides the secrets of each row; None masks
            nothing.
        warn: called with a sentence for the user when something cannot be stored.
        large_size: returns the size of a large output in memory, in bytes; 0 for any other.
    """

    def __init__(
        self,
        hash_key: bytes,
        secrets: frozenset[str] | None,
        warn: Callable[[str], None],
        large_size: Callable[[Any], int],
    ) -> None:
        self._hash_key = hash_key
        self._secrets = secrets
        self._warn = warn
        self._large_size = large_size

    def row(self, params: Mapping[Any, Any]) -> Row:
        """Return key and params of a row, each None if there is none."""
        key, text = or_none(row_key, self._hash_key, params), None
        try:
            text = encoded(params, self._secrets_with(params))
        except Exception as error:  # noqa: BLE001 - reading a user's object may raise anything
            if key is not None:  # else the user is told of the object anyway
                self._warn(
                    "Some params cannot be stored in the journal, so resuming needs them again. "
                    f"{_reason(error)}"
                )
        return Row(key, text)

    def ended(
        self, instance: Instance, assigned: Mapping[Path, Assignment] = MappingProxyType({})
    ) -> tuple[Any, ...]:
        """Return the columns of an instance that has ended, from `status` on.

        If what a resumed run needs of it cannot be stored as it is, `unwritten` says why.

        Args:
            assigned: what it assigned to the shared store.
        """
        params, status, result = instance.params, instance.status, instance.result
        error = None if status is Status.SUCCEEDED else instance.error
        secrets = self._secrets_with(params, instance if error is not None else None)
        copies = _copies_of(instance, params)
        output, earlier_outputs, unwritten = self._outputs(copies, secrets)
        result_text = writes = None
        if error is None:
            result_text, reason = self.value(result, secrets, exact="result")
            unwritten = unwritten or reason
        if (written := instance.writes) is not None:
            writes, reason = self.value(written, secrets, exact="writes")
            unwritten = unwritten or reason
        printed = instance.printed
        answer = instance.output if assigned else None
        return (
            status.value,
            instance.attempts,
            instance.started,
            instance.ended,
            self._copies(copies, params, secrets, result, result_text),
            result_text,
            unwritten,
            None if error is None else as_json(_error(error, secrets)),
            _printed_text(printed, secrets) if printed else None,
            writes,
            output,
            earlier_outputs,
            encoded_assignments(assigned, secrets, answer, None if unwritten else output),
        )

    def value(
        self, value: Any, secrets: AbstractSet[str] | None, *, exact: str = ""
    ) -> tuple[str | None, str]:
        """Return a value as text and an empty reason; or None, and why it cannot be stored.

        Args:
            exact: what the value is, if it must not be stored with a secret in it masked.
        """
        text, reason = _text_or_reason(value, secrets, exact)
        if reason:
            self._warn(f"A value could not be written to the journal. {reason}")
        return text, reason

    def _secrets_with(
        self, params: Mapping[Any, Any], failed: Instance | None = None
    ) -> frozenset[str] | None:
        if self._secrets is None:
            return None
        if failed is not None:  # its error may also quote what a node has fetched
            return self._secrets | secrets_of_row(failed._records, failed.index)
        more = secrets_of(params)
        return self._secrets.union(more) if more else self._secrets

    def _outputs(
        self, copies: list[CopyFields], secrets: frozenset[str] | None
    ) -> tuple[str | None, str | None, str]:
        """Return the columns `output` and `earlier_outputs`, and why the output is lost.

        The first one has the output of the instance, or None. The second has those of the node
        copies before the one that gave it, as a JSON list, or None if it was the first one.
        """
        last = len(copies) - 1
        while last >= 0 and copies[last].output is None:
            last -= 1
        if last < 0:
            return None, None, ""
        own, reason = self._output(copies[last], secrets, _LONGEST_OUTPUT, is_own=True)
        earlier, left = [], _MOST_OUTPUTS - len(own)
        for copy in copies[:last]:
            text, _ = self._output(copy, secrets, min(left, _LONGEST_OUTPUT))
            left -= len(text)
            earlier.append(text)
        return own, f"[{','.join(earlier)}]" if earlier else None, reason

    def _output(
        self,
        copy: CopyFields,
        secrets: frozenset[str] | None,
        most: int,
        *,
        is_own: bool = False,
    ) -> tuple[str, str]:
        """Return an output as text, in at most `most` characters, and an empty reason.

        If that is not possible, return the text of an OutputLostError, and why.
        """
        output = copy.output
        if isinstance(output, OutputLostError):  # on its way from a worker
            return encoded(output, secrets), str(output)
        text, reason = None, _TOO_LARGE
        if self._large_size(output) <= _LARGEST_OUTPUT:
            text, reason = _text_or_reason(output, secrets, "output")
            if text is not None and len(text) > most:
                text, reason = None, _TOO_LARGE
        if text is not None:
            return text, ""
        then = ", so resuming will run its row again" if is_own else ""
        self._warn(f"The output of {copy.node} could not be written to the journal{then}. {reason}")
        lost = OutputLostError(f"This output is not in the journal. {reason}")
        return encoded(lost), reason

    def _copies(
        self,
        copies: list[CopyFields],
        params: dict[Any, Any],
        secrets: frozenset[str] | None,
        result: Any,
        result_text: str | None,
    ) -> str:
        """Return the node copies as JSON: a list for each, in the order of `JournalCopy`.

        Args:
            result, result_text: the result of the instance, which mostly is the last action.
        """
        written = []
        for copy in copies:
            text = result_text if copy.action is result else None
            if text is None:
                text, _ = self.value(copy.action, secrets)
            others = None
            if copy.params is not params and not same(copy.params, params):
                others, _ = self.value(copy.params, secrets)
            written.append(
                [
                    copy.node,
                    copy.parent,
                    # To the microsecond: all digits of a float take longer than the rest of the row.
                    round(copy.started, 6),
                    None if copy.ended is None else round(copy.ended, 6),
                    text,
                    None if copy.error is None else type(copy.error).__name__,
                    others,
                    copy.retries,
                    copy.fallbacks,
                ]
            )
        return as_json(written)


def _copies_of(instance: Instance, params: dict[Any, Any]) -> list[CopyFields]:
    records, index = instance._records, instance.index
    packed, extras = records.packed_trace_of(index)
    return [*fields_in(records, params, unpacked(packed), extras, records.outputs.of(index))]


def _text_or_reason(
    value: Any, secrets: AbstractSet[str] | None, exact: str
) -> tuple[str | None, str]:
    """See `Encoder.value`."""
    try:
        text, is_masked = encoded_and_masked(value, secrets)
    except Exception as error:  # noqa: BLE001 - reading a user's object may raise anything
        return None, masked(_reason(error), secrets or frozenset())
    if exact and is_masked:
        return None, f"A secret in the {exact} was masked (journal_secrets=True keeps secrets)."
    return text, ""


def _reason(error: Exception) -> str:
    if isinstance(error, EncodingError):
        return str(error)
    return f"Reading it raised {type(error).__name__}."


def _error(error: BaseException, secrets: frozenset[str] | None) -> dict[str, str]:
    text = _message(error)
    return {
        "type": type(error).__name__,
        "text": (text if secrets is None else masked(text, secrets))[:_LONGEST_ERROR],
        "traceback": traceback_text(error, secrets),
    }


def _printed_text(printed: str, secrets: frozenset[str] | None) -> str:
    # Masked before it is cut: half of a secret would not be recognised.
    shown = printed if secrets is None else masked(printed, secrets)
    return as_json(shown[-_MOST_PRINTED:])


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return "(its message cannot be shown)"
