"""Places in the shared store, and their names: `shared['by'][3]`."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..text.formatting import short_repr

Path = tuple[Any, ...]
"""A key of `shared`, and then the keys or indices that lead into its value, if any."""


class ItemKeys(NamedTuple):
    """The keys of `shared` to whose values nodes assign items.

    Attributes:
        direct: to the values themselves: `shared["by"][3] = answer`.
        deeper: to what is in the values: `shared["by"]["name"][3] = answer`.
    """

    direct: AbstractSet[Any] = frozenset()
    deeper: AbstractSet[Any] = frozenset()


class _AllKeys(frozenset[Any]):
    def __contains__(self, key: object) -> bool:
        return True


ALL_KEYS: AbstractSet[Any] = _AllKeys()
"""Contains everything."""

_WIDTH = 60  # characters of a key


def name_of_path(path: Path, secrets: AbstractSet[str] = frozenset()) -> str:
    """Return a place as text, with secrets masked."""
    return "shared" + "".join(f"[{short_repr(each, _WIDTH, secrets)}]" for each in path)
