"""What a crash leaves of files: of what was recorded, up to some step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from .recording import Op

_SECTOR = 512  # bytes that a disk writes at once

LOSSES = ("dropped", "reordered", "torn")
"""What becomes of writes that were not synced when the power is lost; see `Disk.without_power`."""


@dataclass
class _File:
    now: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    unsynced: list[Op] = field(default_factory=list)


class Disk:
    """The files of a folder, while what was noted is carried out step by step.

    Attributes:
        is_synced: whether a loss of power changes nothing.
    """

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._entries: dict[str, list[_File | None]] = {}
        """What may be found at each name after a loss of power; at last, what is there now."""

    def apply(self, op: Op) -> None:
        """Carry out an operation."""
        if op.kind == "create":
            self._files[op.name] = _File()
            self._entries.setdefault(op.name, [None]).append(self._files[op.name])
            return
        file = self._files[op.name]
        if op.kind in ("delete", "rename"):
            del self._files[op.name]
            self._entries[op.name].append(None)
            if op.to:
                self._files[op.to] = file
                self._entries.setdefault(op.to, [None]).append(file)
        elif op.kind == "sync":
            file.synced, file.unsynced = bytes(file.now), []
            # With a new file of its own, SQLite syncs the folder, too; the journal is not new to it.
            if len(self._entries[op.name]) > 1 and "-" in op.name:
                self._entries = {name: found[-1:] for name, found in self._entries.items()}
        else:
            _apply(op, file.now)
            file.unsynced.append(op)

    def after_kill(self, under_way: Op | None = None) -> dict[str, bytes]:
        """Return the files if the process is killed now, or half through an operation."""
        found = {name: bytes(file.now) for name, file in self._files.items()}
        if under_way is not None and under_way.kind == "write":
            content = bytearray(found[under_way.name])
            _apply(under_way._replace(data=under_way.data[: len(under_way.data) // 2]), content)
            found[under_way.name] = bytes(content)
        return found

    @property
    def is_synced(self) -> bool:
        return all(len(found) == 1 for found in self._entries.values()) and not any(
            file.unsynced for file in self._files.values()
        )

    def without_power(self, loss: str, chance: random.Random) -> dict[str, bytes]:
        """Return the files after a loss of power.

        Args:
            loss: what becomes of what was not synced. "dropped": nothing of it is there; "reordered":
                any of it is there and the rest is not; "torn": so it is with each sector of it, and
                some hold garbage.
        """
        found = {}
        share = chance.choice((0.1, 0.5, 0.9))
        for name, entries in self._entries.items():
            file = entries[0] if loss == "dropped" else chance.choice(entries)
            if file is None:
                continue
            content = bytearray(file.synced)
            if loss != "dropped":
                for op in file.unsynced:
                    for part in _sectors(op) if loss == "torn" else [op]:
                        if chance.random() < share:
                            _apply(part, content)
                        elif loss == "torn" and chance.random() < 0.1:
                            _apply(part._replace(data=chance.randbytes(len(part.data))), content)
            found[name] = bytes(content)
        return found


def _apply(op: Op, content: bytearray) -> None:
    if op.kind == "truncate":
        del content[op.at :]
        content.extend(bytes(op.at - len(content)))
        return
    content.extend(bytes(max(0, op.at - len(content))))
    content[op.at : op.at + len(op.data)] = op.data


def _sectors(op: Op) -> Iterator[Op]:
    """Yield the parts of a write that lie in different sectors."""
    if op.kind != "write":
        yield op
        return
    at = op.at
    while at < op.at + len(op.data):
        end = min((at // _SECTOR + 1) * _SECTOR, op.at + len(op.data))
        yield op._replace(at=at, data=op.data[at - op.at : end - op.at])
        at = end
