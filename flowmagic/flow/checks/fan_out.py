"""Warns about nested parallel batches: they multiply how many calls run at once."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from pocketflow import AsyncNode

from ..finding import Finding
from ..source_code import executed_nodes, global_of
from .node_source import Method, user_overrides
from .reachable_nodes import ReachableNode, fans_out


def fan_out(reached: ReachableNode, limit: int) -> Iterator[Finding]:
    """State how many calls run at once where instances run something in parallel themselves.

    Args:
        limit: how many instances run at once.
    """
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
