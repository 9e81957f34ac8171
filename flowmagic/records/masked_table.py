"""A table of instances for showing: with secrets masked."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from ..text.formatting import short_repr
from ..text.redact import MASK, is_secret, masked, secrets_of
from ..text.user_objects import or_none
from .table import Table, free_name

_LONGEST = 2_000  # characters of an object that is shown as text since it quotes a secret
_MOST_LEVELS = 20  # of containers
_PLAIN = (int, float, complex, type(None))
_SEQUENCES = (list, tuple, set, frozenset)


def masked_table(table: Table, secrets_of_row: Callable[[int], AbstractSet[str]]) -> Table:
    """Return a table with the secrets in its cells and in the names of its columns masked.

    Texts and plain containers are masked within. Another object that shows a secret becomes a text.

    Args:
        secrets_of_row: returns the secrets of an instance, by its index.
    """
    names = list(table.columns)
    rows: list[list[Any]] = []
    everywhere: set[str] = set()
    for index, row in zip(table.indices, zip(*table.columns.values(), strict=True), strict=True):
        secrets = secrets_of_row(index) | secrets_of(dict(zip(names, row, strict=True)))
        everywhere |= secrets
        rows.append([_masked(name, cell, secrets) for name, cell in zip(names, row, strict=True)])
    taken: set[Any] = set()
    shown = [
        free_name(taken, masked(name, everywhere) if isinstance(name, str) else name)
        for name in names
    ]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(shown)}
    by_name = dict(zip(names, shown, strict=True))
    outcome = {name: by_name[label] for name, label in table.outcome.items()}
    return table._replace(columns=columns, outcome=outcome)


def _masked(name: Any, value: Any, secrets: AbstractSet[str], level: int = 0) -> Any:
    """Return a value that stands under a name, with secrets masked."""
    kind = type(value)
    if is_secret(name, value):
        return MASK
    if kind is str:
        return masked(value, secrets)
    if isinstance(value, _PLAIN):
        return value
    if level < _MOST_LEVELS and kind is dict:
        return {
            masked(key, secrets) if type(key) is str else key: _masked(
                key, each, secrets, level + 1
            )
            for key, each in value.items()
        }
    if level < _MOST_LEVELS and kind in _SEQUENCES:
        return kind(_masked(None, each, secrets, level + 1) for each in value)
    texts = or_none(repr, value), or_none(str, value)
    shows_none = all(text is not None and masked(text, secrets) == text for text in texts)
    return value if shows_none else short_repr(value, _LONGEST, secrets)
