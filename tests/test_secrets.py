"""No secret is in what a run shows or writes, whatever holds it and however it is quoted."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.parse
from collections import OrderedDict, UserDict
from dataclasses import replace
from functools import partial

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.journal import open_journal
from flowmagic.notebook.panel.detail import detail_of
from flowmagic.notebook.panel.graph import GraphState
from flowmagic.notebook.panel.header import header_of
from flowmagic.notebook.panel.param_list import ParamList
from flowmagic.notebook.panel.rerun_cell import Origin, cell_of
from flowmagic.notebook.panel.row_text import VaryingColumns, row_labels, row_texts
from flowmagic.notebook.summary import summary
from flowmagic.records.printed import keep
from flowmagic.run.api import start
from flowmagic.run.options import Options

from .text.secretvalues import Client, Model, Pair

KEY = "Zq3-v8_kLm0pXw7"
"""A secret that is known by no form: only what holds it tells that it is one."""


class Sealed:
    """As pydantic's SecretStr."""

    def get_secret_value(self):
        return KEY


def nested(levels, value):
    for _ in range(levels):
        value = {"a": [value]}
    return value


NAMED = (
    "password", "passwd", "pwd", "passphrase", "secret", "client_secret", "api_key", "apiKey", "x-api-key",
    "OPENAI_API_KEY", "access_key", "private_key", "signing_key", "encryption_key", "token", "access_token",
    "auth_token", "refresh_token", "session_id", "session", "authorization", "credentials", "cookie", "jwt",
    "dsn", "auth", "signature",
)  # fmt: skip
HELD = {
    **{f"named {name}": {name: KEY} for name in NAMED},
    "bytes": {"api_key": KEY.encode()},
    "a bytearray": {"api_key": bytearray(KEY.encode())},
    "a list": {"api_keys": ["another", KEY]},
    "a tuple": {"passwords": (KEY,)},
    "a set": {"secrets": {KEY}},
    "a dict": {"credentials": {"user": "me", "key": KEY}},
    "a dict six levels deep": nested(6, {"token": KEY}),
    "the 150th of a list": {"users": [*({"n": n} for n in range(150)), {"password": KEY}]},
    "headers": {"headers": {"Authorization": f"Bearer {KEY}"}},
    "cookies": {"headers": OrderedDict(Cookie=f"a=b; sid={KEY}")},
    "a mapping": {"config": UserDict(password=KEY)},
    "a dataclass": {"client": Client(KEY)},
    "a named tuple": {"pair": Pair("a", KEY)},
    "a model": {"model": Model(api_key=KEY)},
    "a sealed value": {"anything": Sealed()},
    "a URL": {"url": f"postgresql://me:{KEY}@db/x"},
    "a query": {"url": f"https://example.com/?key={KEY}&x=1"},
    "an object under its name": {"secret": Client(KEY)},
    "bytes of a header": {"authorization": f"Basic {KEY}".encode()},
}
QUOTED = {
    "as it is": KEY,
    "in a word": f"x{KEY}y",
    "repr": repr([KEY]),
    "JSON": json.dumps(json.dumps({"k": KEY})),
    "a URL": urllib.parse.quote(f"?k={KEY}", safe=""),
    "base64": base64.b64encode(f"me:{KEY}".encode()).decode(),
    "bytes": repr(f"me:{KEY}".encode()),
}
IN_BASE64 = [base64.b64encode(b"x" * n + KEY.encode()).decode()[4:-4] for n in range(3)]
PARTS = [KEY, *IN_BASE64]


class Quote(AsyncNode):
    """Quotes what it is told to, in every way in which a node can."""

    async def exec_async(self, _):
        text = QUOTED[self.params["quote"]]
        keep(f"{text}\n")
        if self.params["fails"]:
            raise ValueError(f"refused: {text}") from KeyError(text)

    async def post_async(self, shared, prepared, executed):
        text = QUOTED[self.params["quote"]]
        shared[text] = self.params["fails"]
        return text


def told(run, path):
    """Yield all that is shown of a run, or written."""
    records = run.records
    for each in run.instances:
        yield repr(each)
        yield each.traceback
        yield repr(each.copies)
        yield repr(each.history)
    yield from (repr(run), repr(run.crossings), "\n".join(map(str, run.audit())))
    yield from (summary.as_html(run), summary.as_text(run))
    with pytest.raises(flowmagic.InstancesFailedError) as caught:
        run.raise_for_failures()
    yield str(caught.value)
    varying = VaryingColumns(records)
    varying.look()
    editor = ParamList(None)
    editor.run = run
    graph = GraphState(call_soon=lambda step: step(), on_ready=lambda: None)
    graph.watch(run.flow, records)
    rerun_cell = partial(cell_of, Origin("flow"), run, records)
    yield str(
        [
            header_of(run, records, flow="flow", limits=run.limits, notice="", acknowledged={}),
            row_texts(records, range(len(records)), varying),
            varying.columns(),
            row_labels(records, varying),
            graph.state(),
            editor.editor()["text"],
            *(detail_of(records, index, rerun_cell) for index in range(len(records))),
        ]
    )
    yield str(run.to_frame()["error"].tolist())
    yield run.to_frame(nodes=True, mask=True).to_csv()
    run.journal.join(30)  # its thread closes the file, and removes what was beside it
    yield path.read_bytes().decode("latin-1")
    with open_journal(path) as journal:
        yield journal[-1].to_script()
        yield repr([list(each.copies) for each in journal[-1]])


async def ran(path, row, *, shared=None, **attributes):
    """Run rows that quote a secret in every way, half of them failing and run again."""
    node = Quote()
    vars(node).update(attributes)
    rows = [{**row, "quote": quote, "fails": fails} for quote in QUOTED for fails in (True, False)]
    options = Options.of(journal=path, retries=flowmagic.Retries(1, wait=0.001))
    shared = {} if shared is None else shared
    run = await start(
        AsyncFlow(start=node), rows, shared=shared, options=replace(options, capture=True)
    )
    for text in told(run, path):
        for part in PARTS:
            assert part not in text, text[max(0, text.find(part) - 300) : text.find(part) + 100]


@pytest.mark.filterwarnings("ignore:No row can be recognised")
@pytest.mark.parametrize("holder", HELD)
def test_no_secret_of_a_row_is_told(tmp_path, holder):
    """Whatever it is called, and whatever holds it."""
    asyncio.run(ran(tmp_path / "j", HELD[holder]))


@pytest.mark.parametrize(
    "holder", ["named password", "a dict six levels deep", "a sealed value", "a URL"]
)
def test_no_secret_of_the_shared_store_or_of_a_node_is_told(tmp_path, holder):
    """As no secret of the row itself."""
    asyncio.run(ran(tmp_path / "j", {}, shared=dict(HELD[holder])))
    asyncio.run(ran(tmp_path / "k", {}, **HELD[holder]))
