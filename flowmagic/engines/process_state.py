"""Undoes what a run has changed of its process: the working directory and `os.environ`.

All threads of a process share both, and the run shares them with the notebook. When the run ends, what
its code has changed gets the value from before, unless other code, such as a cell, has changed it
since. Of several runs at once, each keeps its changes until it ends. What a run does to the standard
streams needs no undoing: see `redirects`.

While a run is in progress, `os.environ` has a subclass of its class, and `os.chdir` is replaced: both
note who changes what.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ..flow.finding import SHOWN, Finding
from . import redirects
from .redirects import owner

_CWD = ""
"""The key of the working directory. The key of an environment variable is its name."""

_lock = threading.RLock()
_active: set[ProcessState] = set()
_changes: dict[str, _Change] = {}
"""What the active runs have changed."""


class ProcessState:
    """What the code of one run changes of its process, from `begin` to `end`.

    Attributes:
        thread: the thread of the run's event loop.
        cwd: the working directory, as code that is known has set it; None: it was deleted.
        unknown: what was changed by code that may belong to the run or not, with the value from before.
    """

    def __init__(self) -> None:
        self.thread = 0
        self.cwd: str | None = None
        self.unknown: dict[str, str | None] = {}
        self._undone: dict[str, bool] = {}
        """What had to be put back, and whether that was possible."""

    def enter(self) -> None:
        """Make the code that runs in the current Context code of this run."""
        owner.set(self)

    def begin(self) -> None:
        """Watch what changes from now on."""
        self._redirects = redirects.Installation()
        with _lock:
            self.thread, self.cwd = threading.get_ident(), _value(_CWD)
            if not _active:
                _install()
            _active.add(self)

    def end(self) -> None:
        """Undo what the run has changed; further calls do nothing."""
        with _lock:
            if self not in _active:
                return
            for key, change in list(_changes.items()):
                latest = change.latest
                change.forget(self)
                if change.latest != latest == _value(key):
                    self._undone[key] = _put(key, change.latest)
                if not change.by_run:
                    del _changes[key]
            _active.discard(self)
            if not _active:
                _uninstall()
            if self.cwd != _value(_CWD):  # by os.fchdir or code in C
                self.unknown.setdefault(_CWD, self.cwd)
        self._redirects.remove()

    def findings(self) -> Iterator[Finding]:
        """Yield what was put back when the run ended, and what was not."""
        for name in _names(self._undone):
            gone = name == _CWD_NAME and not self._undone[_CWD]
            yield Finding(
                f"The run changed {name}, and the one from before does not exist any more."
                if gone
                else f"The run changed {name}, which was put back when it ended.",
                "All rows and the notebook share it, so one row may have used what another one set.",
                "Use absolute paths, and cwd= for a subprocess."
                if name == _CWD_NAME
                else "Pass values as arguments, and to a subprocess with env=.",
                note=True,
            )
        for name in _names(self.unknown):
            before = self.unknown.get(_CWD)
            yield Finding(
                f"During the run, {name} changed, and it was not put back.",
                "It was changed in a thread that belongs to no instance, or by code in C.",
                f"To go back, run os.chdir({before!r})." if name == _CWD_NAME and before else "",
                note=True,
            )


_CWD_NAME = "the working directory"


def _names(keys: Collection[str]) -> list[str]:
    """Return names for the working directory and for environment variables, all of these in one."""
    variables = sorted(key for key in keys if key != _CWD)
    names = [_CWD_NAME] if _CWD in keys else []
    if variables:
        more = f" and {len(variables) - SHOWN} more" if len(variables) > SHOWN else ""
        names.append(f"os.environ ({', '.join(variables[:SHOWN])}{more})")
    return names


class _Change:
    """The value of something before runs changed it, and the latest one of each run."""

    def __init__(self, before: str | None) -> None:
        self._before = before
        self.by_run: dict[ProcessState, str | None] = {}

    def note(self, run: ProcessState, value: str | None) -> None:
        """Note what a run has set."""
        self.by_run.pop(run, None)  # the latest comes last
        self.by_run[run] = value

    def forget(self, run: ProcessState) -> None:
        """Forget what a run has set."""
        self.by_run.pop(run, None)

    @property
    def latest(self) -> str | None:
        """The value now, if nobody else has set it."""
        return next(reversed(self.by_run.values()), self._before)


def _value(key: str) -> str | None:
    """Return the value that something has now; None if it has none."""
    if key != _CWD:
        return os.environ.get(key)
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def _put(key: str, value: str | None) -> bool:
    """Set a value for all runs; return whether that was possible."""
    if key == _CWD:
        try:
            _stock_chdir(value)
        except (OSError, TypeError):  # it was deleted meanwhile, or when the run began
            return False
        _set_cwd()
    elif value is None:
        os._Environ.__delitem__(os.environ, key)
    else:
        os._Environ.__setitem__(os.environ, key, value)
    return True


def _set_cwd() -> None:
    now = _value(_CWD)
    for run in _active:
        run.cwd = now


def _note(key: str, before: str | None) -> None:
    """Note that the code that runs here has changed something."""
    run = owner.get()
    if run in _active:
        _changes.setdefault(key, _Change(before)).note(run, _value(key))
    elif run is None and _may_be_a_cell(threading.get_ident()):
        _changes.pop(key, None)
    else:
        for each in _active:
            each.unknown.setdefault(key, before)
        return
    for each in _active:
        each.unknown.pop(key, None)
    if key == _CWD:
        _set_cwd()


def _may_be_a_cell(thread: int) -> bool:
    return thread == threading.main_thread().ident or any(run.thread == thread for run in _active)


class _Environ(os._Environ):  # type: ignore[type-arg]
    """The class of `os.environ` while a run is in progress."""

    def __setitem__(self, key: str, value: str) -> None:
        with _lock:
            before = self.get(key)
            super().__setitem__(key, value)
            _note(self.decodekey(self.encodekey(key)), before)  # in upper case on Windows

    def __delitem__(self, key: str) -> None:
        with _lock:
            before = self.get(key)
            super().__delitem__(key)
            _note(self.decodekey(self.encodekey(key)), before)


_stock_chdir: Callable[[Any], None] = os.chdir


def _chdir(path: Any) -> None:
    """Change the working directory, as `os.chdir` does."""
    with _lock:
        before = _value(_CWD)
        _stock_chdir(path)
        _note(_CWD, before)


def _install() -> None:
    if type(os.environ) is os._Environ:
        os.environ.__class__ = _Environ
    if os.chdir is _stock_chdir:
        os.chdir = _chdir


def _uninstall() -> None:
    if type(os.environ) is _Environ:
        os.environ.__class__ = os._Environ  # type: ignore[assignment]
    if os.chdir is _chdir:
        os.chdir = _stock_chdir  # type: ignore[assignment]
