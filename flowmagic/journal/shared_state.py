"""What a journal knows of the shared store of a run, besides what each row assigned to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..flow.finding import SHOWN, Finding

_WHY = "A journal can only repeat what each row assigned."
_ADVICE = (
    "Return the answer from exec, which run.outputs has, or assign it to a key of the row's own, such "
    'as shared[self.params["id"]] = answer.'
)


class SharedState(NamedTuple):
    """What is known of the shared store of a run, besides what each row assigned to it.

    Attributes:
        unseen: why it is not known what the rows assigned; empty if it is.
        is_assigned: whether a row has assigned anything.
        changed: why a key cannot be brought back as it was, by the key as text.
        is_compared: whether the store was compared with what the rows assigned, when all had ended.
    """

    unseen: str = ""
    is_assigned: bool = False
    changed: Mapping[str, str] = MappingProxyType({})
    is_compared: bool = False

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(self._replace(changed=dict(self.changed)))

    @classmethod
    def from_json(cls, text: str | None) -> SharedState:
        """Return what a text stands for; None if there was nothing to write."""
        if text is None:
            return cls()
        unseen, is_assigned, changed, is_compared = json.loads(text)
        return cls(str(unseen), bool(is_assigned), dict(changed), bool(is_compared))

    def reasons(self, number: int) -> dict[str, str]:
        """Return why keys are not as the run with this number left them, by the key as text."""
        if not self.unseen:
            return dict(self.changed)
        names = self.changed if self.is_compared else ["shared"]
        return dict.fromkeys(names, f"in run {number}, {self.unseen}")


def findings(changed: Mapping[str, str], *, is_resumed: bool) -> list[Finding]:
    """Return what is to be said of keys that cannot be brought back as they were, by reason.

    Args:
        changed: the reasons, by the key as text.
        is_resumed: whether rows were restored without them; else this is a note for a later run.
    """
    names: dict[str, list[str]] = {}
    for name, reason in changed.items():
        names.setdefault(reason, []).append(name)
    what = "not as before" if is_resumed else "not to be brought back by a resumed run"
    return [
        Finding(
            f"{_listed(each)} {'is' if len(each) == 1 else 'are'} {what}: {reason}.",
            _WHY,
            _ADVICE,
            note=not is_resumed,
        )
        for reason, each in names.items()
    ]


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
