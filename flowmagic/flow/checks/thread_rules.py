"""Rules about what belongs to the thread that made it, in nodes whose exec runs in a thread.

Such a node has two sides: the methods that run in threads, and those that run on the event loop.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Iterator
from typing import Any

from pocketflow import BatchNode

from ..finding import Finding
from .executed_code import Executed, Scope, executed_code
from .node_source import attribute_of, hooks_in_threads, hooks_of
from .reachable_nodes import ReachableNode

_CONNECT = {"sqlite3.connect", "sqlite3.dbapi2.connect", "_sqlite3.connect"}
_MOST_POSITIONAL = 4  # arguments of `connect` before check_same_thread
_PREPARED = ""
"""Stands for what prep returns; the other names are of attributes of the node."""


def _sides(
    reached: ReachableNode, *, threads: bool
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield each side of a node, as the names of its methods, with the other side."""
    inside = hooks_in_threads(reached.node) if threads else ()
    if inside:
        outside = tuple(each for each in hooks_of(reached.node) if each not in inside)
        yield inside, outside
        yield outside, inside


def foreign_connections(reached: ReachableNode, *, threads: bool) -> Iterator[Finding]:
    """Find sqlite3 connections that are used in another thread than the one that opened them."""
    for here, there in _sides(reached, threads=threads):
        opened = _opened(reached, there) - _opened(reached, here)
        for hook in here:
            for each in executed_code(reached.source, hook):
                name = _connection(each, reached, hook, opened)
                if name:
                    yield Finding(
                        f"{each.subject(hook)} uses {name}, a sqlite3 connection of another thread.",
                        "sqlite3 refuses that with a ProgrammingError.",
                        f"Open it in {hook}.",
                        reached.name,
                        reached.source.place(hook, each.call),
                    )
                    return


def _opened(reached: ReachableNode, hooks: tuple[str, ...]) -> set[str]:
    """Return the attributes to which methods assign new connections; also `_PREPARED`."""
    opened: set[str] = set()
    for hook in hooks:
        names: set[str] = set()
        for each in executed_code(reached.source, hook):
            node, scope = each.node, each.scope
            if isinstance(node, ast.Assign) and _connects(node.value, scope):
                opened.update(filter(None, map(scope.attribute_of_self, node.targets)))
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.Return) and hook == "prep" and not each.through:
                known = isinstance(node.value, ast.Name) and node.value.id in names
                if known or _connects(node.value, scope):
                    opened.add(_PREPARED)
    return opened


def _connects(value: ast.expr | None, scope: Scope) -> bool:
    """Whether an expression opens a connection for the current thread only."""
    return (
        isinstance(value, ast.Call)
        and scope.name_of(value.func) in _CONNECT
        and len(value.args) <= _MOST_POSITIONAL
        and not any(each.arg in {None, "check_same_thread"} for each in value.keywords)
    )


def _connection(each: Executed, reached: ReachableNode, hook: str, opened: set[str]) -> str:
    """Return the name of the foreign connection that a syntax node refers to; "" if it is none."""
    node, scope = each.node, each.scope
    if not isinstance(getattr(node, "ctx", None), ast.Load):
        return ""
    attribute = scope.attribute_of_self(node)
    if attribute in opened and attribute:
        return f"self.{attribute}"
    if isinstance(node, ast.Name) and _PREPARED in opened and hook == "exec" and not each.through:
        method = reached.source.get(hook)
        arguments = [] if method is None else method.tree.args.args
        if not isinstance(reached.node, BatchNode) and [a.arg for a in arguments[1:2]] == [node.id]:
            return node.id
    if hook not in hooks_in_threads(reached.node):
        return ""
    value = attribute_of(reached.node, attribute) if attribute else scope.global_of(node)
    return ast.unparse(node) if _refuses_threads(value) else ""


def _refuses_threads(value: Any) -> bool:
    """Whether a value is a connection for the thread that opened it. It does not tell: this tries it."""
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is None or not isinstance(value, sqlite3.Connection):
        return False
    refused = []

    def use() -> None:
        try:
            sqlite3.Connection.cursor(value)
        except sqlite3.ProgrammingError as error:
            refused.append("thread" in str(error))  # else it is closed

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    return any(refused)


def counted_globals(reached: ReachableNode, limit: int, *, threads: bool) -> Iterator[Finding]:
    """Find globals that threads compute from themselves, as counters, without a lock."""
    if limit == 1:
        return
    for hook in hooks_in_threads(reached.node) if threads else ():
        declared: set[tuple[Scope, str]] = set()
        locked: set[int] = set()
        for each in executed_code(reached.source, hook):
            node, scope = each.node, each.scope
            if isinstance(node, ast.Global):
                declared.update((scope, name) for name in node.names)
            elif isinstance(node, ast.With) and "lock" in ast.unparse(node.items[0]).lower():
                locked.update(map(id, ast.walk(node)))
            elif (scope, (name := _counted(node))) in declared and id(node) not in locked:
                yield Finding(
                    f"{each.subject(hook)} computes the global {name} from itself, in a thread.",
                    "Of two rows that do so at the same time, one undoes what the other has done.",
                    "Do it in post, which runs on the event loop; or hold a threading.Lock() meanwhile.",
                    reached.name,
                    reached.source.place(hook, each.call),
                )
                return


def _counted(node: ast.AST) -> str:
    """Return the name that a statement computes from itself; "" if it is none."""
    if isinstance(node, ast.AugAssign):
        return node.target.id if isinstance(node.target, ast.Name) else ""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        parts = (each for each in ast.walk(node.value) if isinstance(each, ast.Name))
        return name if any(each.id == name for each in parts) else ""
    return ""


def foreign_locals(reached: ReachableNode, *, threads: bool) -> Iterator[Finding]:
    """Find attributes of a `threading.local` that are set in one thread and read in another one."""
    for here, there in _sides(reached, threads=threads):
        set_there = {name: hook for name, hook, _ in _locals(reached, there, ast.Store)}
        set_here = {name for name, _, _ in _locals(reached, here, ast.Store)}
        for name, hook, each in _locals(reached, here, ast.Load):
            if name in set_here or name not in set_there:
                continue
            yield Finding(
                f"{each.subject(hook)} reads {name}, which {set_there[name]} sets in another thread.",
                "Each thread has its own attributes of a threading.local, so this raises an "
                "AttributeError.",
                f"Return the value from {set_there[name]}.",
                reached.name,
                reached.source.place(hook, each.call),
            )


def _locals(
    reached: ReachableNode, hooks: tuple[str, ...], context: type[ast.expr_context]
) -> Iterator[tuple[str, str, Executed]]:
    """Yield the attributes of objects of `threading.local` that methods use, with the method."""
    for hook in hooks:
        for each in executed_code(reached.source, hook):
            node, scope = each.node, each.scope
            if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, context):
                continue
            attribute = scope.attribute_of_self(node.value)
            holder = (
                attribute_of(reached.node, attribute) if attribute else scope.global_of(node.value)
            )
            # What its class defines is there in every thread.
            if isinstance(holder, threading.local) and not hasattr(type(holder), node.attr):
                yield ast.unparse(node), hook, each
