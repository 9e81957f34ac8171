"""Takes the outputs of execs from earlier runs, and hands new ones to a store for later runs.

The key of an output is the code of the node (`node_code`), the attributes that its exec may use and
the result of prep as they are when exec begins, and the params that exec has read. Which params it
reads is known only afterwards, so a look-up tries the sets of names that were read with this code
before: if all values that an earlier exec had read are the same, this one would do the same.

An output is stored if the exec changed none of its inputs, and if the output has an exact form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ...records.observed_dict import ObservedDict
from ...records.param_reads import ReadTrackingDict, plain
from ...records.trace import Trace
from ..node_copier import own_attributes
from .exact import exact_text, is_plain
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
    """

    key: bytes
    text: str
    seconds: float


class Store(Protocol):
    """Where outputs are kept between runs."""

    secret: bytes
    """The key of all hashes, at most 64 bytes."""

    def knows(self, code: NodeCode) -> list[str]:
        """Note that a run uses this code; return what has changed since the last run, in words."""

    def reads(self, code: bytes) -> Sequence[Reads]:
        """Return the sets of params that execs with this code have read in earlier runs."""

    def take(self, key: bytes, row: int) -> Reusable | None:
        """Return an output of an earlier run, each once, preferably of the same row; None: there is none."""

    def add(self, code: bytes, reads: Reads, found: Reusable, row: int, at: int) -> None:
        """Keep the output of a node copy, given by row and offset."""

    def encode(self, output: Any) -> str | None:
        """Return an output as text; None if it cannot be stored, or a secret in it would be masked."""

    def decode(self, text: str) -> Any:
        """Return the output that a text stands for; raises if it cannot be read."""


@dataclass
class NodeCount:
    """How often the exec of a node class ran in a run, and how often it was not needed.

    Attributes:
        ran: how many execs ran.
        reused: how many outputs were taken from earlier runs instead.
        seconds: how long these had taken when they ran.
        why_not: why outputs of this class could not be reused or kept: each reason with how often.
        changed: what has changed since an earlier run of the node, in words.
    """

    ran: int = 0
    reused: int = 0
    seconds: float = 0.0
    why_not: dict[str, int] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)


class NodeReuse:
    """The reuse of one run.

    Args:
        clock: returns the run's time, in seconds.
        secrets: returns texts that do not count wherever they occur in code.

    Attributes:
        counts: what was done, by class name of the node.
        described: the objects that count by their class and plain attributes only, by name.
    """

    def __init__(
        self, clock: Callable[[], float], secrets: Callable[[], frozenset[str]] = frozenset
    ) -> None:
        self.counts: dict[str, NodeCount] = {}
        self.described: set[str] = set()
        self._clock = clock
        self._secrets = secrets
        self._codes: dict[type, NodeCode] = {}
        self._store: Store | None = None

    def open(self, store: Store) -> None:
        """Set the store; before, nothing is reused."""
        self._store = store

    def begin(self, node: Any, prepared: Any, shared: Any, trace: Trace, at: int) -> Call | None:
        """Look for the output of a node copy whose prep has returned.

        Returns:
            the call of its exec, which has an output if one was found; None if nothing is to be done.
        """
        store = self._store
        if store is None:
            return None
        code = self._code(node, store)
        count = self.counts[code.name]
        inputs, reason = None, code.why_not
        if not reason:
            inputs, reason = _inputs_of(node, code, prepared, shared, self.described)
        if inputs is None:
            count.ran += 1
            _add(count, reason)
            return None
        call = Call(self._clock, store, code, count, node, prepared, inputs, trace.row, at)
        call.look_up()
        if call.reused is None:
            count.ran += 1
        else:
            count.reused += 1
            count.seconds += call.reused.seconds
            trace.note_reused(at, call.reused.seconds)
        return call

    def _code(self, node: Any, store: Store) -> NodeCode:
        kind = type(node)
        code = self._codes.get(kind)
        if code is None or not code.is_current:
            code = self._codes[kind] = NodeCode(node, self._secrets())
            self.described |= code.described
            self.counts.setdefault(code.name, NodeCount()).changed += store.knows(code)
        return code


def _add(count: NodeCount, reason: str) -> None:
    count.why_not[reason] = count.why_not.get(reason, 0) + 1


class _Inputs(NamedTuple):
    """What an exec gets, as texts.

    Attributes:
        values: of the globals and environment variables that its code names.
        attributes: of the attributes of its node.
        prepared: of the result of prep.
        containers: of the params that can be changed in place; empty if none can.
        others: the identities of all attributes of its node.
    """

    values: str
    attributes: str
    prepared: str
    containers: str
    others: dict[str, int]


def _inputs_of(
    node: Any, code: NodeCode, prepared: Any, shared: Any, described: set[str]
) -> tuple[_Inputs | None, str]:
    """Return what an exec gets; or None, and why that has no exact form."""
    params = node.params
    if type(params) is not ReadTrackingDict:
        return None, "has params that are no plain dict"
    own = own_attributes(node)
    if "exec" in own or "exec_async" in own:
        return None, "has an exec of its own object"
    used = code.attributes(own)
    for name, value in used.items():
        if _holds(value, shared):
            return None, f"keeps the shared store as self.{name}"
    if _holds(prepared, shared):
        return None, "gets the shared store from prep"
    if prepared is params:
        params.read.update(dict.keys(params))
        prepared = plain(params)
    values = code.values()
    if values is None:
        return None, "uses a global that has no exact form"
    attributes = exact_text(used, clients=True, described=described)
    if attributes is None:
        return None, "has attributes without an exact form"
    text = exact_text(prepared)
    if text is None:
        return None, "gets something without an exact form from prep"
    content = plain(params)
    containers = "" if is_flat(content) else exact_text(content)
    if containers is None:
        containers = "no exact form"
    return _Inputs(values, attributes, text, containers, _identities(own)), ""


def _identities(own: dict[str, Any]) -> dict[str, int]:
    return {name: id(value) for name, value in own.items() if name != "cur_retry"}


def is_flat(params: dict[Any, Any]) -> bool:
    """Whether no param can be changed in place."""
    return all(type(each) in _FLAT for each in params.values())


_FLAT = (str, int, float, bool, bytes, type(None))


def _holds(value: Any, shared: Any, depth: int = 0) -> bool:
    """Whether a value is the shared store or a view of it, or a plain container that holds one."""
    if value is shared:
        return True
    if isinstance(value, ObservedDict):
        return type(value) is not ReadTrackingDict
    if depth > _DEPTH or type(value) not in (list, tuple, dict):
        return False
    items = value.values() if type(value) is dict else value
    return any(_holds(each, shared, depth + 1) for each in items if type(each) not in _FLAT)


_DEPTH = 3


class _Reads(set[Any]):
    """The keys of params that were read; notes when all were read at once."""

    is_all = False

    def update(self, *keys: Any) -> None:
        """Add keys; `ReadTrackingDict` calls it when something goes over the whole dict."""
        self.is_all = True
        super().update(*keys)


class Call:
    """The call of one exec. As a context manager around it, it notes the params that it reads.

    Attributes:
        reused: what was found; None: the exec must run.
        output: the output that was found.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        clock: Callable[[], float],
        store: Store,
        code: NodeCode,
        count: NodeCount,
        node: Any,
        prepared: Any,
        inputs: _Inputs,
        row: int,
        at: int,
    ) -> None:
        self.reused: Reusable | None = None
        self.output: Any = None
        self._clock = clock
        self._store = store
        self._code = code
        self._count = count
        self._node = node
        self._prepared = prepared
        self._params = node.params
        self._inputs = inputs
        self._row = row
        self._at = at
        parts = (code.digest.hex(), inputs.values, inputs.attributes, inputs.prepared)
        self._base = _hash(store.secret, parts)
        self._read = _Reads()
        self._began = self._ended = 0.0
        self._new: tuple[Reads, Reusable] | None = None

    def look_up(self) -> None:
        """Look for an output of an earlier run."""
        for reads in self._store.reads(self._code.digest):
            key = self._key(reads)
            found = None if key is None else self._store.take(key, self._row)
            if found is None:
                continue
            try:
                self.output = self._store.decode(found.text)
            except Exception:  # noqa: BLE001 - the file may hold anything; the exec can run
                continue
            self.reused = found
            self._params.read.update(dict.keys(self._params) if reads is None else reads)
            return

    def _key(self, reads: Reads) -> bytes | None:
        params = plain(self._params)
        if reads is None:
            text = exact_text(params)
            return None if text is None else _hash(self._store.secret, (self._base.hex(), text))
        texts = []
        for name in reads:
            text = exact_text(params[name]) if name in params else _ABSENT
            if text is None:
                return None
            texts.append(text)
        return _hash(self._store.secret, (self._base.hex(), json.dumps(reads), *texts))

    def __enter__(self) -> None:
        # The params of a walk belong to one node copy at a time.
        self._outer, self._params.read = self._params.read, self._read
        self._writes = self._params.writes
        self._began = self._clock()

    def __exit__(self, *_: object) -> None:
        self._ended = self._clock()
        self._params.read = self._outer
        self._outer |= self._read

    def returned(self, output: Any, *, fell_back: bool) -> None:
        """Look at what the exec has returned and changed, before post can change it."""
        reason = "has used its exec_fallback" if fell_back else self._changed()
        if not reason:
            reads = self._reads()
            key = self._key(reads)
            text = None if key is None else self._exact(output)
            if key is not None and text is not None:
                self._new = reads, Reusable(key, text, self._ended - self._began)
                return
            what = "reads params" if key is None else "has an output"
            reason = f"{what} without an exact form"
        _add(self._count, reason)

    def _exact(self, output: Any) -> str | None:
        text = self._store.encode(output)
        if text is None or is_plain(output):
            return text
        return text if exact_text(self._store.decode(text)) == exact_text(output) else None

    def _changed(self) -> str:
        """Return what the exec has changed of its inputs, in words that follow the node's name."""
        before, own = self._inputs, own_attributes(self._node)
        others = _identities(own)
        changed = [name for name, each in others.items() if before.others.get(name) != each]
        changed += before.others.keys() - others.keys()
        if changed:
            return f"assigns self.{sorted(changed)[0]} in exec"
        if self._params.writes != self._writes or self._node.params is not self._params:
            return "changes its params in exec"
        if exact_text(self._code.attributes(own), clients=True) != before.attributes:
            return "changes an attribute in exec"
        prepared = self._prepared
        if prepared is not self._params and exact_text(prepared) != before.prepared:
            return "changes what prep returned in exec"
        if before.containers and exact_text(plain(self._params)) != before.containers:
            return "changes its params in exec"
        if self._code.values() != before.values or not self._code.is_current:
            return "uses a global that changed meanwhile"
        return ""

    def _reads(self) -> Reads:
        names = self._read
        if names.is_all or not all(type(each) is str for each in names):
            return None
        return tuple(sorted(names))

    def succeeded(self) -> None:
        """Hand the output to the store: the node copy has succeeded."""
        if self._new is not None:
            reads, new = self._new
            self._store.add(self._code.digest, reads, new, self._row, self._at)


def _hash(secret: bytes, parts: Sequence[str]) -> bytes:
    text = json.dumps(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, key=secret, digest_size=16).digest()
