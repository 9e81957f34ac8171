"""JupyterLite and null: what a message holds as None, its page is to have as null, and back.

Its kernel (pyodide) makes `undefined` of None, which is then left out of the message, and an object
of its own of null. Everywhere else messages are JSON, and nothing is to be done.
"""

from __future__ import annotations

from typing import Any

try:
    from pyodide.ffi import jsnull as NULL  # noqa: N812 - a constant, as None is
except ImportError:
    NULL = None


def with_null(value: Any) -> Any:
    """Return what is to be sent to a page, in the form in which it gets there whole."""
    return value if NULL is None else _exchanged(value, None, NULL)


def with_none(value: Any) -> Any:
    """Return what a page has sent, as JSON would have given it."""
    return value if NULL is None else _exchanged(value, NULL, None)


def _exchanged(value: Any, old: Any, new: Any) -> Any:
    if value is old:
        return new
    if isinstance(value, dict):
        return {key: _exchanged(each, old, new) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exchanged(each, old, new) for each in value]
    return value
