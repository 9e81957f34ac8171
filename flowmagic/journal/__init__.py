"""What survives a dead kernel: each instance of a run, in an SQLite file.

A run writes a journal and takes over what earlier runs left in one; `open_journal` opens one to read,
compare and export its runs.

It may import `engines`, `flow`, `shared`, `limits`, `records`, `text` and `errors`. A run imports it
when it is given a journal; its names here are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .codec import Unwritable, decoded, encoded, register
    from .instance import JournalInstance
    from .reader import Journal, JournalRun, open_journal

__all__ = [
    "Journal",
    "JournalInstance",
    "JournalRun",
    "Unwritable",
    "decoded",
    "encoded",
    "open_journal",
    "register",
]

_MODULES = {
    "Journal": ".reader",
    "JournalInstance": ".instance",
    "JournalRun": ".reader",
    "Unwritable": ".codec",
    "decoded": ".codec",
    "encoded": ".codec",
    "open_journal": ".reader",
    "register": ".codec",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name], __name__), name)
