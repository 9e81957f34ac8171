"""The secrets of a run that are known when it starts; the journal masks them wherever they occur."""

from __future__ import annotations

import types
from typing import Any

from ..flow.source_code import is_user_code, source_of
from ..records.batch import Batch
from ..text.redact import masked_source, secrets_of
from ..text.user_objects import or_none
from .flow_nodes import attributes_of, flow_nodes, globals_of, user_classes_of

_MOST_ROWS = 1_000  # in a batch, a secret is nearly always the same one


def secrets_of_nodes(flow: Any) -> set[str]:
    """Return the secrets in the attributes of a flow's nodes, and in the source of their classes."""
    nodes = flow_nodes(flow)
    secrets = {secret for node in nodes for secret in secrets_of(attributes_of(node))}
    for kind in user_classes_of(nodes):
        masked_source(source_of(kind), secrets)
    return secrets


def secrets_of_globals(flow: Any) -> set[str]:
    """Return the secrets among the globals that the nodes' classes use, and in the user's code there."""
    secrets: set[str] = set()
    for kind in user_classes_of(flow_nodes(flow)):
        for name, value in globals_of(kind).items():
            if isinstance(value, (type, types.FunctionType)):
                if is_user_code(value):  # reading the source of a library may take seconds
                    masked_source(source_of(value), secrets)
            else:
                secrets |= or_none(secrets_of, {name: value}) or set()
    return secrets


def secrets_of_rows(flow: Any, batch: Batch | None) -> set[str]:
    """Return the secrets in the flow's params and in the rows, as far as they are known in advance."""
    rows = [] if batch is None or batch.rows is None else batch.rows[:_MOST_ROWS]
    return set().union(*map(secrets_of, (flow.params, *rows)))
