"""Carries out the commands of the pages: a table from each type of command to a function.

The page is untrusted. Only the types in the table do anything, each with its own fields only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ...errors import FlowmagicError, LimitError
from ...limits.limits import Limits
from ...run.batchrun import BatchRun
from ...text.formatting import error_text, truncate
from .failure_groups import FailureGroups
from .header import shown_limits
from .jsnull import with_none
from .param_list import ParamList
from .protocol import Command
from .queries import Queries, put_last
from .updates import Updates

if TYPE_CHECKING:
    from .widget import Start

_MAX_NOTICE = 500  # characters
_MAX_CLIENT = 40  # characters of a page's name
_MAX_N = 2**53  # the integers that JavaScript counts exactly
_NAMED_LIMIT_FIELDS = ("concurrency", "per_minute", "tokens_per_minute")


class Commands:
    """Carries out commands, and has what they change.

    Args:
        run: returns the run that commands act on; None before the first one.
        start: starts a run.
        limits: the limits of the first run that a page starts.
        param_list: what the next run runs.
        queries: handle the commands that change nothing.
        updates: send the state.
        failures: returns the failed rows, grouped.
        earlier: returns the earlier runs of the same cell.
        show: called with each run that a command has started.

    Attributes:
        notice: a line to the user: why the last command was refused, or what `show_notice` got.
        acknowledged: for each page, the number of its last command.
    """

    def __init__(
        self,
        run: Callable[[], BatchRun | None],
        start: Start,
        limits: Limits,
        *,
        param_list: ParamList,
        queries: Queries,
        updates: Updates,
        failures: Callable[[], FailureGroups],
        earlier: Callable[[], Iterable[BatchRun]],
        show: Callable[[BatchRun], None],
    ) -> None:
        self.notice = ""
        self.acknowledged: dict[str, int] = {}
        self._run = run
        self._start = start
        self._next_limits = limits
        self._param_list = param_list
        self._updates = updates
        self._failures = failures
        self._earlier = earlier
        self._show = show
        self._refused_type: str | None = None
        """The type of the command that the notice is about."""
        self._handlers: dict[str, Callable[[Command], None]] = {
            "run": self._start_run,
            "limit": self._set_limit,
            "named_limit": self._set_named_limit,
            "pause": lambda _: self._call(BatchRun.pause),
            "resume": lambda _: self._call(BatchRun.resume),
            "stop": lambda _: self._call(BatchRun.stop),
            "cancel": self._cancel,
            "cancel_earlier": lambda _: self._cancel_earlier(),
            "rest": lambda _: self._call(self._run_rest),
            "retry": self._retry,
            "state": lambda _: updates.push_soon(),
            **queries.handlers,
        }

    @property
    def limits(self) -> Limits:
        """The limits of the run while it is in progress; otherwise those that the next run gets.

        Only the latter are kept here. The user sets them before Run or after the end of a run; a
        run that ends leaves its limits to the next one.
        """
        run = self._running
        return self._next_limits if run is None else run.limits

    @property
    def _running(self) -> BatchRun | None:
        run = self._run()
        return None if run is None or run.ended else run

    def keep_limits(self, run: BatchRun) -> None:
        """Give the next run the limits of this one."""
        self._next_limits = run.limits

    def show_notice(self, text: str) -> None:
        """Set the notice, as one line; an empty text removes it."""
        self.notice, self._refused_type = truncate(" ".join(text.split()), _MAX_NOTICE), None

    def handle(self, content: object) -> None:
        """Carry out a command, and acknowledge it. Raises nothing, whatever a page sends."""
        command = _read(content)
        if command is None:
            return
        client, kind = command["client"], command["type"]
        put_last(self.acknowledged, client, command["n"])
        handler = self._handlers.get(kind)
        if handler is None:
            return
        try:
            handler(command)
        except FlowmagicError as error:
            self.notice, self._refused_type = truncate(str(error), _MAX_NOTICE), kind
        except Exception as error:  # noqa: BLE001 - in a callback, nothing else would show it
            self.notice, self._refused_type = error_text(error, width=_MAX_NOTICE), kind
        else:
            if kind == self._refused_type:
                self.show_notice("")

    def _start_run(self, command: Command) -> None:
        text = command.get("text")
        if self._running is not None or not isinstance(text, (str, type(None))):
            return
        batch = self._param_list.batch_to_run(text)
        run = self._start(batch, self._next_limits)
        self._param_list.batch = batch
        self._show(run)

    def _set_limit(self, command: Command) -> None:
        limits = replace(self.limits, concurrency=command.get("value"))  # type: ignore[arg-type]
        run = self._running
        if run is None:
            self._next_limits = limits
        else:
            run.limit = limits.concurrency

    def _set_named_limit(self, command: Command) -> None:
        name, field = str(command.get("name")), command.get("field")
        self._updates.limits_due = True
        if field not in _NAMED_LIMIT_FIELDS:
            return
        limit = shown_limits().get(name)
        if limit is None:
            raise LimitError(f"There is no limit named {truncate(name, 80)!r} any more.")
        try:
            setattr(limit, field, command.get("value"))
        except LimitError as error:
            raise LimitError(f"Limit {name!r}: {error}") from None

    def _call(self, method: Callable[[BatchRun], object]) -> None:
        run = self._run()
        if run is not None:
            method(run)

    def _cancel(self, command: Command) -> None:
        index = command.get("index")
        if isinstance(index, (int, type(None))):
            self._call(lambda run: run.cancel(index))

    def _cancel_earlier(self) -> None:
        for run in self._earlier():
            run.cancel()

    def _retry(self, command: Command) -> None:
        group = command.get("group")
        rows = None if group is None else self._failures().rows_of(group)

        def retry(run: BatchRun) -> None:
            self._continue(run)
            run.retry_failed(rows)

        self._call(retry)

    def _run_rest(self, run: BatchRun) -> None:
        self._continue(run)
        run.run_rest()

    def _continue(self, run: BatchRun) -> None:
        """Give a run that has ended the limit that was set since."""
        if run.ended:
            run.limit = self._next_limits.concurrency


def _read(content: object) -> Command | None:
    """Return a message as a command; None if it lacks a type, a page's name or a number."""
    if not isinstance(content, dict):
        return None
    command = with_none(content)
    client, n = command.get("client"), command.get("n")
    named = isinstance(client, str) and client.isascii() and len(client) <= _MAX_CLIENT
    numbered = isinstance(n, int) and 0 <= n < _MAX_N
    if not (named and numbered and isinstance(command.get("type"), str)):
        return None
    return cast("Command", command)
