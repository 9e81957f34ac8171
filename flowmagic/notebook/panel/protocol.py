"""The messages between the kernel and the page.

Messages to the page are absolute, never a difference that a lost message would make wrong: traits
hold the whole state, and a `Delta` holds the rows and header entries that have changed. Each has a
sequence number, so that the page notices a gap. `panel/js/store/protocol.js` mirrors these types.
`packing` packs what is sent in buffers.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from .detail_types import Detail, FullOutput
from .header_types import FailureGroup, Header, HeldBack, LimitState, WaitingRows

__all__ = ["FailureGroup", "Header", "HeldBack", "LimitState", "WaitingRows"]


class Editor(TypedDict):
    """The param list as text.

    Attributes:
        version: changes with the text.
        reason: why the text is read-only, or what an empty list means.
    """

    version: int
    text: str
    editable: bool
    reason: str


class Columns(TypedDict):
    """The params that have columns of their own in the table.

    Attributes:
        names: the names of the columns.
        numeric: for each column, whether all its values are numbers.
        same: the params that are the same in all rows, as one line.
        more: how many other params vary.
    """

    names: list[str]
    numeric: list[bool]
    same: str
    more: int


class GraphNode(TypedDict):
    """A node of the flow's graph. `level` is the number of the nested flow that contains it, or -1."""

    name: str
    kind: str
    level: int
    where: str


class GraphCounts(TypedDict):
    """The counts in the graph; a delta has only those nodes and edges that have changed.

    Attributes:
        nodes: `[number, returned, raised, ended, ends, running, median, seconds, reused]` for each
            node: how many of its copies returned and raised, how many walks ended at it although it
            has successors, and with which actions; how many of its copies run, None if that is not
            counted; the median of their times, None if none has ended, and the sum, in seconds; how
            many of its outputs were reused.
        edges: `[number, taken, failed]` for each edge; `failed`: how many of the copies it led to
            raised.
        unplaced: the number of node copies that are not in the graph.
        uncounted: the number of rows that have not been counted yet.
    """

    nodes: list[list[Any]]
    edges: list[list[int]]
    unplaced: int
    uncounted: int


class Graph(TypedDict):
    """The flow's graph.

    Attributes:
        edges: `[from, to, action]` for each edge.
        omitted: the number of nodes that are left out.
    """

    nodes: list[GraphNode]
    edges: list[list[Any]]
    omitted: int
    counts: GraphCounts


ChainLink = tuple[str, int, str]
"""A node copy in the chain of a row: the node, its status as a number, what it received and returned."""


class RowTexts(TypedDict):
    """The texts of some rows; each list but `pictures` has one item per row.

    Attributes:
        rows: their indices.
        texts: all their params, as one line.
        cells: their params that have columns.
        outcomes: their outputs or errors; empty while a row has not ended.
        actions: the last actions of those that succeeded; empty for None.
        chains: their latest node copies, in a run of few rows; otherwise empty.
        pictures: those of the rows whose output is a picture.
    """

    rows: list[int]
    texts: list[str]
    cells: list[list[str]]
    outcomes: list[str]
    actions: list[str]
    chains: list[list[ChainLink]]
    pictures: list[int]


class FirstTexts(RowTexts):
    """The texts of the first rows and of changed ones, the columns, and the labels of a small batch."""

    columns: Columns
    labels: list[str]


class TextCheck(TypedDict):
    """The result of the check of an edited text: its number of instances, or what is wrong and where."""

    client: str
    n: int
    count: int | None
    message: str
    line: int | None


class SearchDone(TypedDict):
    """Says that the search of a page's command `n` is done; a buffer has the rows."""

    client: str
    n: int


class Delta(TypedDict, total=False):
    """What has changed since the previous message.

    Attributes:
        packed: what each buffer of the message contains: "changed" (from `pack_rows`),
            "search CLIENT N" (indices of 4 bytes), "segments CLIENT" (from `pack_segments`),
            "attempts CLIENT" (from `pack_attempts`) or "picture CLIENT ROW ATTEMPT COPY SIZE MEDIA"
            (a PNG or JPEG, "small" or "large"; empty if it cannot be shown).
    """

    type: Literal["delta"]
    seq: int
    packed: list[str]
    header: dict[str, object]
    rows: list[RowTexts]
    details: list[Detail]
    outputs: list[FullOutput]
    checks: list[TextCheck]
    searches: list[SearchDone]
    graph: GraphCounts


class Command(TypedDict, total=False):
    """A command of a page.

    Attributes:
        type, client, n: always present: the type, the page's name, and a number that increases.
        value: for "limit" and "named_limit": the new limit; for the latter, None removes it.
        name, field: for "named_limit": the named limit, and which of its limits to change.
        text: for "check" and "run": the edited param list, None in "run" for the unedited one; for
            "search": words.
        rows: for "rows", "segments", "attempts" and "pictures": the rows to send.
        view: for "search": the view of the page that searches.
        group: for "search" and "retry": a group of failed rows, instead of all rows.
        index: for "open": the row, None to close it; for "cancel": the row, None for the whole run;
            for "output": the row.
        attempt, copy: for "output": see `FullOutput`.
        sort, descending: for "search": the number of the column to sort by, or None.
    """

    type: Literal[
        "limit",
        "named_limit",
        "run",
        "pause",
        "resume",
        "stop",
        "cancel",
        "retry",
        "rest",
        "cancel_earlier",
        "rows",
        "open",
        "check",
        "search",
        "segments",
        "attempts",
        "output",
        "pictures",
        "state",
    ]
    client: str
    n: int
    value: float | None
    name: str
    field: str
    text: str | None
    rows: list[int]
    view: str
    group: int | None
    index: int | None
    attempt: int
    copy: int
    sort: int | None
    descending: bool
