"""What a row assigned to `shared`, as a column of the journal.

A JSON list has an entry for each path:

    [number, how, kind, content]

`number` and `how` are those of the `Assignment`. With the kind "item" or "key", the content is the
value below its path, as in `{"by": {"3": "answer"}}` or `{"by": {}}`, in the form of `codec`. The kind
"output of item" or "output of key" stands for the row's output, which the file has already, in place
of the value. With "lost", the content is the name of the key and why the value cannot be assigned
again as it was.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..errors import JournalError
from ..records.containers import CONTAINERS, is_small
from ..records.observed_dict import MISSING
from ..shared.assignments import Assignment, How, name_of_key
from ..shared.expected import Path
from ..text.redact import masked
from .codec import EncodingError, as_json, decoded, encoded_and_masked, value_of_plain

_LONGEST = 1_000_000  # characters
_LONGEST_DERIVED = (
    10_000  # characters: each row writes such a value anew, and it may grow with them
)
_EXACT = (str, int, float, bool, type(None))
_TOO_LARGE = f"a value of more than {_LONGEST // 1_000_000} MB, or 10,000 items, is not kept"
_GROWING = "each row makes it anew from the values of others, and it has more than 10 kB"
_MASKED = "a secret in it was masked (journal_secrets=True keeps secrets)"
_OTHER_CLASS = "a journal stores it as something else; see flowmagic.journal.register"

_KINDS = {1: "key", 2: "item"}
_OUTPUT = "output of "
_LOST = "lost"


class Entry(NamedTuple):
    """An assignment that was read from a journal.

    Attributes:
        number, how: see `Assignment`.
        path: see `Path`; empty if the value is lost.
        value: the value; None for one that was removed.
        name: the key as text.
        lost: why the value cannot be assigned again; empty if it can.
    """

    number: int
    how: How
    path: Path
    value: Any
    name: str
    lost: str = ""


def encoded_assignments(
    assigned: Mapping[Path, Assignment],
    secrets: AbstractSet[str] | None,
    output: Any = None,
    output_text: str | None = None,
) -> str | None:
    """Return what a row assigned as text; None if it assigned nothing.

    Args:
        secrets: texts to mask, see `codec.encoded`.
        output: the row's output, and its text in the file; None if it is not there as it was.
    """
    if not assigned:
        return None
    texts = {}
    if output_text is not None and output is not None:
        texts[id(output)] = output_text
    entries = [_encoded(path, each, secrets, texts) for path, each in assigned.items()]
    return f"[{','.join(entries)}]"


def _encoded(
    path: Path, assignment: Assignment, secrets: AbstractSet[str] | None, texts: dict[int, str]
) -> str:
    number, how, value = assignment
    kind, content = _KINDS[len(path)], None if value is MISSING else value
    output_text = texts.get(id(value))
    if output_text is not None:
        kind = _OUTPUT + kind
        content = None
    text, reason = _text_or_reason(path, content, secrets)
    if (
        not reason
        and output_text
        and type(value) not in _EXACT
        and not _is_exact(value, output_text)
    ):
        reason = _OTHER_CLASS
    if (
        not reason
        and how is How.DERIVED
        and type(value) in CONTAINERS
        and len(text) > _LONGEST_DERIVED
    ):
        reason = _GROWING
    if reason:
        name = name_of_key(path[0])
        text = as_json(
            [masked(name, secrets or frozenset()), masked(reason, secrets or frozenset())]
        )
        kind = _LOST
    return f'[{number},"{how.value}","{kind}",{text}]'


def _text_or_reason(  # noqa: PLR0911 - one return per reason
    path: Path, value: Any, secrets: AbstractSet[str] | None
) -> tuple[str, str]:
    if type(value) in CONTAINERS and not is_small(value):
        return "", _TOO_LARGE
    if isinstance(value, (str, bytes)) and len(value) > _LONGEST:
        return "", _TOO_LARGE
    content = value
    for key in reversed(path):  # below its names, which tell whether a value is a secret
        content = {key: content}
    try:
        text, is_masked = encoded_and_masked(content, secrets)
    except EncodingError as error:
        text = str(error)
        return "", f"shared{text}" if text.startswith("[") else text
    except Exception as error:  # noqa: BLE001 - reading a user's object may raise anything
        return "", f"reading it raised {type(error).__name__}"
    if is_masked:
        return "", _MASKED
    if len(text) > _LONGEST:
        return "", _TOO_LARGE
    if not (all(type(each) in _EXACT for each in (value, *path)) or _is_exact(content, text)):
        return "", _OTHER_CLASS
    return text, ""


def _is_exact(value: Any, text: str) -> bool:
    """Whether the value that is read from a text has the types of the one that was written."""
    try:
        pairs = [(value, decoded(text))]
    except JournalError:
        return False
    while pairs:
        one, other = pairs.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, dict):
            pairs += zip(
                itertools.chain(one, one.values()),
                itertools.chain(other, other.values()),
                strict=True,
            )
        elif isinstance(one, (list, tuple, deque)):
            pairs += zip(one, other, strict=True)
        elif isinstance(one, (set, frozenset)) and one != other:
            return False
    return True


def decoded_assignments(text: str, output: Any) -> Iterator[Entry]:
    """Yield the assignments of a row.

    Args:
        output: the row's output.

    Raises:
        JournalError: the text is something else.
    """
    try:
        for number, how, kind, content in json.loads(text):
            if kind == _LOST:
                yield Entry(number, How(how), (), None, *content)
                continue
            path: Path = ()
            value = value_of_plain(content)
            for _ in range(2 if kind.endswith(_KINDS[2]) else 1):
                ((key, value),) = value.items()
                path = (*path, key)
            if kind.startswith(_OUTPUT):
                value = output
            yield Entry(number, How(how), path, value, name_of_key(path[0]))
    except JournalError:
        raise
    except Exception as error:  # noqa: BLE001 - the file may hold anything
        raise JournalError(f"This text is not a journal value ({error}): {text[:80]!r}") from None
