"""Records what SQLite does to the files of a folder, and makes what a crash leaves of them.

SQLite reaches its files through a VFS, a table of functions. `recording` puts a copy of the system's own
in its place, in which writing, truncating, syncing, creating and deleting are also noted. `Disk` carries
out what was noted, step by step, and gives what is there if the process is killed, or the power lost.

SQLite's index of the -wal, the -shm, is shared memory. It is not noted: the first connection after a
crash empties it, and makes it again from the -wal.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

_SECTOR = 512  # bytes that a disk writes at once
_OK = 0
_HEAD_METHODS = 14  # of a VFS, after those that are replaced
_FILE_METHODS = 13  # of a file, after those that are replaced


class Op(NamedTuple):
    """Something done to a file.

    Attributes:
        kind: "create", "write", "truncate", "sync" or "delete".
        name: of the file.
        at: where it is written, or the size to which it is truncated.
        data: what is written.
    """

    kind: str
    name: str
    at: int = 0
    data: bytes = b""


class NotRecordableError(RuntimeError):
    """The functions of the SQLite that Python uses cannot be reached."""


_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_WRITE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, see https://sqlite.org/c3ref/vfs.html."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("others", ctypes.c_void_p * _HEAD_METHODS),
    )


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, see https://sqlite.org/c3ref/io_methods.html."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("others", ctypes.c_void_p * _FILE_METHODS),
    )


@contextlib.contextmanager
def recording(folder: Path, note: Callable[[Op], None]) -> Iterator[None]:
    """Have what this process does through SQLite to the files of a folder noted, in its order.

    Only connections that are opened in the `with` block are seen. `note` is called in the thread that
    acts: when a sync is done, and before anything else is.

    Raises:
        NotRecordableError: it is not possible with this Python; at the end of the block, if nothing was
            seen.
    """
    try:
        sqlite: Any = ctypes.CDLL(_sqlite3.__file__)
        sqlite.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        system = sqlite.sqlite3_vfs_find(None).contents
    except (AttributeError, OSError) as error:  # it is built in, or hides SQLite's functions
        raise NotRecordableError(f"SQLite cannot be recorded in this Python: {error}.") from None
    vfs = _RecordingVfs(system, folder, note)
    _kept.append(vfs)
    sqlite.sqlite3_vfs_register(ctypes.byref(vfs.own), 1)  # as the default
    try:
        yield
    finally:
        sqlite.sqlite3_vfs_unregister(ctypes.byref(vfs.own))
    if not vfs.has_seen_files:
        raise NotRecordableError("SQLite cannot be recorded: Python uses another than was found.")


_kept: list[_RecordingVfs] = []
"""For connections that Python closes later, as garbage: SQLite still calls these functions."""


class _RecordingVfs:
    def __init__(self, system: _Vfs, folder: Path, note: Callable[[Op], None]) -> None:
        self._system, self._note = system, note
        self._prefix = f"{folder.resolve()}/"
        self._there: set[str] = set()
        """The names of the files in the folder, as far as SQLite has opened them."""
        self._names: dict[int, str] = {}
        """The names of the files that were opened, by the address of what SQLite has of them."""
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}
        """The recording methods of files beside the system's own, by the address of these."""
        self.own = _Vfs.from_buffer_copy(system)
        self.own.name = b"recording"
        self.own.open, self.own.delete = _OPEN(self._open), _DELETE(self._delete)

    @property
    def has_seen_files(self) -> bool:
        return bool(self._names)

    def _name(self, path: int | None) -> str:
        """Return the name of a file in the folder, from the address of its path; "" for any other."""
        text = ctypes.string_at(path).decode() if path else ""
        return text.removeprefix(self._prefix) if text.startswith(self._prefix) else ""

    def _open(
        self, vfs: int, path: int | None, file: int, flags: int, flags_out: int | None
    ) -> int:
        name = self._name(path)
        done = self._system.open(vfs, path, file, flags, flags_out)
        if done == _OK and name:
            if name not in self._there:
                self._there.add(name)
                self._note(Op("create", name))
            self._names[file] = name
            methods = ctypes.cast(file, ctypes.POINTER(ctypes.c_void_p)).contents
            methods.value = ctypes.addressof(self._recording(methods.value or 0))
        return int(done)

    def _recording(self, address: int) -> _Methods:
        if address not in self._methods:
            system = _Methods.from_address(address)
            own = _Methods.from_buffer_copy(system)

            def write(file: int, data: int, size: int, at: int) -> int:
                self._note(Op("write", self._names[file], at, ctypes.string_at(data, size)))
                return int(system.write(file, data, size, at))

            def truncate(file: int, size: int) -> int:
                self._note(Op("truncate", self._names[file], size))
                return int(system.truncate(file, size))

            def sync(file: int, flags: int) -> int:
                done = int(system.sync(file, flags))
                self._note(Op("sync", self._names[file]))
                return done

            own.write, own.truncate, own.sync = _WRITE(write), _TRUNCATE(truncate), _SYNC(sync)
            self._methods[address] = own, system
        return self._methods[address][0]

    def _delete(self, vfs: int, path: int | None, synced: int) -> int:
        name = self._name(path)
        if name in self._there:
            self._there.remove(name)
            self._note(Op("delete", name))
        return int(self._system.delete(vfs, path, synced))


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
        if op.kind == "delete":
            del self._files[op.name]
            self._entries[op.name].append(None)
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
