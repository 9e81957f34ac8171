"""What a run records, as values for the columns of its journal."""

from __future__ import annotations

import json

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.errors import OutputLostError
from flowmagic.journal import open_journal
from flowmagic.journal.codec import decoded
from flowmagic.journal.encoder import Encoder
from flowmagic.records.instances import Instance
from flowmagic.records.outputs import size_of
from flowmagic.records.printed import PrintedTexts
from flowmagic.records.status import FAILED, SUCCEEDED
from flowmagic.records.store import RecordStore
from flowmagic.text.redact import MASK

ran: list = []


@pytest.fixture(autouse=True)
def fresh():
    ran.clear()


class Ask(AsyncNode):
    async def exec_async(self, prepared):
        ran.append(self.params["i"])
        if self.params.get("fail"):
            raise ValueError(f"no answer for {self.params.get('api_key')}")

    async def post_async(self, shared, prepared, executed):
        return f"answer {self.params['i']}"


def ask(*rows, path, **options):
    return flowmagic.run_batch(AsyncFlow(start=Ask()), list(rows), journal=path, **options)


def test_a_nodes_own_retries_and_fallbacks_are_written(tmp_path):
    """Copy by copy."""

    class Rescued(Ask):
        async def exec_fallback_async(self, prepared, error):
            return None

    flow = AsyncFlow(start=Rescued(max_retries=3))
    flowmagic.run_batch(flow, [{"i": 1, "fail": True}, {"i": 2}], journal=tmp_path / "j")
    (written,) = open_journal(tmp_path / "j")
    tries = [(copy.retries, copy.fallbacks) for one in written for copy in one.copies]
    assert tries == [(2, 1), (0, 0)]


def test_a_row_with_a_huge_number_is_written_and_recognised(tmp_path):
    """Larger than Python writes as digits: it must neither break the run nor run twice."""
    rows = [{"i": 1, "modulus": 10**5_000 + n} for n in range(2)]
    assert ask(*rows, path=tmp_path / "j").ok
    assert open_journal(tmp_path / "j")[1].params == rows
    ran.clear()
    assert ask(*reversed(rows), path=tmp_path / "j", resume=True).ok
    assert not ran


# Encoded directly


class Odd:
    """An object that a journal cannot store."""


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no message")


COLUMNS = (
    *("status", "attempts", "started", "ended", "copies", "result", "unwritten"),
    *("error", "printed", "writes", "output", "earlier_outputs", "assigned"),
)


def encoder(secrets=frozenset()):
    """Return an encoder, and the list of its warnings."""
    warnings = []
    return Encoder(b"key of the hash", secrets, warnings.append, size_of), warnings


def ended(
    result="done",
    code=SUCCEEDED,
    *,
    params=None,
    writes=None,
    outputs=(None,),
    at=0.0,
    own_params=None,
):
    """Return an instance that has ended, whose node copies have returned "next"."""
    records = RecordStore({}, 10.0, 5)
    records.load([params or {"n": 1}])
    trace = records.start(0, 11.0)
    for output in outputs:
        copy = trace.open(Ask, -1, 11.0 + at, own_params)
        trace.note_output(copy, output)
        trace.close(copy, "next", 12.0 + at)
    records.finish(0, result, 13.0, code)
    if writes is not None:
        records.writes[0] = writes
    return Instance(records, 0)


def columns(instance, **options):
    """Return the columns of an instance by name."""
    return dict(zip(COLUMNS, encoder(**options)[0].ended(instance), strict=True))


def test_a_row_is_encoded_with_its_key():
    """Equal params have equal keys, in whatever order they were written."""
    encode, warnings = encoder()
    row = encode.row({"a": 1, "b": (2, 3)})
    assert decoded(row.params) == {"a": 1, "b": (2, 3)}
    assert row.key == encode.row({"b": (2, 3), "a": 1}).key != encode.row({"a": 1}).key
    assert warnings == []


def test_a_row_that_cannot_be_stored_has_neither_key_nor_params():
    """The recorder reports it, once."""
    encode, warnings = encoder()
    assert encode.row({"a": Odd()}) == (None, None)
    assert warnings == []


def test_a_row_may_have_a_key_and_no_params_in_the_file():
    """It is recognised if its params are given again, and the user is told that they have to be."""
    frame = pytest.importorskip("pandas").DataFrame({"a": [1]})
    encode, warnings = encoder()
    row = encode.row({"a": frame})
    assert row.params is None
    assert row.key == encode.row({"a": frame.copy()}).key is not None
    (warning,) = set(warnings)
    assert warning.startswith("Some params cannot be stored in the journal, so resuming needs them")
    assert "DataFrame" in warning


def test_the_secrets_of_a_row_are_masked_and_its_key_is_that_of_the_real_values():
    """Without secrets to mask, everything is stored as it is."""
    params = {"api_key": "sk-12345678", "url": "?key=sk-12345678&user=sk-of-others"}
    masking, keeping = encoder(frozenset({"sk-of-others"}))[0], encoder(None)[0]
    masked, kept = masking.row(params), keeping.row(params)
    assert decoded(masked.params) == {"api_key": MASK, "url": f"?key={MASK}&user={MASK}"}
    assert decoded(kept.params) == params
    assert masked.key == kept.key


def test_an_instance_that_succeeded_has_its_result_and_copies_in_its_columns():
    """Times are seconds since the run began; what there is not is None."""
    of = columns(ended())
    assert (of["status"], of["attempts"], of["started"], of["ended"]) == ("succeeded", 1, 1.0, 3.0)
    assert (decoded(of["result"]), of["unwritten"]) == ("done", "")
    assert of["error"] is of["printed"] is of["writes"] is of["output"] is None
    # Params are only written for a copy whose params differ from those of the instance.
    assert json.loads(of["copies"]) == [["Ask", None, 1.0, 2.0, '"next"', None, None, 0, 0]]


def test_the_times_of_node_copies_are_written_to_the_microsecond():
    """All digits of a float take longer than the rest of the row."""
    instance = ended(outputs=["a"], at=0.1 + 0.2)
    ((_, _, started, over, *_),) = json.loads(columns(instance)["copies"])
    assert (started, over) == (1.3, 2.3)


def test_a_node_copy_with_an_array_among_params_of_its_own_is_written():
    """Arrays cannot be compared by `==`, which ended the run."""
    array = pytest.importorskip("numpy").array
    instance = ended(params={"x": array([1, 2])}, own_params={"x": array([3, 4])})
    ((*_, params, _, _),) = json.loads(columns(instance)["copies"])
    assert decoded(params)["x"].tolist() == [3, 4]


def test_an_instance_that_failed_has_its_error_and_no_result():
    """The error keeps its type, its message and its traceback, in which secrets are masked."""
    error = ValueError("sk-12345678 is refused")
    of = columns(ended(error, FAILED, params={"token": "sk-12345678"}))
    assert of["status"] == "failed"
    assert of["result"] is None
    kept = decoded(of["error"])
    assert (kept["type"], kept["text"]) == ("ValueError", f"{MASK} is refused")
    assert kept["traceback"].strip() == f"ValueError: {MASK} is refused"


def test_an_error_and_what_was_printed_are_masked_before_they_are_cut():
    """Half of a secret would not be recognised."""
    for at in (9_990, 19_990):
        error = ValueError("x" * at + "sk-of-others-12345678")
        kept = decoded(
            columns(ended(error, FAILED), secrets=frozenset({"sk-of-others-12345678"}))["error"]
        )
        assert "sk-" not in kept["text"] + kept["traceback"]
    printed = "y" * 10 + "sk-of-others-12345678" + "x" * 63_990
    instance = ended()
    instance._records.printed = PrintedTexts(instance._records.status)
    instance._records.printed.write(0, printed)
    text = decoded(columns(instance, secrets=frozenset({"sk-of-others-12345678"}))["printed"])
    assert text == printed.replace("sk-of-others-12345678", MASK)[-64_000:]
    assert decoded(columns(instance, secrets=None)["printed"]) == printed[-64_000:]


def test_what_follows_the_name_of_a_secret_is_masked_in_an_error_but_not_in_an_output():
    """An error is for people; an output comes back."""
    text = "use password='swordfish'"
    error = decoded(columns(ended(ValueError(text), FAILED))["error"])
    assert error["text"] == f"use password='{MASK}'"
    assert f"ValueError: use password='{MASK}'" in error["traceback"]
    of = columns(ended(outputs=[text]))
    assert (decoded(of["output"]), of["unwritten"]) == (text, "")


def test_with_its_secrets_an_error_is_written_as_it_is():
    """The user has asked for it (`journal_secrets`)."""
    text = "Bearer abcdef0123456789 and password='swordfish'"
    error = decoded(columns(ended(ValueError(text), FAILED), secrets=None)["error"])
    assert error["text"] == text
    assert error["traceback"].strip() == f"ValueError: {text}"


def test_an_error_that_quotes_what_a_node_has_fetched_is_masked():
    """A node logs in, and returns the token; a later one fails with it."""
    instance = ended(
        ValueError("401 for abc-98765"), FAILED, outputs=[{"access_token": "abc-98765"}]
    )
    assert decoded(columns(instance)["error"])["text"] == f"401 for {MASK}"


def test_an_error_that_cannot_give_its_message_is_written_all_the_same():
    """A class of the user may raise in its `__str__`."""
    kept = decoded(columns(ended(Mute(), FAILED))["error"])
    assert (kept["type"], kept["text"]) == ("Mute", "(its message cannot be shown)")


def test_a_result_that_cannot_be_stored_is_left_out_with_the_reason():
    """So it is never taken for one that was restored."""
    encode, warnings = encoder()
    of = dict(zip(COLUMNS, encode.ended(ended(Odd())), strict=True))
    assert of["result"] is None
    assert "Odd" in of["unwritten"]
    assert warnings == [f"A value could not be written to the journal. {of['unwritten']}"]


def test_a_result_is_not_restored_without_the_writes_that_belong_to_it():
    """That would leave out what the instance wrote: the row runs again instead."""
    of = columns(ended(writes={"seen": 1}))
    assert (decoded(of["result"]), decoded(of["writes"])) == ("done", {"seen": 1})
    of = columns(ended(writes={"client": Odd()}))
    assert of["writes"] is None
    assert "Odd" in of["unwritten"]


SECRET = {"api_key": "sk-12345678"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("result", {"result": "it was sk-12345678"}),
        ("writes", {"writes": {"used": "sk-12345678"}}),
        ("output", {"outputs": ["it was sk-12345678"]}),
        ("output", {"outputs": [{"password": "1234"}]}),
        ("output", {"outputs": [b"sk-12345678"]}),
        ("output", {"outputs": [{"sk-12345678": 1}]}),
    ],
)
def test_what_masking_altered_is_not_stored_and_its_row_is_not_restored(name, content):
    """Masks are for eyes: they never come back as data."""
    encode, warnings = encoder()
    of = dict(zip(COLUMNS, encode.ended(ended(params=SECRET, **content)), strict=True))
    reason = f"A secret in the {name} was masked (journal_secrets=True keeps secrets)."
    assert of["unwritten"] == reason
    assert MASK not in str(of)
    assert "sk-12345678" not in str(of)
    assert [each.endswith(reason) for each in warnings] == [True]
    kept = columns(ended(params=SECRET, **content), secrets=None)
    assert kept["unwritten"] == ""
    assert "12345678" in kept[name] or "1234" in kept[name] or "c2stMTIz" in kept[name]


def test_the_output_of_an_instance_is_in_a_column_of_its_own():
    """Those of the node copies before the one that gave it stand beside it, each once."""
    of = columns(ended(outputs=["fetched", None, {"answer": (1, "é")}, None]))
    assert decoded(of["output"]) == {"answer": (1, "é")}
    assert decoded(of["earlier_outputs"]) == ["fetched", None]
    assert of["unwritten"] == ""
    of = columns(ended(outputs=["only"]))
    assert (decoded(of["output"]), of["earlier_outputs"]) == ("only", None)
    of = columns(ended(outputs=[None, None]))
    assert of["output"] is of["earlier_outputs"] is None


LARGE = "x" * 1_000_001
FROM_WORKER = OutputLostError("This output is a lock, which cannot be sent back from the worker.")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (LARGE, "The output is too large: a journal keeps outputs of up to 1 MB"),
        ("é" * 200_000, "The output is too large"),
        (["x" * 300_000] * 20, "The output is too large"),
        (
            Odd(),
            "The value is of class tests.journal.test_encoder.Odd, which a journal cannot store",
        ),
        (FROM_WORKER, str(FROM_WORKER)),
    ],
    ids=["text", "non-ascii text", "list", "object", "lost before"],
)
def test_an_output_that_cannot_be_stored_is_named_as_lost(output, reason):
    """Its row is not restored. That of an earlier node copy leaves the row as it is."""
    of = columns(ended(outputs=["first", output]))
    lost = decoded(of["output"])
    assert isinstance(lost, OutputLostError)
    assert reason in str(lost)
    assert str(lost).startswith("This output is ")
    assert reason in of["unwritten"]
    assert decoded(of["earlier_outputs"]) == ["first"]
    of = columns(ended(outputs=[output, "last"]))
    assert (decoded(of["output"]), of["unwritten"]) == ("last", "")
    (lost,) = decoded(of["earlier_outputs"])
    assert reason in str(lost)


def test_an_output_of_almost_a_megabyte_is_stored():
    """The bound is that of its text in the file."""
    for output in ("x" * 999_998, b"x" * 700_000, list(range(100_000))):
        of = columns(ended(outputs=[output]))
        assert decoded(of["output"]) == output
        assert of["unwritten"] == ""


def test_an_output_that_takes_very_much_memory_is_not_encoded_to_see_how_long_it_is():
    """That would hold the loop for seconds."""
    for size, is_lost in ((4_000_000, False), (4_000_001, True)):
        encode = Encoder(b"key", None, print, lambda output, size=size: size)
        of = dict(zip(COLUMNS, encode.ended(ended(outputs=[["small"]])), strict=True))
        assert isinstance(decoded(of["output"]), OutputLostError) is is_lost


def test_what_is_not_written_of_the_outputs_is_warned_of_in_the_same_words():
    """With what follows from it, and the class of the node."""
    encode, warnings = encoder()
    for _ in range(3):
        encode.ended(ended(outputs=[Odd(), Odd()]))
    own, earlier = dict.fromkeys(warnings)  # the recorder leaves out what it was told before
    assert own.startswith(
        "The output of Ask could not be written to the journal, so resuming will run its row again. "
        "The value is of class"
    )
    assert earlier.startswith("The output of Ask could not be written to the journal. The value is")


def test_the_outputs_of_one_instance_are_bounded_too():
    """SQLite refuses a text of a gigabyte, and then nothing more would be written: the own one first."""
    each = "x" * 900_000
    of = columns(ended(outputs=[each] * 15))
    earlier = decoded(of["earlier_outputs"])
    assert decoded(of["output"]) == each
    assert [output == each for output in earlier] == [True] * 10 + [False] * 4
    assert all(isinstance(output, OutputLostError) for output in earlier[10:])


def test_no_reason_quotes_a_secret():
    """The place of a value is told by its keys."""
    of = columns(ended(params=SECRET, outputs=[{"sk-12345678": Odd()}]))
    assert MASK in of["unwritten"]
    assert "sk-12345678" not in str(of)
