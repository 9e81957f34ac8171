"""What travels between the kernel and the page: the messages.

Kernel to page, everything is absolute, never a difference that would be wrong if one before it
were lost: traits hold the whole state, and a `Delta` holds the rows and header entries that
changed. Each carries a sequence number, so the page notices a gap. `panel/js/store/protocol.js`
mirrors these types. What goes in buffers is packed by `rowstates`, `segments` and `attempts`.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class LimitState(TypedDict):
    """A named limit of the process, and how far it is used; limits that are not set are None.

    Attributes:
        concurrency, per_minute, tokens_per_minute: what can be tuned.
        adaptive: between what bounds the concurrency moves by itself; None: it does not.
        window: seconds, of the window that "per minute" speaks of.
        running, waiting: calls under way, and calls that wait to be let in.
        calls, tokens: how many began within the window, and what they used; None: not known.
        cooling: seconds for which nothing begins; the page counts them down itself.
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


class Header(TypedDict):
    """The run as a whole: everything on the panel that is no row.

    Attributes:
        flow: name of the flow.
        status: "idle" before the first run, else the run's.
        counts: instances per status, in the order of `records.STATUSES`.
        restored: of those that have succeeded, how many did not run: an earlier run had done them.
        total: number of rows, None while it is unknown.
        limit_history: since when which limit was in force: `[seconds, limit, by_user]`, the seconds since
            the run began, `by_user` 1 or 0. The start first, then the latest of the changes.
        adaptive: between what bounds the limit moves by itself; None: only by hand.
        refused: how often a rate limit refused, as an adaptive run counts them.
        cooling: seconds for which nothing starts because a provider asked to wait; the page counts
            them down itself.
        elapsed: seconds since the run began; the page counts on from there while `ticking`.
        nodes: names of the nodes, at the number that rows carry.
        can: the commands that mean something now.
        notice: a line to the user: why something was refused, what broke the run.
        reason: why the run stopped by itself; empty if it did not.
        findings: what is likely to go wrong with the first run, before there is one.
        dropped: rows whose params and node copies are no longer kept.
        limits: the named limits of the process, and `limits_left`: how many more there are.
        heard: per page, the number of the last command that arrived here.
    """

    flow: str
    status: str
    counts: list[int]
    restored: int
    total: int | None
    limit: int
    per_minute: float | None
    limit_history: list[list[float]]
    adaptive: list[int] | None
    refused: int
    cooling: float
    elapsed: float
    ticking: bool
    nodes: list[str]
    can: list[str]
    notice: str
    reason: str
    findings: list[str]
    dropped: int
    limits: list[LimitState]
    limits_left: int
    heard: dict[str, int]


class Editor(TypedDict):
    """The param list as text; `version` counts the texts.

    Attributes:
        reason: why one is read-only, or what an empty one stands for.
    """

    version: int
    text: str
    editable: bool
    reason: str


class Columns(TypedDict):
    """Which params have a column of their own in the table.

    Attributes:
        names: of the params that vary, as far as they have one; `more`: how many others vary.
        numeric: of each of them, whether it holds nothing but numbers.
        same: the params that are the same in all rows, in one line.
    """

    names: list[str]
    numeric: list[bool]
    same: str
    more: int


class GraphNode(TypedDict):
    """A node of the flow's graph. `level`: the number of the nested flow it is in, or -1."""

    name: str
    kind: str
    level: int
    where: str


class GraphCounts(TypedDict):
    """What was counted in the graph; in a delta, of nodes and edges those that have changed.

    Attributes:
        nodes: each `[number, returned, raised, ended, ends]`: how many of its copies returned and
            raised, how many walks ended at it though it has successors, and with which actions.
        edges: each `[number, taken]`.
        unplaced: node copies that stand nowhere in the graph.
        behind: rows that are still to be looked at.
    """

    nodes: list[list[Any]]
    edges: list[list[int]]
    unplaced: int
    behind: int


class Graph(TypedDict):
    """The flow's graph. `edges`: each `[from, to, action]`; `left`: nodes that are left out."""

    nodes: list[GraphNode]
    edges: list[list[Any]]
    left: int
    counts: GraphCounts


class RowTexts(TypedDict):
    """Rows in words.

    Attributes:
        rows: which they are.
        texts: their params, in one line each.
        cells: their params that have columns.
        outcomes: their last actions or errors; empty before the end.
    """

    rows: list[int]
    texts: list[str]
    cells: list[list[str]]
    outcomes: list[str]


class FirstTexts(RowTexts):
    """The texts of the first rows, the columns, and in a small batch what tells its rows apart."""

    columns: Columns
    labels: list[str]


class ParamDetail(TypedDict):
    """One param as a node copy received it.

    Attributes:
        mark: how it differs from what the copy before it received: "", "changed", "new" or "gone".
        source: where the value came from, or for one that is gone what took it: "flow", "batch",
            "batch over flow" or "node X", the last node that can have done it.
        unread: whether no node has ever asked for it, and the attempt is over.
    """

    key: str
    value: str
    mark: str
    source: str
    unread: bool


class CopyDetail(TypedDict):
    """One node copy. Times in seconds since the run began; `depth`: in how many nested flows.

    `before`: the number of the copy that the marks of its params compare it with; None: of none.
    `retries`: its own retries and fallbacks, in words; empty: there were none.
    """

    node: str
    depth: int
    before: int | None
    params: list[ParamDetail]
    started: float
    seconds: float | None
    action: str | None
    error: str
    retries: str


class AttemptDetail(TypedDict):
    """An earlier attempt of an opened row. `copies` may be cut, which `note` says."""

    number: int
    status: str
    started: float
    seconds: float
    error: str
    copies: list[CopyDetail]
    note: str
    printed: str


class Detail(TypedDict):
    """An opened row: its node copies in the order they began, how it ended, and how it was before.

    `printed` is the end of what it printed; `code` a cell that runs it once more, empty where its
    params are no longer kept; `restored` the earlier run, by its number in the journal, of which
    the result was taken over, or None.
    """

    index: int
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    result: str
    error: str
    traceback: str
    copies: list[CopyDetail]
    note: str
    printed: str
    code: str
    restored: int | None
    history: list[AttemptDetail]


class Check(TypedDict):
    """What the kernel says of an edited text: `count` instances, or what is wrong, and where."""

    client: str
    n: int
    count: int | None
    message: str
    line: int | None


class Found(TypedDict):
    """That the search which command `n` of a page asked for has ended; a buffer holds what it found."""

    client: str
    n: int


class Delta(TypedDict, total=False):
    """What changed since the message before it.

    Attributes:
        packed: what each of the message's buffers is: "changed" (rows, as `pack_rows` packs them),
            "found CLIENT N" (indices of 4 bytes), "segments CLIENT" (as `pack_segments` packs them),
            "attempts CLIENT" (as `pack_attempts` does).
    """

    type: Literal["delta"]
    seq: int
    packed: list[str]
    header: dict[str, object]
    rows: list[RowTexts]
    details: list[Detail]
    checks: list[Check]
    found: list[Found]
    graph: GraphCounts


class Command(TypedDict, total=False):
    """What a page asks for. Always with `type`, the page's own `client` name and a number `n`.

    Attributes:
        value: of "limit" and "tune"; None at "tune": no such limit.
        name, field: of "tune": the named limit, and which of its limits.
        text: of "check" and "run"; None at "run": the param list as it stands. Of "find": words.
        sort, descending: of "find": number of a column, or None.
        rows: of "rows", "segments" and "attempts": whose texts, node copies or earlier attempts
            are wanted.
        view: of "find": which view of the page asks.
        index: of "open"; None closes. Of "cancel": of one instance; without it the whole run.
    """

    type: Literal[
        "limit",
        "tune",
        "run",
        "pause",
        "resume",
        "stop",
        "cancel",
        "retry",
        "rows",
        "open",
        "check",
        "find",
        "segments",
        "attempts",
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
    index: int | None
    sort: int | None
    descending: bool


try:
    from pyodide.ffi import jsnull as NULL  # noqa: N812 - a constant, as None is
except ImportError:
    NULL = None


def with_null(value: Any) -> Any:
    """Return what is to be sent to a page, in the form in which it gets there whole."""
    return value if NULL is None else _exchanged(value, None, NULL)


def with_none(value: Any) -> Any:
    """Return what a page has sent, as JSON would have given it."""
    return value if NULL is None else _exchanged(value, NULL, None)


def _exchanged(value: Any, old: Any, new: Any) -> Any:
    if value is old:
        return new
    if isinstance(value, dict):
        return {key: _exchanged(each, old, new) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exchanged(each, old, new) for each in value]
    return value
