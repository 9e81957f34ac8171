"""Rules about what instances find in the shared store, and what they do there to each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pocketflow import AsyncNode, BatchFlow

from ..finding import Finding
from .reachable_nodes import ReachableNode
from .shared_usage import SharedUsage, shared_usage_of


def _usage(reached: ReachableNode) -> SharedUsage:
    return shared_usage_of(reached.source, _hooks(reached, "prep", "post"))


def _hooks(reached: ReachableNode, *names: str) -> list[str]:
    suffix = "_async" if isinstance(reached.node, AsyncNode) else ""
    return [f"{name}{suffix}" for name in names]


def unfilled(
    nodes: Sequence[ReachableNode], rows: Sequence[Mapping[Any, Any]]
) -> Iterator[Finding]:
    """Find keys of the rows that nodes read from the shared store, and none from its params."""
    if any(each.usage.may_read_any for each in nodes) or not rows:
        return
    params = set().union(*({*each.usage.required, *each.usage.optional} for each in nodes))
    usages = [(each, _usage(each)) for each in nodes if each.outer or not each.is_flow]
    assigned = set().union(*(usage.assigned for _, usage in usages))
    if (
        usages and not usages[0][0].is_flow
    ):  # what the first node reads, no other has written before
        assigned -= usages[0][1].read.keys() - usages[0][1].assigned.keys()
    for key in rows[0]:
        readers = [(each, usage.read[key]) for each, usage in usages if key in usage.read]
        if not readers or key in params or key in assigned:
            continue
        reached, place = readers[0]
        yield Finding(
            f'No node reads the param "{key}", and {reached.name} reads shared["{key}"].',
            "The row is in self.params; the shared store does not have it.",
            "Add --fill-shared (fill_shared=True): each instance gets a store of its own, with its row.",
            reached.name,
            place,
        )
        return  # that option is for all of them


def mixed(
    nodes: Sequence[ReachableNode], limit: int, allowed: Collection[Any]
) -> Iterator[Finding]:
    """Find containers in the shared store that every instance adds to, and that instances read."""
    usages = [(each, _usage(each)) for each in nodes if each.outer or not each.is_flow]
    assigned = set().union(*(usage.assigned for _, usage in usages))
    reported: set[str] = set(allowed)
    for reached, usage in usages:
        for key, place in {**usage.counted, **usage.grown}.items():
            if key in reported or (limit == 1 and key in assigned):
                continue
            readers = [each.name for each, other in usages if key in other.read]
            counts = key in usage.counted and not readers
            if not readers and not counts:
                continue
            reported.add(key)
            own = reached.name in readers
            yield Finding(
                f'It counts in shared["{key}"].'
                if counts
                else f'It changes shared["{key}"] in place, and {"" if own else readers[0] + " "}reads it.',
                "All instances use one shared store, so each finds there what the others have done.",
                "Write --isolate (isolate=True), or --fill-shared, so that each has a store of its own; or "
                f"--allow-shared {key}, if they use it together on purpose.",
                reached.name,
                place,
                note=counts,
            )


def uncopied(nodes: Sequence[ReachableNode]) -> Iterator[Finding]:
    """Find queues in the shared store that isolated instances use together, since they are not copied."""
    usages = [(each, _usage(each)) for each in nodes if each.outer or not each.is_flow]
    reported = set().union(*(usage.assigned for _, usage in usages))
    for reached, usage in usages:
        for key, place in usage.queued.items():
            if key not in reported:
                reported.add(key)
                yield Finding(
                    f'It puts into shared["{key}"], which no node creates.',
                    "A queue is not copied: all instances use the same one, and take what others have put.",
                    f'Create it in the first node, such as shared["{key}"] = asyncio.Queue().',
                    reached.name,
                    place,
                )


def unmerged(nodes: Sequence[ReachableNode]) -> Iterator[Finding]:
    """Find what a BatchFlow's post reads that isolated instances have written each for itself."""
    flow, *inner = nodes
    if not isinstance(flow.node, BatchFlow):
        return
    usages = [_usage(each) for each in inner]
    merges: dict[str, str] = {}
    place = None
    for key, read_at in shared_usage_of(flow.source, _hooks(flow, "post")).read.items():
        usage = next((each for each in usages if key in each.written), None)
        if usage is not None:
            merges[key] = _merge(key, usage)
            place = place or read_at
    if merges:
        listed = ", ".join(f'shared["{key}"]' for key in merges)
        lines = ", ".join(merges.values())
        if all(key in usage.assigned for key in merges for usage in usages if key in usage.written):
            lines = "shared.update(instance.writes)"
        yield Finding(
            f"Its post reads {listed}, which each isolated instance writes for itself.",
            "Without merge, what the instances wrote is in shared[0], shared[1] and so on.",
            f"Pass merge=lambda shared, instance: {f'({lines})' if len(merges) > 1 else lines}",
            flow.name,
            place,
        )


def _merge(key: str, usage: SharedUsage) -> str:
    """Return the expression that brings back what an instance wrote to a key."""
    if key in usage.keyed:
        return f'shared.setdefault("{key}", {{}}).update(instance.writes.get("{key}", {{}}))'
    if key in usage.grown and key not in usage.counted:
        return f'shared.setdefault("{key}", []).extend(instance.writes.get("{key}", []))'
    return f'shared.update({{"{key}": instance.writes.get("{key}")}})'
