"""Records what a process does to the files of a folder, in SQLite and in Python.

SQLite reaches its files through a VFS, a table of functions. `recording` puts a copy of the system's own
in its place, in which writing, truncating, syncing, creating and deleting are also noted.

SQLite's index of the -wal, the -shm, is shared memory. It is not noted: the first connection after a
crash empties it, and makes it again from the -wal.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

_OK = 0
_HEAD_METHODS = 14  # of a VFS, after those that are replaced
_FILE_METHODS = 13  # of a file, after those that are replaced


class Op(NamedTuple):
    """Something done to a file.

    Attributes:
        kind: "create", "write", "truncate", "sync", "rename" or "delete".
        name: of the file.
        at: where it is written, or the size to which it is truncated.
        data: what is written.
        to: its new name.
    """

    kind: str
    name: str
    at: int = 0
    data: bytes = b""
    to: str = ""


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
    """Have what this process does to the files of a folder noted, in its order.

    Of SQLite, the connections are seen that are opened in the `with` block; of Python, `os.fsync`,
    `Path.replace` and `Path.unlink`. `note` is called in the thread that acts: when a sync is done, and
    before anything else is.

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
        with vfs.recording_python():
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
        self._folder = folder.resolve()
        self._there: set[str] = set()
        """The names of the files in the folder that were noted."""
        self._names: dict[int, str] = {}
        """The names of the files that SQLite has opened, by the address of what it knows of them; empty
        once they have none.
        """
        self._written: dict[str, bytes] = {}
        """What Python was noted to have written, by name."""
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
        return self._name_of(Path(ctypes.string_at(path).decode())) if path else ""

    def _name_of(self, path: Path) -> str:
        return path.name if path.parent.resolve() == self._folder else ""

    def _open(
        self, vfs: int, path: int | None, file: int, flags: int, flags_out: int | None
    ) -> int:
        name = self._name(path)
        done = self._system.open(vfs, path, file, flags, flags_out)
        if done == _OK and name:
            self._create(name)
            self._names[file] = name
            methods = ctypes.cast(file, ctypes.POINTER(ctypes.c_void_p)).contents
            methods.value = ctypes.addressof(self._recording(methods.value or 0))
        return int(done)

    def _recording(self, address: int) -> _Methods:
        if address not in self._methods:
            system = _Methods.from_address(address)
            own = _Methods.from_buffer_copy(system)

            def write(file: int, data: int, size: int, at: int) -> int:
                self._note_of_open(Op("write", self._names[file], at, ctypes.string_at(data, size)))
                return int(system.write(file, data, size, at))

            def truncate(file: int, size: int) -> int:
                self._note_of_open(Op("truncate", self._names[file], size))
                return int(system.truncate(file, size))

            def sync(file: int, flags: int) -> int:
                done = int(system.sync(file, flags))
                self._note_of_open(Op("sync", self._names[file]))
                return done

            own.write, own.truncate, own.sync = _WRITE(write), _TRUNCATE(truncate), _SYNC(sync)
            self._methods[address] = own, system
        return self._methods[address][0]

    def _delete(self, vfs: int, path: int | None, synced: int) -> int:
        self._remove(self._name(path))
        return int(self._system.delete(vfs, path, synced))

    def _note_of_open(self, op: Op) -> None:
        if op.name:  # otherwise the file is at no path any more
            self._note(op)

    def _create(self, name: str) -> None:
        if name not in self._there:
            self._there.add(name)
            self._note(Op("create", name))

    def _remove(self, name: str, to: str = "") -> None:
        if name not in self._there:
            return
        self._there.remove(name)
        for file, each in list(self._names.items()):
            if each in (name, to):
                self._names[file] = ""
        self._note(Op("rename", name, to=to) if to else Op("delete", name))

    @contextlib.contextmanager
    def recording_python(self) -> Iterator[None]:
        """Note also what Python does; what it has written, when it syncs or renames the file."""
        fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

        def write(path: Path) -> None:
            """Note what was written, unless SQLite has written it."""
            name, data = path.name, path.read_bytes()
            self._create(name)
            if data != self._written.get(name) and name not in self._names.values():
                self._note(Op("write", name, 0, data))
            self._written[name] = data

        def syncing(descriptor: int) -> None:
            fsync(descriptor)
            for path in self._folder.iterdir():
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    write(path)
                    self._note(Op("sync", path.name))

        def replacing(path: Path, target: Path) -> Path:
            if self._name_of(path):
                write(path)
                self._remove(path.name, to=target.name)
            return replace(path, target)

        def unlinking(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - as there
            self._remove(self._name_of(path))
            unlink(path, missing_ok)

        with (
            mock.patch.object(os, "fsync", syncing),
            mock.patch.object(Path, "replace", replacing),
            mock.patch.object(Path, "unlink", unlinking),
        ):
            yield
