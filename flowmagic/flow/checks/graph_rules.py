"""Rules about the nodes of a graph and how they are connected.

Each rule takes one node and yields its findings.
"""

from __future__ import annotations

import ast
import difflib
import math
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, BatchFlow, Flow

from ..finding import Finding, Place
from ..graph import successors_of
from ..source_code import executed_nodes, global_of
from .blocking import blocking_call
from .node_source import (
    Method,
    PossibleActions,
    attribute_of,
    hooks_in_threads,
    hooks_of,
    possible_actions,
    user_overrides,
)
from .reachable_nodes import ReachableNode, fans_out

_MUTABLE = (list, dict, set, bytearray, deque)
_POCKETFLOWS = {"params", "successors", "start_node"}  # attributes
_STANDSTILL = "no other instance runs and the panel does not update."
ENDINGS = frozenset(
    {"complete", "completed", "done", "end", "exit", "finish", "finished", "quit", "stop"}
)
"""Actions that commonly mean that the flow ends, so that they need no successor."""

NO_ACTION_WHY = (
    'PocketFlow itself would fail with "unhashable type" here; a run does not look up what a node without '
    "successors returns."
)
NO_ACTION_INSTEAD = "Put it into shared, or return it from exec, which run.outputs has."


def shared_attributes(reached: ReachableNode) -> Iterator[Finding]:
    """Find lists, dicts and sets on a node that all its copies share and change."""
    for name, place in reached.usage.mutated.items():
        if name in _POCKETFLOWS or name in reached.usage.rebound:
            continue
        value = attribute_of(reached.node, name)
        if isinstance(value, _MUTABLE):
            kind = type(value).__name__
            yield Finding(
                f"self.{name} is a {kind} that all copies of this node share and change.",
                f"Each instance runs a shallow copy of the node, so all instances use the same {kind}, "
                "which also keeps what earlier runs put into it.",
                f"Create it in prep: self.{name} = {_empty(kind)}; or keep it in shared.",
                reached.name,
                place,
            )


def _empty(kind: str) -> str:
    return {"list": "[]", "dict": "{}"}.get(kind, f"{kind}()")


def has_threads() -> bool:
    """Whether Python can start threads here; in a browser (Pyodide) it cannot."""
    return sys.platform != "emscripten"


def blocked_loop(reached: ReachableNode, *, threads: bool) -> Iterator[Finding]:
    """Find calls that stop all instances and the notebook until they return."""
    node = reached.node
    in_thread = hooks_in_threads(node) if threads else ()
    for name in hooks_of(node):
        call = None if name in in_thread else blocking_call(reached.source, name)
        if call is None:
            continue
        yield Finding(
            f"{name} calls {call.name} on the event loop.",
            f"Until that returns, {_STANDSTILL}",
            _unblocked(node, call.name, threads=threads),
            reached.name,
            call.place,
        )
        return
    if not threads and _has_sync_exec(node):
        yield Finding(
            f"exec is sync, and {'threads are off' if has_threads() else 'there are no threads here'}.",
            f"While exec runs, {_STANDSTILL}",
            f"{'Keep threads on, or make' if has_threads() else 'Make'} the node an AsyncNode with "
            "exec_async.",
            reached.name,
            _place_of(reached, "exec"),
        )


def _unblocked(node: Any, call: str, *, threads: bool) -> str:
    if isinstance(node, AsyncNode):
        if call == "time.sleep()":
            return "Use await asyncio.sleep(...)."
        in_thread = "await asyncio.to_thread(...) around it, or " if has_threads() else ""
        return f"Use {in_thread}an async client."
    if not has_threads():
        return "Make the node an AsyncNode, and await the call."
    return f"Move the call to exec, which runs in a thread{'' if threads else ', and keep threads on'}."


def _has_sync_exec(node: Any) -> bool:
    return not isinstance(node, (AsyncNode, Flow)) and user_overrides(node, "exec")


def unmatched_actions(reached: ReachableNode) -> Iterator[Finding]:
    """Find actions without a successor, and successors without an action that leads to them."""
    possible = _actions_of(reached)
    successors = successors_of(reached.node)
    if possible is None or not successors:
        return
    names = [str(each) for each in successors]
    for action, place in possible.places.items():
        if action is None or action in successors or action.lower() in ENDINGS:
            continue
        similar = difflib.get_close_matches(action, names, n=1)
        hint = (
            f'Did you mean "{similar[0]}"?'
            if similar
            else f'Add node - "{action}" >> another_node.'
        )
        yield Finding(
            f'It can return "{action}", but has successors only for {_listed(names)}.',
            "The instance would end here, and count as succeeded.",
            hint,
            reached.name,
            place,
            # A missing successor may be meant to end the flow; a misspelt action is not.
            note=not similar,
        )
    if not possible.complete:
        return
    returned = {"default" if each is None else each for each in possible.places}
    for name in successors:
        if name in returned:
            continue
        actions = [f'"{each}"' for each in possible.places if each is not None]
        actions += ["nothing"] * (None in possible.places)
        end = type(successors[name]).__name__
        yield Finding(
            f'Its successor for "{name}" is never reached: it can only return {", ".join(actions)}.',
            f"{end} does not run after this node.",
            f"Return {'nothing' if name == 'default' else _listed([name])} where {end} is to run next.",
            reached.name,
            next(iter(possible.places.values()), None),
        )


def _actions_of(reached: ReachableNode) -> PossibleActions | None:
    """Return the actions that a node can return; None if nothing is known of them."""
    node = reached.node
    if not reached.outer or reached.in_own_orchestration:
        return None
    if user_overrides(node, "_run") or user_overrides(node, "_run_async"):
        return None
    post = "post_async" if isinstance(node, AsyncNode) else "post"
    if not user_overrides(node, post):
        # PocketFlow's own post returns nothing; that of a flow, the action of its last node.
        return None if reached.is_flow or _is_flowmagics(node, post) else _RETURNS_NOTHING
    method = reached.source.get(post)
    return None if method is None else possible_actions(method)


_NO_PLACE: Any = None
_RETURNS_NOTHING = PossibleActions({None: _NO_PLACE}, complete=True)


def _is_flowmagics(node: Any, name: str) -> bool:
    return type(node).__module__.partition(".")[0] == "flowmagic" or any(
        name in vars(base) and base.__module__.partition(".")[0] == "flowmagic"
        for base in type(node).__mro__
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{each}"' for each in names)


def no_attempts(reached: ReachableNode) -> Iterator[Finding]:
    """Find nodes whose exec never runs, since `max_retries` is below 1."""
    node = reached.node
    attempts = vars(node).get("max_retries")
    hook = "exec_async" if isinstance(node, AsyncNode) else "exec"
    if reached.is_flow or isinstance(attempts, bool) or not isinstance(attempts, int):
        return
    if attempts < 1 and user_overrides(node, hook) and not user_overrides(node, "_exec"):
        yield Finding(
            f"max_retries is {attempts}, so {hook} never runs, and post receives None.",
            "PocketFlow's max_retries counts the first attempt too; no error is raised.",
            f"Write {reached.name}(max_retries=1) for one attempt.",
            reached.name,
            _place_of(reached, hook),
        )


def erased_params(reached: ReachableNode) -> Iterator[Finding]:
    """Find params set on a node in a flow, which the flow replaces."""
    params = vars(reached.node).get("params")
    if not reached.outer or not isinstance(params, dict) or not params:
        return
    if user_overrides(reached.node, "set_params"):
        return
    # Only a string's repr is safe to call: any other key may be a user's object.
    first = next((key for key in params if type(key) is str), "key")
    yield Finding(
        f"Params are set on this node (among them {first!r}), and the flow replaces them.",
        "A node in a flow receives only the flow's params.",
        f"Set them on the flow: flow.set_params({{{first!r}: ...}}), or in each row.",
        reached.name,
    )


def async_in_sync(reached: ReachableNode) -> Iterator[Finding]:
    """Find async nodes in a sync flow, which cannot run them."""
    flow = reached.flow
    if flow is None or isinstance(flow, AsyncFlow) or not isinstance(reached.node, AsyncNode):
        return
    if any(user_overrides(flow, each) for each in ("_run", "_orch")):
        return
    kind = type(flow).__name__
    base = next(each.__name__ for each in type(flow).__mro__ if each.__module__ == "pocketflow")
    better = "AsyncBatchFlow" if isinstance(flow, BatchFlow) else "AsyncFlow"
    yield Finding(
        f"This async node is in a {kind}, which is a sync flow.",
        'Each instance that reaches it fails with "Use run_async.".',
        f"Write {better}(start=...) instead."
        if kind == base
        else f"Derive {kind} from {better} instead of {base}.",
        reached.name,
        _place_of(reached, "prep_async", "exec_async", "post_async"),
    )


def _place_of(reached: ReachableNode, *names: str) -> Place | None:
    methods = (reached.source.get(name) for name in names)
    return next((each.place() for each in methods if each is not None), None)


def fan_out(reached: ReachableNode, limit: int) -> Iterator[Finding]:
    """State how many calls run at once where `limit` instances run something in parallel themselves."""
    if not reached.outer or not fans_out(reached.node):
        return
    sizes = [_batch_size(each) for each in (*reached.outer[1:], reached) if fans_out(each.node)]
    factors = [
        f"the run's limit {limit}",
        *("its batch" if size is None else str(size) for size in sizes),
    ]
    product = " × ".join(factors)  # noqa: RUF001 - a product
    known = [size for size in sizes if size is not None]
    if len(known) == len(sizes):
        product += f" = {limit * math.prod(known):,}"
    what = "instances of its nodes" if reached.is_flow else "calls of its exec"
    yield Finding(
        f"It runs its whole batch at once in each instance: {product} {what}.",
        "The limit counts instances, not what they run in parallel.",
        "Lower the limit, or limit the call itself with flowmagic.set_limit and flowmagic.limit.",
        reached.name,
        note=True,
    )


def _batch_size(reached: ReachableNode) -> int | None:
    """Return how many items or rows a node's own prep returns; None if its source does not tell."""
    name = "prep_async" if isinstance(reached.node, AsyncNode) else "prep"
    method = reached.source.get(name) if user_overrides(reached.node, name) else None
    if method is None or method.decorated:
        return None
    values = [each.value for each in executed_nodes(method.tree) if isinstance(each, ast.Return)]
    return _length(values[0], method) if len(values) == 1 and values[0] is not None else None


def _length(value: ast.expr, method: Method) -> int | None:
    if isinstance(value, (ast.List, ast.Tuple)):
        starred = any(isinstance(each, ast.Starred) for each in value.elts)
        return None if starred else len(value.elts)
    if isinstance(value, (ast.ListComp, ast.GeneratorExp)):
        plain = len(value.generators) == 1 and not value.generators[0].ifs
        return _length(value.generators[0].iter, method) if plain else None
    if isinstance(value, ast.Name):
        known = global_of(method.function, value.id)
        return len(known) if type(known) in {list, tuple} else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and len(value.args) == 1:
        only = value.args[0]
        if value.func.id == "range" and isinstance(only, ast.Constant):
            return only.value if type(only.value) is int else None
        if value.func.id in {"list", "tuple"}:
            return _length(only, method)
    return None
