"""What survives a kernel: each instance of a run, in a file.

`recording` writes a run down if its `options` say so, through `outbox`, `writer` and `file`: `rows` its
batch, `given` what else it was given, and `past` finds what can be taken over. `fingerprint` knows flows
and params again, by `sources` without the secrets (`secrecy`). `encoding` says which form values have.

`reading` opens a journal to look at its runs (`written`: their instances), `comparing` says what
changed between two, `listing` lists them, `tables` makes a table of one, and `script` a Python script
(of `definitions` and `literals`).
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
