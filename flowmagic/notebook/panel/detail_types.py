"""The parts of the messages that are about an opened row; see `protocol`."""

from __future__ import annotations

from typing import TypedDict


class ParamDetail(TypedDict):
    """A param that a node copy was called with.

    Attributes:
        mark: how it differs from the param of the previous copy: "", "changed", "new" or "gone".
        source: where the value came from, or what removed it: "flow", "batch", "batch over flow",
            or "node X" for the last node that can have done it.
        unread: whether the attempt has ended and no node has read the param.
    """

    key: str
    value: str
    mark: str
    source: str
    unread: bool


class OutputDetail(TypedDict):
    """An output: a text, a table, or a picture, which a page requests.

    Attributes:
        text: the output, or the kind and size of a DataFrame or a picture.
        head: the names of the columns of a DataFrame; empty for other tables.
        rows: the rows of a table: of a DataFrame the first ones, of a dict its keys and values.
        picture: whether it is a picture.
        more: whether there is more of it, which the query "output" gives.
    """

    text: str
    head: list[str]
    rows: list[list[str]]
    picture: bool
    more: bool


class FullOutput(TypedDict):
    """An output in full. `attempt` is 0 for the last attempt; `copy` is -1 for the output of the row."""

    client: str
    index: int
    attempt: int
    copy: int
    output: OutputDetail | None


class CopyDetail(TypedDict):
    """A node copy. Times are seconds since the start of the run.

    Attributes:
        depth: the number of nested flows that contain it.
        previous: the index of the copy that the marks of its params refer to; None if none does.
        seconds: how long it ran; None while it runs.
        output: what its exec returned; None for None, and while it runs.
        remark: whether its output was reused, and the node's own retries and fallbacks, in words.
    """

    node: str
    depth: int
    previous: int | None
    params: list[ParamDetail]
    started: float
    seconds: float | None
    action: str | None
    output: OutputDetail | None
    error: str
    remark: str


class AttemptDetail(TypedDict):
    """An earlier attempt of an opened row. `note` says so if `copies` is cut off."""

    number: int
    status: str
    started: float
    seconds: float
    error: str
    copies: list[CopyDetail]
    note: str
    printed: str


class Detail(TypedDict):
    """An opened row.

    Attributes:
        output: its output, if no node copy has it, since the row was restored.
        copies: its node copies, in the order in which they started.
        note: what is missing; empty if nothing is.
        printed: the end of what it printed.
        code: a cell that reruns it; empty if its params are no longer kept.
        restored: the number in the journal of the earlier run that it was restored from, or None.
        history: its earlier attempts.
    """

    index: int
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    output: OutputDetail | None
    error: str
    traceback: str
    copies: list[CopyDetail]
    note: str
    printed: str
    code: str
    restored: int | None
    history: list[AttemptDetail]
