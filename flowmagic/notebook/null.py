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
    if NULL is None:
        return value
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {key: with_null(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_null(each) for each in value]
    return value


def with_none(value: Any) -> Any:
    """Return what a page has sent, as JSON would have given it."""
    if NULL is None:
        return value
    if value is NULL:
        return None
    if isinstance(value, dict):
        return {key: with_none(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_none(each) for each in value]
    return value
