"""The secrets of a run that are known when it starts."""

from __future__ import annotations

from pocketflow import AsyncNode

from flowmagic.journal.secret_values import secrets_of_globals, secrets_of_nodes, secrets_of_rows
from flowmagic.records.batch import as_batch

CELL = """
from pocketflow import AsyncNode
API_KEY, CONF, UNUSED_TOKEN = "sk-12345678", {"token": "tk-12345678"}, "uk-12345678"
def call(api_key="dk-12345678"): return api_key
class Base(AsyncNode):
    secret = "ck-12345678"
    def key(self): return API_KEY
class Ask(Base):
    def said(self): return [lambda: (CONF, call(), undefined)]
"""


def test_secrets_of_nodes_are_those_of_attributes_and_classes(cells):
    """At any depth, and of the classes that they inherit from."""
    node = cells.run(CELL).Ask()
    node.api_key, node.headers, node.url = "ak-12345678", {"token": "hk-12345678"}, "?ak-12345678"
    assert secrets_of_nodes(node) == {"ak-12345678", "hk-12345678", "ck-12345678"}


def test_secrets_of_globals_are_those_that_the_nodes_use(cells):
    """Constants, and defaults of the functions that they call; also within a lambda."""
    assert secrets_of_globals(cells.run(CELL).Ask()) == {
        "sk-12345678",
        "tk-12345678",
        "dk-12345678",
    }


def test_secrets_of_rows_are_those_that_are_known_in_advance():
    """Of the flow's own params, and of a list; not of a generator."""
    node = AsyncNode()
    node.set_params({"token": "fk-12345678"})
    rows = [{"api_key": "rk-12345678"}]
    assert secrets_of_rows(node, as_batch(rows)) == {"fk-12345678", "rk-12345678"}
    assert secrets_of_rows(node, as_batch(iter(rows))) == {"fk-12345678"}
    assert secrets_of_rows(node, None) == {"fk-12345678"}
