"""The outputs of node copies in a journal, for later runs to reuse.

Beside the instances, a run with `reuse` writes the output of each node copy under its key (see
`flow.reuse.node_reuse`), and the fingerprint of each node class, by which a later run says what has
changed.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

from pocketflow import Flow

from ..flow.finding import Finding
from ..flow.graph import first_nodes
from ..flow.reuse.call import Reads, Reusable
from ..flow.reuse.node_code import NodeCode
from .codec import decoded, encoded_and_masked
from .damage import quoted, readable
from .database import file_of, hash_key, open_file
from .outbox import Outbox
from .snapshot import secrets_of_flow
from .statements import Statement

_CODE = Statement("INSERT OR REPLACE INTO reuse_code VALUES (?, ?, ?, ?)")
_READS = Statement("INSERT OR IGNORE INTO reuse_reads VALUES (?, ?)")
_OUTPUT = Statement("INSERT OR REPLACE INTO reuse_outputs VALUES", "(?, ?, ?, ?, ?, ?, ?)")
_FIND_TWO = (
    "SELECT output, seconds, tokens, rowid FROM reuse_outputs WHERE key = ? AND run != ? LIMIT 2"
)
_AHEAD = 50  # outputs
# Those that were written next, since rows mostly come in the same order, if their keys have no other.
_FIND_AHEAD = (
    "SELECT key, output, seconds, tokens FROM reuse_outputs AS each"
    " WHERE rowid > ?1 AND rowid <= ?1 + ?3 AND run != ?2 AND length(output) < 10000"
    " AND NOT EXISTS (SELECT 1 FROM reuse_outputs AS other"
    " WHERE other.key = each.key AND other.run != ?2 AND other.rowid != each.rowid)"
)
# The latest last, which is taken first.
_FIND_ALL = (
    "SELECT run, position, copy FROM reuse_outputs WHERE key = ? AND run != ? ORDER BY rowid"
)
_MOST_NAMES = 5
_LARGEST = 10_000_000  # characters of an output that is kept


class ReusableOutputs:
    """The outputs that earlier runs have left in a journal, and the place for those of this run.

    Implements `flow.reuse.call.Store`. An output is given once per run: five equal rows get five
    outputs, as far as there are that many.

    Args:
        path: of the journal.
        run: id of this run, whose own outputs it does not give.
        outbox: what writes.
        secrets: returns the texts of a row that must not be written; None: all may be.

    Raises:
        JournalError: the journal cannot be read.
    """

    def __init__(
        self,
        path: pathlib.Path,
        run: str,
        outbox: Callable[[], Outbox],
        secrets: Callable[[int], frozenset[str]] | None,
    ) -> None:
        self._run = run
        self._outbox = outbox
        self._secrets = secrets
        self._connection = open_file(path, write=False)
        self.secret = hash_key(self._connection)
        self._reads: dict[bytes, list[Reads]] = {}
        self._written: set[tuple[bytes, Reads]] = set()
        self._left: dict[bytes, list[tuple[str, int, int]]] = {}
        """The run, position and copy of the outputs with a key that were not given yet."""
        self._ahead: dict[bytes, Reusable] = {}
        """Outputs that were read ahead, since one query costs as much as many rows of it."""
        with readable():
            for code, reads in self._connection.execute("SELECT code, reads FROM reuse_reads"):
                names = json.loads(reads)
                as_known: Reads = None if names is None else tuple(names)
                self._reads.setdefault(code, []).append(as_known)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def knows(self, code: NodeCode) -> list[str]:
        """Note that a run uses this code; return what has changed since the last run, by name."""
        changed = changes_of(self._connection, code) or []
        now = json.dumps(code.fingerprint)
        self._outbox().put(_CODE, code.digest, code.name, now, time.time())
        return changed

    def reads(self, code: bytes) -> Sequence[Reads]:
        """Return the sets of params that execs with this code have read in earlier runs."""
        return self._reads.get(code, ())

    def take(self, key: bytes, row: int) -> Reusable | None:
        """Return an output of an earlier run; see `Store.take`."""
        try:
            return self._take(key, row)
        except sqlite3.Error:  # the exec can run
            return None

    def _take(self, key: bytes, row: int) -> Reusable | None:
        ahead = self._ahead.pop(key, None)
        if ahead is not None:
            self._left[key] = []
            return ahead
        left = self._left.get(key)
        if left is None:
            first, *more = self._connection.execute(_FIND_TWO, (key, self._run)).fetchall() or [
                None
            ]
            if not more:  # as nearly always
                self._left[key] = []
                if first is None:
                    return None
                *fields, number = first
                self._read_ahead(number)
                return Reusable(key, *fields)
            left = self._left[key] = self._connection.execute(
                _FIND_ALL, (key, self._run)
            ).fetchall()
        if not left:
            return None
        of_row = (at for at, each in enumerate(reversed(left)) if each[1] == row)
        run, position, copy = left.pop(-1 - next(of_row, 0))
        found = self._connection.execute(
            "SELECT output, seconds, tokens FROM reuse_outputs"
            " WHERE key = ? AND run = ? AND position = ? AND copy = ?",
            (key, run, position, copy),
        ).fetchone()
        return None if found is None else Reusable(key, *found)

    def _read_ahead(self, number: int) -> None:
        """Read the outputs that were written after one, unless those read before were of no use."""
        if len(self._ahead) <= _AHEAD // 2:
            rows = self._connection.execute(_FIND_AHEAD, (number, self._run, _AHEAD))
            found = map(Reusable._make, rows)
            self._ahead = {each.key: each for each in found if each.key not in self._left}

    def add(self, code: bytes, reads: Reads, found: Reusable, row: int, at: int) -> None:
        """Keep the output of a node copy, given by row and offset."""
        outbox = self._outbox()
        if (code, reads) not in self._written:
            self._written.add((code, reads))
            outbox.put(_READS, code, json.dumps(reads))
        outbox.put(_OUTPUT, found.key, self._run, row, at, *found[1:])

    def encode(self, output: Any, row: int) -> str | None:
        """Return an output of a row as text; None if it cannot be stored, or would be masked."""
        try:
            secrets = None if self._secrets is None else self._secrets(row)
            text, is_masked = encoded_and_masked(output, secrets)
        except Exception:  # noqa: BLE001 - reading a user's object may raise anything
            return None
        return None if is_masked or len(text) > _LARGEST else text

    decode = staticmethod(decoded)


def changes_of(connection: sqlite3.Connection, code: NodeCode) -> list[str] | None:
    """Return what has changed of a node class since the last run with it; None if there was none."""
    with contextlib.suppress(sqlite3.Error, ValueError):
        row = connection.execute(
            "SELECT fingerprint FROM reuse_code WHERE node = ? ORDER BY used DESC LIMIT 1",
            (code.name,),
        ).fetchone()
        if row is not None:
            before: dict[str, str] = json.loads(row[0])
            names = sorted({**before, **code.fingerprint})
            return [
                quoted(name) for name in names if before.get(name) != code.fingerprint.get(name)
            ]
    return None


def reuse_findings(flow: Any, path: Any) -> list[Finding]:
    """Return for each node class whether its execs would run, and why; nothing is run."""
    codes = {}
    for node in first_nodes(flow):
        if not isinstance(node, Flow) and type(node) not in codes:
            codes[type(node)] = NodeCode(node, secrets_of_flow(flow, None))
    found = []
    with contextlib.ExitStack() as stack:
        connection = None
        if file_of(path).exists():
            connection = stack.enter_context(contextlib.closing(open_file(path, write=False)))
        for code in codes.values():
            changed = None if connection is None else changes_of(connection, code)
            if code.why_not:
                what, why = f"Its exec is never reused: it {code.why_not}.", _HOW
            elif changed is None:
                what, why = "Its exec runs: the journal has no earlier run of it with reuse.", ""
            elif changed:
                what, why = (
                    f"Its exec runs: {', '.join(changed[:_MOST_NAMES])} changed since the last run.",
                    "",
                )
            else:
                what, why = (
                    "Its exec runs only for new inputs: its code is that of the last run.",
                    "",
                )
            found.append(Finding(what, why, node=code.name, note=True))
    return found


_HOW = "If its output depends on its inputs only, write reuse = True in its class."
