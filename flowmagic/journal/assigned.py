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
from ..records.containers import CONTAINERS, MOST_ITEMS
from ..records.observed_dict import MISSING
from ..shared.assignments import Assignment, How
from ..shared.paths import Path, name_of_path
from ..text.redact import masked
from .codec import decoded, encoded_and_masked, not_a_value, value_of_plain
from .plain_json import EncodingError, as_json

_LONGEST = 2_000_000  # characters of the text; a value of 1 MB may take more
_MOST_CHARACTERS = 1_000_000  # in the value
_LONGEST_DERIVED = 10_000  # each row writes such a value anew, and it may grow with them
_NUMBERS = frozenset({int, float, bool, type(None)})
_TEXTS = frozenset({str, bytes})
_COLLECTIONS = frozenset({dict, list, tuple, set, frozenset})
_TOO_LARGE = "a value of more than 1 MB, or 10,000 items, is not kept"
_GROWING = "each row makes it anew from the values of others, and it has more than 10 kB"
_MASKED = "a secret in it was masked (journal_secrets=True keeps secrets)"
_OTHER_CLASS = "a journal stores it as something else; see flowmagic.journal.register"

_BITS = 48  # of the number of an assignment
_KINDS = {1: "key", 2: "item"}
_OUTPUT = "output of "
_LOST = "lost"


class Entry(NamedTuple):
    """An assignment that was read from a journal.

    Attributes:
        order: tells in which order assignments were made, also those of several runs.
        how: see `How`.
        path: see `Path`; empty if the value is lost.
        value: the value; None for one that was removed.
        lost: the key as text, and why its value cannot be assigned again; None if it can.
    """

    order: int
    how: How
    path: Path
    value: Any
    lost: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """The key as text."""
        return name_of_path(self.path[:1]) if self.lost is None else self.lost[0]


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
    kind, output_text = _KINDS[len(path)], texts.get(id(value))
    try:
        if output_text is None:
            grows = how is How.DERIVED and type(value) in CONTAINERS
            text, reason = _text_or_reason(path, value, secrets, grows=grows)
        else:
            kind = _OUTPUT + kind
            text, reason = _text_or_reason(path, MISSING, secrets)
            if not (reason or _looked_at(value)[1] or _is_exact(value, output_text)):
                reason = _OTHER_CLASS
    except EncodingError as error:
        text = str(error)
        reason = f"shared{text}" if text.startswith("[") else text
    except Exception as error:  # noqa: BLE001 - reading a user's object may raise anything
        reason = f"reading it raised {type(error).__name__}"
    if reason:
        known = secrets or frozenset()
        kind, text = _LOST, as_json([name_of_path(path[:1], known), masked(reason, known)])
    return f'[{number},"{how.value}","{kind}",{text}]'


def _text_or_reason(
    path: Path, value: Any, secrets: AbstractSet[str] | None, *, grows: bool = False
) -> tuple[str, str]:
    """Return a value below its path as text, and why it cannot be written as it is."""
    content = None if value is MISSING else value
    is_small, is_exact = _looked_at((content, path))
    if not is_small:
        return "", _TOO_LARGE
    for key in reversed(path):  # names tell whether a value is a secret
        content = {key: content}
    text, is_masked = encoded_and_masked(content, secrets)
    reason = ""
    if is_masked:
        reason = _MASKED
    elif not (is_exact or _is_exact(content, text)):
        reason = _OTHER_CLASS
    elif len(text) > (_LONGEST_DERIVED if grows else _LONGEST):
        reason = _GROWING if grows else _TOO_LARGE
    return text, reason


def _looked_at(value: Any) -> tuple[bool, bool]:
    """Return whether a value is small enough, and whether it surely comes back as it is."""
    items, characters = MOST_ITEMS, _MOST_CHARACTERS
    is_exact, waiting = True, [value]
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind in _TEXTS:
            characters -= len(each)
        elif kind in _COLLECTIONS:
            items -= len(each)
            parts = itertools.chain(each, each.values()) if kind is dict else each
            waiting += [part for part in parts if type(part) not in _NUMBERS]
        elif kind not in _NUMBERS:
            is_exact = False
            items -= len(each) if kind in CONTAINERS else 0
        if items < 0 or characters < 0:
            return False, False
    return True, is_exact


def _is_exact(value: Any, text: str) -> bool:
    """Whether the value that is read from a text has the types of the one that was written."""
    pairs = [(value, decoded(text))]
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


def decoded_assignments(text: str, run: int, output: Any = None) -> Iterator[Entry]:
    """Yield the assignments of a row.

    Args:
        run: the number of its run.
        output: the row's output.

    Raises:
        JournalError: the text is something else.
    """
    try:
        for number, how, kind, content in json.loads(text):
            order = (run << _BITS) + number
            if kind == _LOST:
                name, reason = content
                yield Entry(order, How(how), (), None, (name, reason))
                continue
            path: Path = ()
            value = value_of_plain(content)
            for _ in range(2 if kind.endswith(_KINDS[2]) else 1):
                ((key, value),) = value.items()
                path = (*path, key)
            if kind.startswith(_OUTPUT):
                value = output
            yield Entry(order, How(how), path, value)
    except JournalError:
        raise
    except Exception as error:  # noqa: BLE001 - the file may hold anything
        raise not_a_value(text, error) from None
