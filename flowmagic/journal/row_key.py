"""How a row is recognised in another run: by a keyed hash of its params.

The hash is of the real values, so a row whose secrets are masked in the file is still recognised. It
does not reveal them, since the key is random and each journal has its own.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from .codec import plain_of

_as_sorted_json = json.JSONEncoder(
    separators=(",", ":"), check_circular=False, sort_keys=True
).encode


def row_key(secret: bytes, params: Mapping[Any, Any]) -> str | None:
    """Return the key of a row: equal for equal merged params, in whatever order they are written.

    Args:
        secret: the key of the hash, see `database.hash_key`.

    Returns:
        32 hexadecimal digits; None if the params cannot be stored, so that nothing stands for them.
    """
    try:
        return row_key_of_plain(secret, plain_of(dict(params)))
    except Exception:  # noqa: BLE001 - reading a user's object may raise anything
        return None


def row_key_of_plain(secret: bytes, plain: Any) -> str:
    """Return the key of a row whose params `codec.plain_of` has already put in terms of JSON."""
    return hmac.digest(secret, canonical_text(plain).encode(), "sha256").hex()[:32]


def canonical_text(plain: Any) -> str:
    """Return the result of `codec.plain_of` as a text that does not depend on the order of dicts."""
    text = _as_sorted_json(plain)
    return _as_sorted_json(_with_sorted_pairs(plain)) if '"$dict":' in text else text


def _with_sorted_pairs(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_with_sorted_pairs(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    items = {key: _with_sorted_pairs(item) for key, item in plain.items()}
    if list(items) == ["$dict"]:
        return {"$dict": sorted(items["$dict"], key=_as_sorted_json)}
    return items
