"""What survives a dead kernel: each instance of a run, in an SQLite file.

A run writes a journal and takes over what earlier runs left in one; `open_journal` opens one to read,
compare and export its runs.

It may import `engines`, `flow`, `shared`, `limits`, `records`, `text` and `errors`.
"""

from __future__ import annotations

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
