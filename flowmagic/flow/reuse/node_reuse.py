"""Takes the outputs of execs from earlier runs, and hands new ones to a store for later runs.

The key of an output is the code of the node (`node_code`), the attributes that its exec may use and
the result of prep as they are when exec begins (`inputs`), and the params that exec has read. Which
params it reads is known only afterwards, so a look-up (`call`) tries the sets of names that were read
with this code before: if all values that an earlier exec had read are the same, this one would do the
same.

An output is kept if the exec changed none of its inputs, and if the output has an exact form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...records.trace import Trace
from .call import Call, Store
from .count import ReuseCount
from .inputs import OWN_EXEC, Inputs
from .node_code import NodeCode


class NodeReuse:
    """The reuse of one run.

    Args:
        clock: returns the run's time, in seconds.
        secrets: returns texts that do not count wherever they occur in code.

    Attributes:
        counts: what was done, by class name of the node.
    """

    def __init__(
        self, clock: Callable[[], float], secrets: Callable[[], frozenset[str]] = frozenset
    ) -> None:
        self.counts: dict[str, ReuseCount] = {}
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
            the call of its exec, which has an output if one was found; None if it cannot be reused.
        """
        store = self._store
        if store is None:
            return None
        code = self._code(node, store)
        count = self.counts[code.name]
        if code.why_not:
            count.ran += 1
            count.cannot(code.why_not)
            return None
        inputs = Inputs(node, code, prepared, shared)
        if inputs.doubt:
            count.ran += 1
            count.cannot(inputs.doubt)
            return None
        count.described |= inputs.described
        call = Call(
            clock=self._clock,
            store=store,
            code=code,
            inputs=inputs,
            params=node.params,
            row=trace.row,
            at=at,
        )
        if call.reused is None:
            count.ran += 1
        else:
            count.reused += 1
            count.seconds += call.reused.seconds
            count.tokens += call.reused.tokens
            trace.note_reused(at, call.reused.seconds)
        return call

    def returned(self, node: Any, call: Call, output: Any, *, fell_back: bool) -> None:
        """Take note of what an exec has returned that ran."""
        if reason := call.returned(output, fell_back=fell_back):
            self.counts[type(node).__name__].cannot(reason)

    def pass_over(self, node: Any) -> None:
        """Count a node copy that runs in a way of its own, so that nothing is known of its exec."""
        if self._store is not None:
            code = self._code(node, self._store)
            self.counts[code.name].ran += 1
            self.counts[code.name].cannot(code.why_not or OWN_EXEC)

    def _code(self, node: Any, store: Store) -> NodeCode:
        kind = type(node)
        code = self._codes.get(kind)
        if code is None or not code.is_current:
            code = self._codes[kind] = NodeCode(node, self._secrets())
            count = self.counts.setdefault(code.name, ReuseCount())
            count.described |= code.described
            count.changed += [each for each in store.knows(code) if each not in count.changed]
        return code
