"""The journal: an SQLite file with each instance of a run, which survives a dead kernel.

A run writes a journal and takes over what earlier runs left in one; `open_journal` opens one to read,
compare and export its runs.

It may import `engines`, `flow`, `shared`, `limits`, `records`, `text` and `errors`. A run imports it
only if it has a journal; the names below are imported at their first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .codec import decoded, encoded, register
    from .journal_instance import JournalInstance
    from .journal_run import JournalRun
    from .plain_json import EncodingError
    from .reader import Journal, open_journal

__all__ = [
    "EncodingError",
    "Journal",
    "JournalInstance",
    "JournalRun",
    "decoded",
    "encoded",
    "open_journal",
    "register",
]

_MODULES = {
    "EncodingError": ".plain_json",
    "Journal": ".reader",
    "JournalInstance": ".journal_instance",
    "JournalRun": ".journal_run",
    "decoded": ".codec",
    "encoded": ".codec",
    "open_journal": ".reader",
    "register": ".codec",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name], __name__), name)
