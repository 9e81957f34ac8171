"""Rules about the actions that a node returns, and where they lead.

Each rule takes one node and yields its findings.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from pocketflow import AsyncNode

from ..finding import Finding
from ..graph import successors_of, ways_of
from .node_source import PossibleActions, possible_actions, user_overrides
from .reachable_nodes import ReachableNode

_ENDINGS = frozenset(
    {
        "abort", "aborted", "accept", "accepted", "approve", "approved", "cancel", "cancelled", "complete",
        "completed", "done", "end", "exit", "final", "finalise",
        "finalize", "finish", "finished", "give_up", "max_attempts", "max_iterations", "max_retries",
        "max_steps", "max_turns", "ok", "pass", "passed", "quit", "reject", "rejected", "stop", "succeeded",
        "success", "terminate",
    }
)  # fmt: skip
NO_ACTION_WHY = (
    'PocketFlow itself would fail with "unhashable type" here; a run does not look up what a node without '
    "successors returns."
)
NO_ACTION_INSTEAD = "Put it into shared, or return it from exec, which run.outputs has."


def is_ending(action: str) -> bool:
    """Whether an action commonly means that the flow ends, so that it needs no successor."""
    word = action.lower()
    return word in _ENDINGS or word.startswith(("end_", "end-"))


def meant_by(action: str, names: Iterable[str]) -> str:
    """Return the name of which an action may be a misspelling; "" if there is none.

    "approve" is none of "disapprove": words that contain one another are different words, unless they
    differ in one letter.
    """
    for name in difflib.get_close_matches(action, names):
        contained = name.lower() in action.lower() or action.lower() in name.lower()
        if not contained or abs(len(name) - len(action)) == 1:
            return name
    return ""


def unmatched_actions(reached: ReachableNode) -> Iterator[Finding]:
    """Find actions without a successor, and successors without an action that leads to them."""
    possible = _actions_of(reached)
    successors = successors_of(reached.node)
    if possible is None or not successors:
        return
    known, names = ways_of(reached.node), [str(each) for each in successors]
    returned = {"default" if each is None else each for each in possible.places}
    for action, place in possible.places.items():
        if action is None or action in known:
            continue
        meant = meant_by(action, [name for name in names if name not in returned])
        if not meant and is_ending(action):
            continue
        yield Finding(
            f'It can return "{action}", but has successors only for {_listed(names)}.',
            "The instance would end here, and count as succeeded.",
            f'Did you mean "{meant}"?'
            if meant
            else f'Add node - "{action}" >> another_node, or >> None if the flow ends there.',
            reached.name,
            place,
            # A missing successor may be meant to end the flow; a misspelt action is not.
            note=not meant,
        )
    if not possible.complete or possible.objects:
        return
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


def no_actions(reached: ReachableNode) -> Iterator[Finding]:
    """Find what a post returns that cannot be looked up among the successors, such as a dict."""
    possible = _actions_of(reached)
    if possible is None or not possible.objects:
        return
    looked_up = bool(ways_of(reached.node))
    for kind, place in possible.objects.items():
        yield Finding(
            f"post returns a {kind}, which is no action.",
            "PocketFlow looks it up among the successors, which raises a TypeError."
            if looked_up
            else NO_ACTION_WHY,
            NO_ACTION_INSTEAD,
            reached.name,
            place,
            note=not looked_up,
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
