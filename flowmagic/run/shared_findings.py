"""What a run may have done to the shared store without a crossing: before it, and after its end."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from ..flow.finding import Finding, concerned, indices_text
from ..flow.shared_writes import shared_writes_of
from ..shared.data_copies import copy_of_data
from ..shared.object_watch import SharedObject
from ..shared.paths import name_of_path
from ..shared.retried_changes import RetriedChange
from ..shared.shared_store import Sharing, Store, not_copied_in
from ..text.formatting import short_repr, truncate
from ..text.redact import secrets_of

_NAME = 60  # characters of a class or a key


def findings_before(sharing: Sharing, shared: Any) -> list[Finding]:
    """Return which objects in the store isolated instances will share, since they are not copied."""
    if not sharing.isolate or type(shared) is not dict:
        return []
    secrets = secrets_of(shared)
    return [not_copied(each, secrets) for each in not_copied_in(shared, sharing.allowed)]


def shared_findings(flow: Any, store: Store, secrets: AbstractSet[str]) -> list[Finding]:
    """Return what instances of an ended run may have done to each other in the store unseen.

    Found are: objects that isolated instances shared; arrays, frames and other objects that instances
    changed in place; changes by attempts that were followed by another one.
    """
    if store.is_isolated:
        return [not_copied(each, secrets) for each in store.changed_objects]
    return [
        *_changed(flow, store.changed_objects, secrets),
        *(_retried(each, secrets) for each in store.retried()),
    ]


def not_copied(each: SharedObject, secrets: AbstractSet[str]) -> Finding:
    """Return the finding about an object that isolated instances share."""
    changed = bool(each.changed)
    place = _place(each, secrets)
    return Finding(
        f"Isolated instances use one and the same object in {place}"
        + (", and it has changed." if changed else "."),
        "It is too large to be copied, or holds what cannot be copied, such as a connection or a lock.",
        f"If that is intended, write {_allow(each, secrets)}. Otherwise make one in each instance.",
        note=not changed,
    )


def _changed(
    flow: Any, objects: Iterable[SharedObject], secrets: AbstractSet[str]
) -> Iterable[Finding]:
    """Find the objects that nodes changed in place, or may have changed."""
    for each in objects:
        unseen = each.changed is None and each.path[0] in shared_writes_of(flow).objects
        if each.changed or unseen:
            own = (
                "With isolate=True each instance has a copy of its own."
                if copy_of_data(each.value) is not each.value
                else "If each should have its own, make it in the instance."
            )
            yield Finding(
                f"Instances {'may have ' * unseen}changed {_place(each, secrets)} in place.",
                "Whether they crossed there cannot be seen, as it is in lists and dicts.",
                f"{own} If they share it on purpose, write {_allow(each, secrets)}.",
                note=unseen,
            )


def _retried(each: RetriedChange, secrets: AbstractSet[str]) -> Finding:
    rows = indices_text(each.rows, len(each.rows))
    return Finding(
        f"{name_of_path(each.path, secrets)} still holds what earlier attempts of {rows} added to it.",
        "A retry begins again at the first node, and what its nodes add to shared is added once more.",
        "Add it in the last node, or under a key of the row: shared[key][self.params[...]] = ...",
        **concerned(list(each.rows)),
    )


def _place(each: SharedObject, secrets: AbstractSet[str]) -> str:
    kind = truncate(type(each.value).__name__, _NAME)
    return f"{name_of_path(each.path, secrets)} ({kind})"


def _allow(each: SharedObject, secrets: AbstractSet[str]) -> str:
    return f"allow_shared=[{short_repr(each.path[0], _NAME, secrets)}]"
