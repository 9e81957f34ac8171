"""How a row is recognised in another run."""

from __future__ import annotations

from flowmagic.journal.row_key import row_key


def test_rows_with_equal_params_have_equal_keys():
    """In whatever order they are written; and only with the key of the file."""
    key = row_key(b"k", {"a": 1, "b": [2]})
    assert key == row_key(b"k", {"b": [2], "a": 1})
    assert key != row_key(b"k", {"a": 1, "b": [3]})
    assert row_key(b"k", {1: "a", "b": 2}) == row_key(b"k", {"b": 2, 1: "a"})
    nested = row_key(b"k", {"a": [{1: "a", "b": {2: 0, 3: 0}}]})
    assert nested == row_key(b"k", {"a": [{"b": {3: 0, 2: 0}, 1: "a"}]})
    assert key != row_key(b"l", {"a": 1, "b": [2]})
    assert row_key(b"k", {"a": object()}) is None
