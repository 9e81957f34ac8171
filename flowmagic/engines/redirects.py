"""Lets a node redirect `sys.stdout` for itself alone, while all other code prints as before.

`contextlib.redirect_stdout` and `sys.stdout = ...` act on the whole process. Of two nodes that use them
at the same time, in threads or in turns on the event loop, one captures what the other prints, and the
one that ends last puts the other's stream back, where all later prints of the notebook are lost. So
while a run is in progress, what its code assigns to `sys.stdout`, `sys.stderr` and `sys.stdin` applies
to the current Context only: to a node, and to the tasks and threads that inherit its Context. What other
code assigns applies to the process, as ever.

For that, the class of `sys` is replaced by a subclass with a descriptor for each stream. Code in C, such
as `print`, reads the dict of `sys` instead; so a dispatcher is put there when a node first redirects a
stream. Prints outside of nodes cost nothing more until then.
"""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

owner: ContextVar[Any] = ContextVar("flowmagic_owner", default=None)
"""What the code in the current Context belongs to, such as a run; None: no run."""

_lock = threading.RLock()  # reentrant, since a signal handler or a finaliser may assign, too


class _Redirect(NamedTuple):
    """What is assigned to a stream in a Context.

    Attributes:
        replaced: the stream of the process at that time; assigning it ends the redirect.
    """

    stream: Any
    replaced: Any


class _Stream:
    """Descriptor of a standard stream of `sys`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._redirect: ContextVar[_Redirect | None] = ContextVar(f"flowmagic_{name}", default=None)
        self._dispatcher = _Dispatcher(self)
        self._below: Any = None
        """The stream of the process, if the dispatcher is in its place."""

    def current(self) -> Any:
        """Return the stream in the current Context."""
        redirect = self._redirect.get()
        return self._of_process() if redirect is None else redirect.stream

    def _of_process(self) -> Any:
        stream = vars(sys).get(self.name)
        return self._below if stream is self._dispatcher else stream

    def _dispatches(self) -> bool:
        return vars(sys).get(self.name) is self._dispatcher

    def __get__(self, module: ModuleType | None, kind: type | None = None) -> Any:
        return self if module is None else self.current()

    def __set__(self, module: ModuleType, stream: Any) -> None:
        with _lock:
            of_process = self._of_process()
            if stream is self._dispatcher:  # read from the dict
                stream = of_process
            if owner.get() is not None:
                self._redirect_to(stream, of_process)
            elif self._dispatches():
                self._below = stream
            else:
                vars(sys)[self.name] = stream

    def _redirect_to(self, stream: Any, of_process: Any) -> None:
        redirect = self._redirect.get()
        replaced = of_process if redirect is None else redirect.replaced
        if stream is replaced or stream is of_process:
            self._redirect.set(None)
            return
        self._redirect.set(_Redirect(stream, replaced))
        if not self._dispatches():
            self._below = of_process
            vars(sys)[self.name] = self._dispatcher

    def remove_dispatcher(self) -> None:
        """Put the stream of the process back in its place."""
        if self._dispatches():
            vars(sys)[self.name] = self._below


class _Dispatcher:
    """Passes everything on to the stream of the current Context."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> Any:
        """Write to that stream. None takes any text, as in `print`."""
        stream = self._stream.current()
        return None if stream is None else stream.write(text)

    def flush(self) -> None:
        """Flush that stream."""
        stream = self._stream.current()
        if stream is not None:
            stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream.current(), name)


class _Sys(ModuleType):
    """The class of `sys` while a run is in progress."""

    stdin, stdout, stderr = _STREAMS = tuple(map(_Stream, ("stdin", "stdout", "stderr")))

    if sys.version_info >= (3, 14):

        def __getattr__(self, name: str) -> Any:
            # Without this method, Python 3.14 reads the dict instead of calling the descriptors
            # (https://github.com/python/cpython/issues/156399).
            return super().__getattribute__(name)

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle recognises modules by their exact class.
        return import_module, ("sys",)


_installations: set[Installation] = set()


class Installation:
    """Keeps the redirects of runs apart, until `remove`.

    When the last installation has been removed, `sys` is as it was before the first one.
    """

    def __init__(self) -> None:
        with _lock:
            _installations.add(self)
            if type(sys) is ModuleType:
                sys.__class__ = _Sys

    def remove(self) -> None:
        """Remove it, from any thread; further calls do nothing."""
        with _lock:
            _installations.discard(self)
            if not _installations and type(sys) is _Sys:
                for stream in _Sys._STREAMS:
                    stream.remove_dispatcher()
                sys.__class__ = ModuleType  # type: ignore[assignment]
