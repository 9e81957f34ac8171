"""The part of the messages to the page that is about the run as a whole. See `protocol`."""

from __future__ import annotations

from typing import TypedDict


class LimitState(TypedDict):
    """A named limit of the process, and its usage. A limit that is not set is None.

    Attributes:
        concurrency, per_minute, tokens_per_minute: the limits; the page can change them.
        adaptive: the bounds of an adaptive concurrency; None if it is not adaptive.
        window: the length of the window that "per minute" refers to, in seconds.
        running, waiting: calls in progress, and calls waiting to start.
        calls, tokens: calls started within the window, and the tokens they used; None if unknown.
        cooling: seconds for which no call starts; the page counts them down.
    """

    name: str
    concurrency: int | None
    adaptive: list[int] | None
    per_minute: float | None
    tokens_per_minute: float | None
    window: float
    running: int
    waiting: int
    calls: int | None
    tokens: int | None
    cooling: float


class FailureGroup(TypedDict):
    """Failed rows whose errors are alike.

    Attributes:
        id: by which a page refers to the group.
        count: how many rows have failed so.
        text: their error; numbers that differ are left out.
        node: the node that raised it.
        row: the index of one of them.
    """

    id: int
    count: int
    text: str
    node: str
    row: int


class HeldBack(TypedDict):
    """What keeps the run from being faster, as a sentence, and the named limit that it is about.

    Both are empty if there is none.
    """

    text: str
    limit: str


class WaitingRows(TypedDict):
    """Rows that wait at a named limit.

    Attributes:
        text: at which one, and for what.
        ranges: the first and the last row of each range, one after the other.
    """

    text: str
    ranges: list[int]


class Header(TypedDict):
    """The run as a whole: everything on the panel except the rows.

    Attributes:
        flow: the name of the flow.
        status: the run's status; "idle" before the first run.
        counts: the number of instances per status, in the order of `STATUSES` in `records/store.py`.
        restored: how many of the succeeded rows were restored from an earlier run.
        left: how many rows were cancelled and can still be run.
        total: the number of rows; None while it is unknown, and if a generator was not exhausted.
        limit: how many instances run at once.
        per_minute: how many instances may start per minute; None if there is no such limit.
        limit_history: `[seconds, limit, by_user]` for each limit that was in force, with the seconds
            since the start of the run and `by_user` 1 or 0; the first one, then the latest changes.
        adaptive: the bounds of an adaptive limit; None if only the user changes the limit.
        refused: how often a provider refused a call, as counted by an adaptive limit.
        cooling: seconds for which no instance starts because a provider asked to wait; the page
            counts them down.
        elapsed: seconds since the start of the run; the page counts on while `ticking`.
        idle: those of them between an end of the run and its continuation.
        ticking: whether a run is in progress.
        nodes: the names of the nodes, by the numbers that rows have.
        can: the commands that are possible now.
        compact: whether pages fold the panel to one line at first.
        earlier: a line about an earlier run of the same cell that is in progress; empty if none is.
        notice: a line to the user, such as why a command was refused or what broke the run.
        reason: why the run stopped on its own; empty if it did not.
        failures: the largest groups of failed rows.
        held_back: what keeps the run from being faster.
        waits: the rows that wait at a named limit.
        findings: what is likely to go wrong with the first run; empty once there is a run.
        dropped: the number of rows whose params and node copies are no longer kept.
        limits: the named limits of the process.
        limits_omitted: how many more named limits there are.
        acknowledged: for each page, the number of its last command that has arrived.
    """

    flow: str
    status: str
    counts: list[int]
    restored: int
    left: int
    total: int | None
    limit: int
    per_minute: float | None
    limit_history: list[list[float]]
    adaptive: list[int] | None
    refused: int
    cooling: float
    elapsed: float
    idle: float
    ticking: bool
    nodes: list[str]
    can: list[str]
    compact: bool
    earlier: str
    notice: str
    reason: str
    failures: list[FailureGroup]
    held_back: HeldBack
    waits: list[WaitingRows]
    findings: list[str]
    dropped: int
    limits: list[LimitState]
    limits_omitted: int
    acknowledged: dict[str, int]
