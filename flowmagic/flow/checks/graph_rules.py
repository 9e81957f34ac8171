"""What can be told of the nodes of a graph and how they hang together."""

from __future__ import annotations

import difflib
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, BatchFlow, Flow

from ..finding import Finding, Place
from ..graph import successors_of
from .actions import Returned, returned
from .blocking import blocking_call
from .placed_nodes import PlacedNode
from .source import has_own, hooks_of

_MUTABLE = (list, dict, set, bytearray, deque)
_OWN = {"params", "successors", "start_node"}
ENDINGS = frozenset(
    {"complete", "completed", "done", "end", "exit", "finish", "finished", "quit", "stop"}
)
"""Actions by which people say that a flow ends here, wherever they lead."""


def shared_attributes(placed: PlacedNode) -> Iterator[Finding]:
    """Find lists, dicts and sets on a node that its copies share and change."""
    for name, place in placed.use.changed.items():
        if name in _OWN or name in placed.use.bound:
            continue
        value = _plain_attribute(placed.node, name)
        if isinstance(value, _MUTABLE):
            kind = type(value).__name__
            yield Finding(
                f"self.{name} is a {kind} that every copy of this node shares, and it is changed.",
                "Each instance runs a shallow copy of the node, so all of them change the same "
                f"{kind}, and it keeps what runs before left in it.",
                f"Give each copy its own in prep: self.{name} = {_empty(kind)}; or keep it in "
                "shared.",
                placed.name,
                place,
            )


def _plain_attribute(node: Any, name: str) -> Any:
    """Return an attribute without running anybody's code."""
    for names in (vars(node), *(vars(base) for base in type(node).__mro__)):
        if name in names:
            return names[name]
    return None


def _empty(kind: str) -> str:
    return {"list": "[]", "dict": "{}"}.get(kind, f"{kind}()")


def has_threads() -> bool:
    """Whether threads can be started; in a browser (pyodide) none can."""
    return sys.platform != "emscripten"


def blocked_loop(placed: PlacedNode, *, threads: bool) -> Iterator[Finding]:
    """Find calls that would stop all instances and the notebook while they last."""
    node = placed.node
    apart = threads and not has_own(node, "_run") and not has_own(node, "_exec")
    for name in hooks_of(node):
        in_thread = apart and not isinstance(node, AsyncNode) and name in {"exec", "exec_fallback"}
        found = None if in_thread else blocking_call(placed.source, name)
        if found is None:
            continue
        yield Finding(
            f"{name} calls {found.call} on the event loop.",
            "While it lasts, no other instance goes on and the panel stands still.",
            _unblocked(node, found.call, threads=threads),
            placed.name,
            found.place,
        )
        return
    if not threads and _own_sync_exec(node):
        method = placed.source.get("exec")
        yield Finding(
            f"exec is sync, and {'threads are off' if has_threads() else 'there are no threads here'}.",
            "While it lasts, no other instance goes on and the panel stands still.",
            f"{'Leave threads on, or make' if has_threads() else 'Make'} it an AsyncNode with "
            "exec_async.",
            placed.name,
            None if method is None else method.place(),
        )


def _unblocked(node: Any, call: str, *, threads: bool) -> str:
    if isinstance(node, AsyncNode):
        if call == "time.sleep()":
            return "Use await asyncio.sleep(...)."
        apart = "await asyncio.to_thread(...) around it, or " if has_threads() else ""
        return f"Use {apart}a client that can be awaited."
    if not has_threads():
        return "Make it an AsyncNode, and await it."
    return f"Do it in exec, which runs in a thread{'' if threads else ', and leave threads on'}."


def _own_sync_exec(node: Any) -> bool:
    return not isinstance(node, (AsyncNode, Flow)) and has_own(node, "exec")


def actions(placed: PlacedNode) -> Iterator[Finding]:
    """Find actions that lead nowhere, and ways that no action leads to."""
    known = _actions_of(placed)
    if known is None:
        return
    successors = successors_of(placed.node)
    if not successors:
        return
    ways = [str(each) for each in successors]
    for action, place in known.actions.items():
        if action is None or action in successors or action.lower() in ENDINGS:
            continue
        near = difflib.get_close_matches(action, ways, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f'Add node - "{action}" >> another_node.'
        yield Finding(
            f'It can return "{action}", which leads nowhere: it has ways for {_listed(ways)}.',
            "The instance would end here, as if it had succeeded.",
            hint,
            placed.name,
            place,
            # A way that is left out may be meant as an end; one that is mistyped is not.
            note=not near,
        )
    if not known.all:
        return
    possible = {"default" if each is None else each for each in known.actions}
    for way in successors:
        if way in possible:
            continue
        gives = [f'"{each}"' for each in known.actions if each is not None]
        gives += ["nothing"] * (None in known.actions)
        yield Finding(
            f'The way "{way}" is never taken: it can only return {", ".join(gives)}.',
            f"{type(successors[way]).__name__} is not reached from here.",
            f'Return "{way}" where that way is meant.'
            if way != "default"
            else "Return nothing where that way is meant.",
            placed.name,
            next(iter(known.actions.values()), None),
        )


def _actions_of(placed: PlacedNode) -> Returned | None:
    """Return what a node can return; None where nothing can be said of it."""
    node = placed.node
    if not placed.outer or placed.is_led or has_own(node, "_run") or has_own(node, "_run_async"):
        return None
    post = "post_async" if isinstance(node, AsyncNode) else "post"
    if not has_own(node, post):
        # Of a flow, the action of its last node; of a node, PocketFlow's post: nothing.
        stock = type(node).__module__.partition(".")[0] == "flowmagic" or isinstance(node, Flow)
        return None if stock or _is_ours(node, post) else Returned({None: _NOWHERE}, all=True)
    method = placed.source.get(post)
    return None if method is None else returned(method)


_NOWHERE: Any = None


def _is_ours(node: Any, name: str) -> bool:
    return any(
        name in vars(base) and base.__module__.partition(".")[0] == "flowmagic"
        for base in type(node).__mro__
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{each}"' for each in names)


def no_attempts(placed: PlacedNode) -> Iterator[Finding]:
    """Find nodes whose exec never runs."""
    node = placed.node
    attempts = vars(node).get("max_retries")
    hook = "exec_async" if isinstance(node, AsyncNode) else "exec"
    if placed.is_flow or isinstance(attempts, bool) or not isinstance(attempts, int):
        return
    if attempts < 1 and has_own(node, hook) and not has_own(node, "_exec"):
        yield Finding(
            f"max_retries is {attempts}, so {hook} never runs, and post receives None.",
            "PocketFlow counts attempts, not further attempts; no error is raised.",
            f"Write {placed.name}(max_retries=1) for one attempt.",
            placed.name,
            _place_of(placed, hook),
        )


def erased_params(placed: PlacedNode) -> Iterator[Finding]:
    """Find params set on a node within a flow, which replaces them."""
    params = vars(placed.node).get("params")
    if not placed.outer or not isinstance(params, dict) or not params:
        return
    if has_own(placed.node, "set_params"):
        return
    # A key that is no text is anybody's object: its repr is not ours to call.
    first = next((key for key in params if type(key) is str), "key")
    yield Finding(
        f"Params are set on this node (among them {first!r}), and the flow replaces them.",
        "A node within a flow receives the flow's params and nothing else.",
        f"Set them on the flow: flow.set_params({{{first!r}: ...}}), or in each row.",
        placed.name,
    )


def async_in_sync(placed: PlacedNode) -> Iterator[Finding]:
    """Find async nodes that a sync flow would run."""
    flow = placed.flow
    if flow is None or isinstance(flow, AsyncFlow) or not isinstance(placed.node, AsyncNode):
        return
    if any(has_own(flow, each) for each in ("_run", "_orch")):
        return
    kind = type(flow).__name__
    base = next(each.__name__ for each in type(flow).__mro__ if each.__module__ == "pocketflow")
    better = "AsyncBatchFlow" if isinstance(flow, BatchFlow) else "AsyncFlow"
    yield Finding(
        f"This async node is in a {kind}, which is a sync flow.",
        'Each instance that comes to it fails with "Use run_async.".',
        f"Write {better}(start=...) instead."
        if kind == base
        else f"Derive {kind} from {better} instead of {base}.",
        placed.name,
        _place_of(placed, "prep_async", "exec_async", "post_async"),
    )


def _place_of(placed: PlacedNode, *names: str) -> Place | None:
    methods = (placed.source.get(name) for name in names)
    return next((each.place() for each in methods if each is not None), None)
