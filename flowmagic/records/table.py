"""The instances of a run as a table: a row per instance, with its params and what came of them.

The columns are the params, in the order in which they first occur; then `output`, `status`,
`seconds`, `attempts`, `action`, `error`, and `writes` if the instances were isolated. Params keep their
names: if one has the name of a later column, an underscore is added to that one (`status_`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import OutputLostError
from ..text.formatting import error_text
from ..text.redact import fields_of
from ..text.user_objects import or_none
from .cells import ABSENT, LONGEST_ERROR, text_name
from .instances import Instance
from .row_secrets import secrets_of_row
from .status import CANCELLED, FAILED, STATUSES, SUCCEEDED
from .store import RecordStore


class InstanceColumns(NamedTuple):
    """What is known of the instances of a run: in each list an item per instance.

    Attributes:
        indices: their indices in the run.
        params: their params.
        output: their outputs, or an `OutputLostError`; None unless the instance has succeeded.
        status: their statuses.
        seconds: how long they ran; None until they have ended.
        attempts: how often they were started.
        action: their last actions; None unless the instance has succeeded.
        error: the errors that ended them, as text with secrets masked; None if there was none.
        writes: what they wrote to their own copies of the shared store.
        nodes: the outputs of their node copies by the name of the node; see `outputs_by_node`.
    """

    indices: list[int]
    params: list[Mapping[Any, Any]]
    output: list[Any]
    status: list[str]
    seconds: list[float | None]
    attempts: list[int]
    action: list[Any]
    error: list[str | None]
    writes: list[Any]
    nodes: list[Mapping[str, Any]]


_OUTCOME = ("output", "status", "seconds", "attempts", "action", "error", "writes")
_STATUS_NAMES = [status.value for status in STATUSES]


def columns_of(records: RecordStore, *, nodes: bool = False) -> InstanceColumns:
    """Return what the records of a run say of its instances.

    Args:
        nodes: read the outputs of node copies, too.
    """
    codes = bytes(records.status)
    indices = list(range(len(codes)))
    instances = [Instance(records, index) for index in indices]
    params: list[Mapping[Any, Any]] = [each.params for each in instances]
    errors: list[str | None] = [None] * len(codes)
    for index, code in enumerate(codes):
        if code in (FAILED, CANCELLED) and (error := instances[index].error) is not None:
            errors[index] = error_text(error, secrets_of_row(records, index), LONGEST_ERROR)
    return InstanceColumns(
        indices=indices,
        params=params,
        output=[
            records.output(index) if code == SUCCEEDED else None for index, code in enumerate(codes)
        ],
        status=[_STATUS_NAMES[code] for code in codes],
        seconds=[each.seconds for each in instances],
        attempts=[each.attempts for each in instances],
        action=[
            records.results[index] if code == SUCCEEDED else None
            for index, code in enumerate(codes)
        ],
        error=errors,
        writes=[each.writes for each in instances],
        nodes=[
            outputs_by_node((copy.node, copy.parent, copy.output) for copy in each.copies)
            for each in instances
        ]
        if nodes
        else [],
    )


def outputs_by_node(copies: Iterable[tuple[str, int | None, Any]]) -> dict[str, Any]:
    """Return the output of each node of an instance, by the name of its class.

    Where several copies have the same name, it is the last output that is not None. Nested flows are
    left out: they have no output.

    Args:
        copies: name, index of the nested flow that it ran in (None at the top), and output of each
            node copy.
    """
    copies = list(copies)
    flows = {parent for _, parent, _ in copies}
    outputs: dict[str, Any] = {}
    for at, (name, _, output) in enumerate(copies):
        if at not in flows and (output is not None or name not in outputs):
            outputs[name] = output
    return outputs


class Table(NamedTuple):
    """The instances of a run as columns.

    Attributes:
        indices: the index of each instance in the run.
        columns: the columns by their names: the keys of params and outputs as they are, else text. In
            place of a param, key or node that an instance does not have stands `ABSENT`.
        outcome: the names of `output` and the columns that follow it, by the names they usually have.
        losses: an `OutputLostError` for each cell that is None because an output was lost.
    """

    indices: list[int]
    columns: dict[Any, list[Any]]
    outcome: dict[str, str]
    losses: list[OutputLostError]


def table_of(instances: InstanceColumns, *, isolated: bool = False, expand: bool = False) -> Table:
    """Return instances as a table.

    The outputs of nodes are the last columns. In place of a lost output, the column `error` says why
    it is lost.

    Args:
        instances: what is known of them.
        isolated: include the column `writes`.
        expand: spread outputs that are dicts, or objects with named fields, into columns that follow
            the params. If the name of a key is taken, `output_` is put before it. The column `output`
            is left out if all outputs were spread.
    """
    losses: list[OutputLostError] = []
    outputs, errors = list(instances.output), list(instances.error)
    for at in _lost_in(outputs):
        losses.append(outputs[at])
        outputs[at], errors[at] = None, str(outputs[at])
    columns = _by_key(instances.params)
    taken = set(columns)
    names = [name for name in _OUTCOME if isolated or name != "writes"]
    outcome = {name: free_name(taken, name) for name in names}
    if expand:
        fields = [or_none(_fields, output) for output in outputs]
        for key, column in _by_key(each or {} for each in fields).items():
            columns[free_name(taken, key, f"output_{key}")] = column
        outputs = [
            output if each is None else None for output, each in zip(outputs, fields, strict=True)
        ]
        if any(each is not None for each in fields) and not any(
            output is not None for output in outputs
        ):
            del outcome["output"]
    found = instances._replace(output=outputs, error=errors)
    columns |= {label: getattr(found, name) for name, label in outcome.items()}
    for name, column in _by_key(instances.nodes).items():
        for at in _lost_in(column):
            losses.append(column[at])
            column[at] = None
        columns[free_name(taken, name)] = column
    return Table(instances.indices, columns, outcome, losses)


def text_names(columns: Iterable[Any]) -> list[str]:
    """Return the names of columns for a file: text, and no two the same."""
    taken: set[str] = set()
    return [free_name(taken, text_name(column)) for column in columns]


def _lost_in(column: Sequence[Any]) -> list[int]:
    return [at for at, value in enumerate(column) if isinstance(value, OutputLostError)]


def _fields(output: Any) -> dict[Any, Any] | None:
    """Return the items of a dict, or the fields of an object that has named ones; None for others."""
    if isinstance(output, Mapping):
        return dict(output)
    fields = fields_of(output)
    return None if fields is None else dict(fields)


def _by_key(mappings: Iterable[Mapping[Any, Any]]) -> dict[Any, list[Any]]:
    """Return a column for each key of the mappings, in the order in which they first occur."""
    mappings = list(mappings)
    keys: dict[Any, None] = {}
    for each in mappings:
        if not keys.keys() >= each.keys():
            keys |= dict.fromkeys(each)
    return {key: [each.get(key, ABSENT) for each in mappings] for key in keys}


def free_name(taken: set[Any], *names: Any) -> Any:
    """Return the first name that is not taken, or the last with underscores, and mark it as taken."""
    free = next((name for name in names if name not in taken), names[-1])
    while free in taken:
        free = f"{free}_"
    taken.add(free)
    return free
