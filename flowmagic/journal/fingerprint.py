"""Fingerprints by which a run recognises its flow in an earlier one.

The fingerprint of a flow has a digest for each thing that its nodes depend on, by name, so that a
change is reported by name; see `flow.dependencies.reader` for what these are. Not compared is what
has no exact form, such as a client, and what the run itself changes, such as a cache, a counter or
the answers in the shared store: what the nodes' code is seen to change, and what was found changed
when the run ended. What somebody else binds anew while the run is under way, in another cell, is
recorded as edited; such a run is not the same as any other.

Secrets are masked before they are hashed: another API key does not make another flow.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from ..flow.dependencies.names import is_within
from ..flow.dependencies.reader import CHANGED_BY_RUN, Reader
from ..flow.dependencies.running_code import PYTHON
from .snapshot import secrets_of_flow


@dataclass
class Fingerprint:
    """What the nodes of a flow depended on when a run of it began.

    Attributes:
        digests, packages: as in `Reader`.
        left_out: why a name, and what begins with it, is not compared.
        edited: names that somebody changed while the run was under way.
        python: the version of Python, which counts where only code could be read.
    """

    digests: dict[str, str]
    packages: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    edited: list[str] = field(default_factory=list)
    python: str = PYTHON

    @classmethod
    def from_json(cls, text: str) -> Fingerprint:
        """Return the fingerprint that a text of `to_json` stands for.

        Raises:
            ValueError, TypeError: the text is damaged.
        """
        found = cls(**json.loads(text))
        dicts = (found.digests, found.packages, found.left_out)
        if not all(isinstance(each, dict) for each in dicts):
            raise TypeError(repr(text[:80]))
        texts = [found.python, *found.edited, *(item for each in dicts for item in each.values())]
        if not all(isinstance(each, str) for each in texts):
            raise TypeError(repr(text[:80]))
        return found

    def to_json(self) -> str:
        """Return the fingerprint as text."""
        return json.dumps(asdict(self))

    @property
    def changed_by_run(self) -> list[str]:
        """The names that are left out because the run changes them."""
        return sorted(name for name, why in self.left_out.items() if why == CHANGED_BY_RUN)

    def differences(self, now: Fingerprint, *, left_out: Collection[str] = ()) -> list[str]:
        """Return what has changed since, in words, one thing each.

        Args:
            left_out: names that are not compared, besides those of these two.
        """
        ignored = {*self.left_out, *now.left_out, *left_out}
        same_python = self.python == now.python
        found = [f"{name} was changed while it ran" for name in self.edited]
        unknown: list[str] = []
        for name in _differing(self.digests, now.digests, same_python=same_python):
            if is_within(name, ignored):
                continue
            before, after = self.digests.get(name), now.digests.get(name)
            if before is None or after is None:
                found.append(f"{name} is {'new' if before is None else 'gone'}")
            elif not same_python and ":" in before and _lacks_source(before, after):
                unknown.append(name)
            else:
                found.append(f"{name} has changed")
        if unknown:
            found.append(
                f"Python is {now.python} and was {self.python}, and {', '.join(unknown)} cannot be "
                "compared without a source"
            )
        for package in sorted({*self.packages, *now.packages} - ignored):
            was, is_now = self.packages.get(package), now.packages.get(package)
            if was is None or is_now is None:
                found.append(f"{package} is {'new' if was is None else 'gone'}")
            elif was != is_now and was and is_now:
                found.append(f"{package} is {is_now} and was {was}")
        return found


def _differing(before: dict[str, str], now: dict[str, str], *, same_python: bool) -> Iterator[str]:
    for name in sorted({*before, *now}):
        was, is_now = before.get(name), now.get(name)
        if was != is_now and not (
            was is not None
            and is_now is not None
            and _are_same(was, is_now, same_python=same_python)
        ):
            yield name


def _are_same(before: str, now: str, *, same_python: bool) -> bool:
    """Whether two digests are of the same things: for functions, by their source or by their code."""
    old, new = before.split(" "), now.split(" ")
    return len(old) == len(new) and all(
        _is_same(one, other, same_python=same_python) for one, other in zip(old, new, strict=True)
    )


def _is_same(before: str, now: str, *, same_python: bool) -> bool:
    source, colon, code = before.partition(":")
    source_now, _, code_now = now.partition(":")
    if not colon:
        return before == now
    return bool(source and source == source_now) or (same_python and code == code_now)


def _lacks_source(*digests: str) -> bool:
    return any(each.startswith(":") for digest in digests for each in digest.split(" "))


FILLED = "fill_shared"
"""The name under which the option is compared: with it, nodes find other things in the shared store."""


def fingerprint_of(flow: Any, shared: Any) -> Fingerprint:
    """Return the fingerprint that a run of a flow would have now, without options."""
    return _of(_read(flow, shared, secrets_of_flow(flow, shared)))


def _read(flow: Any, shared: Any, secrets: frozenset[str], *, filled: bool = False) -> Reader:
    reader = Reader(secrets)
    reader.read_flow(flow, shared)
    if filled:
        reader.digests[FILLED] = str(filled)
    return reader


def _of(reader: Reader) -> Fingerprint:
    return Fingerprint(reader.digests, reader.packages, reader.left_out)


class LiveFingerprint:
    """The fingerprint of a run that is under way.

    Args:
        filled: whether the rows are in the instances' views of the shared store.

    Attributes:
        value: the fingerprint, with what was found since the run began.
    """

    def __init__(
        self, flow: Any, shared: Any, secrets: frozenset[str], *, filled: bool = False
    ) -> None:
        self._read = partial(_read, flow, shared, secrets, filled=filled)
        reader = self._read()
        self.value = _of(reader)
        self._bindings = reader.bindings

    def look(self, *, at_end: bool = False) -> bool:
        """Look for what has changed since the run began; return whether anything new was found.

        Without `at_end`, only for what another cell has bound anew; that takes microseconds as long as
        there is none.
        """
        rebound = [
            each.name
            for each in self._bindings
            if not (each.is_bound or is_within(each.name, self._known))
        ]
        if not (rebound or at_end):
            return False
        reader, changed = self._read_again()
        bound = {"shared", *(each.name for each in self._bindings if each.is_bound)}
        by_run = [name for name in changed if self._is_by_run(name, bound, rebound)]
        edited = self._edited(reader, [name for name in changed if name not in by_run], rebound)
        self._bindings = reader.bindings
        if at_end:
            self._bindings = []  # they keep the user's objects
            self.value.left_out.update(dict.fromkeys(by_run, CHANGED_BY_RUN))
        return edited or (at_end and bool(by_run))

    def reopen(self) -> bool:
        """Take up the run again after its end; return whether anything has changed since.

        Nothing of that is the work of the run itself.
        """
        reader, changed = self._read_again()
        self._bindings = reader.bindings
        return self._edited(reader, changed, changed)

    @property
    def _known(self) -> set[str]:
        return {*self.value.left_out, *self.value.edited}

    def _read_again(self) -> tuple[Reader, list[str]]:
        """Read all once more; return also the names that differ from when the run began."""
        reader = self._read()
        names = _differing(self.value.digests, reader.digests, same_python=True)
        return reader, [name for name in names if not is_within(name, self._known)]

    def _is_by_run(self, name: str, bound: set[str], rebound: list[str]) -> bool:
        """Whether the run itself may have made a change: it has no other code, and no other graph."""
        before = self.value.digests.get(name, "")
        if ":" in before or name.endswith((".successors", ".start_node")):
            return False
        return not rebound or is_within(name, bound) or not before

    def _edited(self, reader: Reader, names: list[str], rebound: list[str]) -> bool:
        """Record names as edited; return whether there are any."""
        # Where another function was bound, one name is gone and another one new.
        edited = [name for name in names if name in reader.digests] or (rebound if names else [])
        self.value.edited += edited
        return bool(edited)
