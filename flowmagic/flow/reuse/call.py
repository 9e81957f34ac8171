"""The call of one exec: looks for its output, or notes what it reads and changes while it runs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ...limits.calls.usage import TokenUsage
from ...records.param_reads import ReadTrackingDict, plain
from .exact import exact_text, is_plain
from .inputs import Inputs
from .node_code import NodeCode

Reads = tuple[str, ...] | None
"""The names of the params that an exec has read, sorted; None: all of them."""

_ABSENT = "absent"


class Reusable(NamedTuple):
    """An output that may be reused.

    Attributes:
        key: of the output.
        text: the output, as `Store.encode` returned it.
        seconds: how long its exec took.
        tokens: how many tokens it used, by the calls under limits that it made.
    """

    key: bytes
    text: str
    seconds: float
    tokens: float


class Store(Protocol):
    """Where outputs are kept between runs.

    Attributes:
        secret: the key of all hashes, at most 64 bytes.
    """

    secret: bytes

    def knows(self, code: NodeCode) -> list[str]:
        """Note that a run uses this code; return what has changed since the last run, by name."""

    def reads(self, code: bytes) -> Sequence[Reads]:
        """Return the sets of params that execs with this code have read in earlier runs."""

    def take(self, key: bytes, row: int) -> Reusable | None:
        """Return an output of an earlier run, each once, if possible of the same row."""

    def add(self, code: bytes, reads: Reads, found: Reusable, row: int, at: int) -> None:
        """Keep the output of a node copy, given by row and offset."""

    def encode(self, output: Any, row: int) -> str | None:
        """Return an output of a row as text; None if it cannot be stored, or would be masked."""

    def decode(self, text: str) -> Any:
        """Return the output that a text stands for; raises if it cannot be read."""


class _ReadKeys(set[Any]):
    """The keys of params that were read; notes whether something went over the whole dict."""

    is_all = False

    def update(self, *keys: Any) -> None:
        """Add all keys, which `ReadTrackingDict` does when something goes over the whole dict."""
        self.is_all = True
        super().update(*keys)


class Call:
    """The call of one exec. As a context manager around it, it notes what it reads and uses.

    Args:
        clock: returns the time, in seconds.
        store: where outputs are.
        code: that of the node.
        inputs: those of the exec.
        params: of the node.
        row: the index of the row.
        at: the offset of the node copy in its trace.

    Attributes:
        reused: what was found; None: the exec must run.
        output: the output that was found.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        store: Store,
        code: NodeCode,
        inputs: Inputs,
        params: ReadTrackingDict,
        row: int,
        at: int,
    ) -> None:
        self.reused: Reusable | None = None
        self.output: Any = None
        self._clock = clock
        self._store = store
        self._code = code
        self._inputs = inputs
        self._params = params
        self._row = row
        self._at = at
        self._hash = hashlib.blake2b(code.exact, key=store.secret, digest_size=16)
        _add(self._hash, inputs.texts)
        self._read = _ReadKeys()
        self._usage = TokenUsage()
        self._began = self._ended = 0.0
        self._new: tuple[Reads, Reusable] | None = None
        self._look_up()

    def _look_up(self) -> None:
        for reads in self._store.reads(self._code.digest):
            key = self._key(reads)
            found = None if key is None else self._store.take(key, self._row)
            if found is None:
                continue
            with contextlib.suppress(Exception):  # the file may hold anything, and the exec can run
                self.output = self._store.decode(found.text)
                self.reused = found
                # The audit says which params no instance reads.
                self._params.read.update(dict.keys(self._params) if reads is None else reads)
                return

    def _key(self, reads: Reads) -> bytes | None:
        params = self._params
        if reads is None:
            texts = [exact_text(plain(params))]
        else:  # by the methods of `dict` itself: no read is noted
            there = dict.keys(params)
            texts = [
                exact_text(dict.__getitem__(params, name)) if name in there else _ABSENT
                for name in reads
            ]
        known = [each for each in texts if each is not None]
        if len(known) < len(texts):
            return None
        key = self._hash.copy()
        _add(key, (repr(reads), *known))
        return key.digest()

    def __enter__(self) -> None:
        # The params of a walk belong to one node copy at a time.
        self._outer, self._params.read = self._params.read, self._read
        self._usage.__enter__()
        self._began = self._clock()

    def __exit__(self, *_: object) -> None:
        self._ended = self._clock()
        self._usage.__exit__()
        self._params.read = self._outer
        self._outer |= self._read

    def returned(self, output: Any, *, fell_back: bool) -> str:
        """Look at what the exec has returned and changed, before post can change it.

        Returns:
            why the output cannot be kept, in words that follow the node's name; "" if it can.
        """
        if fell_back:
            return "has used its exec_fallback"
        if changed := self._inputs.changed():
            return changed
        every = (
            self._code.reads_all_params
            or self._read.is_all
            or not all(type(each) is str for each in self._read)
        )
        reads: Reads = None if every else tuple(sorted(self._read))
        key = self._key(reads)
        if key is None:
            return "reads a param without an exact form"
        text = self._exact(output)
        if text is None:
            return "has an output without an exact form"
        seconds = self._ended - self._began
        self._new = reads, Reusable(key, text, seconds, self._usage.tokens)
        return ""

    def _exact(self, output: Any) -> str | None:
        """Return an output as text if exactly this output can be read from it."""
        text = self._store.encode(output, self._row)
        if text is None or is_plain(output):
            return text
        return text if exact_text(self._store.decode(text)) == exact_text(output) else None

    def succeeded(self) -> None:
        """Hand the output to the store: the node copy has succeeded."""
        if self._new is not None:
            reads, new = self._new
            self._store.add(self._code.digest, reads, new, self._row, self._at)


def _add(hashed: Any, texts: Sequence[str]) -> None:
    # With their lengths, so that two lists of texts are never one text.
    text = "".join([f"{len(each)}:{each}" for each in texts])
    hashed.update(text.encode("utf-8", "surrogatepass"))
