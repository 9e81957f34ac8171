"""What a run records, as values for the columns of its journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from ..records.instances import Instance
from ..records.trace import Restored
from ..text.formatting import traceback_text
from ..text.redact import secrets_of
from .codec import EncodingError, as_json, encoded
from .row_key import row_key, why_no_key
from .row_log import Row

_MOST_PRINTED = 64_000  # characters, the last ones
_LONGEST_ERROR = 10_000  # characters


class Encoder:
    """Encodes the params of rows, and the instances that have ended.

    Args:
        hash_key: the key of the hashes by which rows are recognised.
        secrets: texts to mask wherever they occur, besides the secrets of each row; None masks
            nothing.
        warn: called with a sentence for the user when something cannot be stored.
    """

    def __init__(
        self, hash_key: bytes, secrets: frozenset[str] | None, warn: Callable[[str], None]
    ) -> None:
        self._hash_key = hash_key
        self._secrets = secrets
        self._warn = warn

    def row(self, params: Mapping[Any, Any]) -> Row:
        """Return key and params of a row, each None if there is none."""
        key = text = None
        try:
            key = row_key(self._hash_key, params)
        except Exception:  # noqa: BLE001 - reading a user's object may raise anything
            self._warn(why_no_key(params))
        try:
            text = encoded(params, self._secrets_with(params))
        except Exception as error:  # noqa: BLE001 - as above
            if key is not None:  # else the user knows of the object already
                self._warn(
                    "Some params cannot be stored in the journal, so resuming needs them again. "
                    f"{_reason(error)}"
                )
        return Row(key, text)

    def ended(self, instance: Instance, restored: Restored | None) -> tuple[Any, ...]:
        """Return the columns of an instance that has ended, from `status` to `restored`."""
        secrets = self._secrets_with(instance.params)
        error = instance.error
        result, unwritten = None, ""
        if error is None:
            result, unwritten = self.value(instance.result, secrets)
        writes = None
        if instance.writes is not None:
            writes, reason = self.value(instance.writes, secrets)
            if reason:  # restoring the result without the writes would be wrong: the row runs again
                result, unwritten = None, reason
        printed = instance.printed
        return (
            str(instance.status),
            instance.attempts,
            instance.started,
            instance.ended,
            self._copies(instance, secrets),
            result,
            unwritten,
            None if error is None else encoded(_error(error, secrets or frozenset()), secrets),
            encoded(printed[-_MOST_PRINTED:], secrets) if printed else None,
            writes,
            None if restored is None else json.dumps([restored.run, restored.position]),
        )

    def value(self, value: Any, secrets: AbstractSet[str] | None) -> tuple[str | None, str]:
        """Return a value as text and an empty reason; or None, and why it cannot be stored."""
        try:
            return encoded(value, secrets), ""
        except Exception as error:  # noqa: BLE001 - reading a user's object may raise anything
            reason = _reason(error)
            self._warn(f"A value could not be written to the journal. {reason}")
            return None, reason

    def _secrets_with(self, params: Mapping[Any, Any]) -> frozenset[str] | None:
        if self._secrets is None:
            return None
        more = secrets_of(params)
        return self._secrets.union(more) if more else self._secrets

    def _copies(self, instance: Instance, secrets: frozenset[str] | None) -> str:
        """Return the node copies as JSON: a list for each, in the order of `journal_run.COPY_FIELDS`."""
        params = instance.params
        return as_json(
            [
                [
                    copy.node,
                    copy.parent,
                    copy.started,
                    copy.ended,
                    self.value(copy.action, secrets)[0],
                    None if copy.error is None else type(copy.error).__name__,
                    None if copy.params == params else self.value(copy.params, secrets)[0],
                    copy.retries,
                    copy.fallbacks,
                ]
                for copy in instance.copies
            ]
        )


def _reason(error: Exception) -> str:
    if isinstance(error, EncodingError):
        return str(error)
    return f"Reading it raised {type(error).__name__}."


def _error(error: BaseException, secrets: frozenset[str]) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "text": _message(error)[:_LONGEST_ERROR],
        "traceback": traceback_text(error, secrets),
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return "(its message cannot be shown)"
