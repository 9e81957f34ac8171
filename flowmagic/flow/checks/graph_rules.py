"""Rules about the nodes of a graph and how they are connected.

Each rule takes one node and yields its findings.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, BatchFlow, Flow

from ..finding import SHOWN, Finding, Place
from ..source_code import executed_nodes, global_of
from .blocking import blocking_call
from .node_source import (
    Method,
    attribute_of,
    hooks_in_threads,
    hooks_of,
    user_overrides,
)
from .reachable_nodes import ReachableNode, fans_out

_MUTABLE = (list, dict, set, bytearray, deque)
_POCKETFLOWS = {"params", "successors", "start_node"}  # attributes
_STANDSTILL = "no other instance runs and the panel does not update."


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
        call = None if name in in_thread else blocking_call(reached, name)
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


def sync_execs(nodes: Sequence[ReachableNode], *, threads: bool) -> Iterator[Finding]:
    """Find sync nodes whose exec runs on the loop, since there are no threads: one finding for all.

    Those of which `blocked_loop` finds a call are left out.
    """
    on_loop = {
        each.name: each
        for each in nodes
        if _has_sync_exec(each.node) and not any(blocked_loop(each, threads=threads))
    }
    if threads or not on_loop:
        return
    first, *others = on_loop
    more = len(on_loop) - SHOWN
    listed = ", ".join([f"{name}.exec" for name in on_loop][:SHOWN])
    yield Finding(
        f"{listed}{f' and {more} more' if more > 0 else ''} {'are' if others else 'is'} sync, and "
        f"{'threads are off' if has_threads() else 'there are no threads here'}.",
        f"While an exec runs, {_STANDSTILL}",
        f"{'Keep threads on, or use' if has_threads() else 'Use'} AsyncNode, with exec_async.",
        place=_place_of(on_loop[first], "exec"),
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


_PASSED = {
    "prep": ("shared",),
    "exec": ("prep_res",),
    "exec_fallback": ("prep_res", "exc"),
    "post": ("shared", "prep_res", "exec_res"),
}
"""What PocketFlow passes to the methods of a node."""


def wrong_hooks(reached: ReachableNode) -> Iterator[Finding]:
    """Find methods that PocketFlow cannot call as it does, and sync ones that an async node never calls."""
    if reached.is_flow:
        return
    is_async = isinstance(reached.node, AsyncNode)
    for name, passed in _PASSED.items():
        hook = f"{name}_async" if is_async else name
        right = f"Write {'async ' * is_async}def {hook}(self, {', '.join(passed)})."
        method = reached.source.get(hook)
        if (
            is_async
            and user_overrides(reached.node, name)
            and not user_overrides(reached.node, hook)
            and reached.source.complete
            and reached.source.get(name) is None  # else a method of its own calls it
        ):
            yield Finding(
                f"It is an async node, whose {name} is never called.",
                f"PocketFlow calls {hook} instead.",
                right,
                reached.name,
                _place_of(reached, name),
            )
        elif (
            method is not None
            and attribute_of(reached.node, hook) is method.function  # else a decorator is around it
            and hook not in vars(reached.node)
        ):
            found = inspect.signature(method.function)
            try:
                found.bind(reached.node, *passed)
            except TypeError:
                yield Finding(
                    f"{hook} takes ({', '.join(found.parameters)}), and is called with "
                    f"(self, {', '.join(passed)}).",
                    "PocketFlow's call raises a TypeError, which takes the place of the error of exec."
                    if name == "exec_fallback"
                    else "PocketFlow's call raises a TypeError.",
                    right,
                    reached.name,
                    method.place(),
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
