"""How many calls run at once where parallel batches are nested."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from pocketflow import AsyncNode, Flow

from ..finding import Finding
from .placed_nodes import PlacedNode, fans_out
from .source import Method, has_own, own_parts


def fan_out(placed: PlacedNode, limit: int, counts: dict[int, int | None]) -> Iterator[Finding]:
    """State the product, where instances run something in parallel themselves.

    Args:
        limit: how many instances run at once.
        counts: by `id`, how many a parallel flow or node runs at once; filled as one goes on.
    """
    node = placed.node
    if not placed.outer or not fans_out(node):
        return
    counts[id(node)] = _size(placed)
    chain = [*(each for each in placed.outer[1:] if id(each) in counts), node]
    sizes = [counts[id(each)] for each in chain]
    known = limit
    for size in sizes:
        known *= 1 if size is None else size
    product = " × ".join(  # noqa: RUF001 - a product
        [
            f"the run's limit {limit}",
            *("its batch" if size is None else str(size) for size in sizes),
        ]
    )
    total = f" = {known:,}" if None not in sizes else ""
    what = "instances of its nodes" if isinstance(node, Flow) else "calls of its exec"
    yield Finding(
        f"It runs its whole batch at once within each instance: {product}{total} {what}.",
        "The limit counts instances, not what they run in parallel.",
        "Lower the limit, or guard the call itself with flowmagic.set_limit and flowmagic.limit.",
        placed.name,
        note=True,
    )


def _size(placed: PlacedNode) -> int | None:
    """Return how many items or rows a parallel node's own prep gives; None if that is not known."""
    name = "prep_async" if isinstance(placed.node, AsyncNode) else "prep"
    method = placed.source.get(name) if has_own(placed.node, name) else None
    if method is None or method.decorated:
        return None
    values = [each.value for each in own_parts(method.tree) if isinstance(each, ast.Return)]
    return _length(values[0], method) if len(values) == 1 and values[0] is not None else None


def _length(value: ast.expr, method: Method) -> int | None:
    if isinstance(value, (ast.List, ast.Tuple)):
        starred = any(isinstance(each, ast.Starred) for each in value.elts)
        return None if starred else len(value.elts)
    if isinstance(value, (ast.ListComp, ast.GeneratorExp)):
        plain = len(value.generators) == 1 and not value.generators[0].ifs
        return _length(value.generators[0].iter, method) if plain else None
    if isinstance(value, ast.Name):
        return _known(value.id, method)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and len(value.args) == 1:
        only = value.args[0]
        if value.func.id == "range" and isinstance(only, ast.Constant):
            return only.value if type(only.value) is int else None
        if value.func.id in {"list", "tuple"}:
            return _length(only, method)
    return None


def _known(name: str, method: Method) -> int | None:
    code = method.function.__code__
    if name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        return None
    value: Any = method.function.__globals__.get(name)
    return len(value) if type(value) in {list, tuple} else None
