"""Exchanges None for null in the messages of a kernel that runs in the browser (JupyterLite).

Its messages are not JSON: an entry that is None would be lost.
"""

from __future__ import annotations

from typing import Any

try:
    from pyodide.ffi import jsnull as NULL  # noqa: N812 - a constant, as None is
except ImportError:
    NULL = None
"""The kernel's object for null; None if None already becomes null."""


def with_null(value: Any) -> Any:
    """Return a value with None replaced by what becomes null in the page."""
    if NULL is None:
        return value
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {key: with_null(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_null(each) for each in value]
    return value


def with_none(command: dict[str, Any]) -> dict[str, Any]:
    """Return a command of a page with null replaced by None."""
    if NULL is None:
        return command
    return {key: None if value is NULL else value for key, value in command.items()}
