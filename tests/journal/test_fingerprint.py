"""Whether a flow is the one that an earlier run had, and what has changed if it is not."""

from __future__ import annotations

import importlib
import json
import sys
import threading
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pocketflow import AsyncFlow, AsyncNode

from flowmagic.journal.fingerprint import Fingerprint, LiveFingerprint, fingerprint_of

from ..conftest import Cells

NOTEBOOK = '''
import dataclasses, datetime, enum, functools, re
import prompts
from pocketflow import AsyncFlow, AsyncNode

PROMPT = "Answer in French: {q}"
MODELS = {"fast": "small", "good": "large"}
WORDS = {"one", "two", "three"}
SINCE = datetime.date(2026, 1, 31)
NUMBER = re.compile("[0-9]+")
UNUSED = 1
CACHE = {}
CALLS = 0

def shorten(text, limit=80):
    """Make a text short."""
    return text[:limit]  # from its beginning

def build(question):
    return shorten(PROMPT.format(q=question))

def answer_in(tone):
    def inner(text):
        return f"{tone}: {text}"
    return inner

kindly = answer_in("kind")

def retried(times):
    def decorate(function):
        @functools.wraps(function)
        async def wrapper(self, *args):
            for _ in range(times):
                return await function(self, *args)
        return wrapper
    return decorate

class Style(enum.Enum):
    SHORT = 1
    LONG = 2

@dataclasses.dataclass
class Settings:
    model: str = "small"
    temperature: float = 0.0

settings = Settings()

class Base(AsyncNode):
    language = "fr"

    def translated(self, text):
        return text + self.language

class Ask(Base):
    """Asks a question."""
    style = Style.SHORT

    def __init__(self, tone="kind", scorer=lambda text: 1):
        super().__init__(max_retries=2)
        self.tone = tone
        self.scorer = scorer

    @property
    def heading(self):
        return 'ask'

    @retried(times=2)
    async def exec_async(self, question):
        global CALLS
        CALLS += 1
        if question not in CACHE:
            CACHE[question] = build(question)
        found = [kindly(each) for each in CACHE.values() if NUMBER.search(each)]
        return found, settings, MODELS["fast"], WORDS, SINCE, self.heading, prompts.SYSTEM

    async def post_async(self, shared, question, answer):
        shared.setdefault("answers", []).append(answer)
        shared["last"] = answer
        return "check" if shared["strict"] else "default"

class Check(AsyncNode):
    pass

ask, check = Ask(), Check()
ask - "check" >> check
flow = AsyncFlow(start=ask)
shared = {"model": "small", "strict": True}
'''


@pytest.fixture
def notebook(cells, monkeypatch):
    """Run the notebook after edits, and return the fingerprint of its flow."""

    def run(*edits):
        module = types.ModuleType("prompts")
        module.SYSTEM, module.OTHER = "Be brief.", "Be kind."
        monkeypatch.setitem(sys.modules, "prompts", module)
        code = NOTEBOOK
        for old, new in edits:
            assert old in code, old
            code = code.replace(old, new)
        return cells.run(code)

    return run


def taken(names):
    return fingerprint_of(names.flow, names.shared)


SAME = {
    "the cell is run again": ("", ""),
    "a comment": ("  # from its beginning", "  # up to the limit"),
    "a line of comment": ("def build(", "# builds a prompt\ndef build("),
    "a docstring": ('"""Make a text short."""', '"""Cut a text."""'),
    "a docstring is added": ("(self, text):", "(self, text):\n        'Translate.'"),
    "the docstring of a class": ('"""Asks a question."""', "'''Asks.'''\n"),
    "quotes": ("return 'ask'", 'return "ask"'),
    "layout": ("return text + self.language", "return (\n            text + self.language\n        )"),
    "blank lines": ("class Base(", "\n\n\nclass Base("),
    "the order of a set": ('{"one", "two", "three"}', '{"three", "two", "one"}'),
    "the order of methods": (
        "    @property\n    def heading(self):\n        return 'ask'\n\n", ""
    ),
    "a constant that is not used": ("UNUSED = 1", "UNUSED = 2"),
    "a cell that is not used": ("UNUSED = 1", "def unused(): return MODELS, 3"),
    "what the run changes": ("CACHE = {}", "CACHE = {'a': 'b'}"),
    "what the run counts": ("CALLS = 0", "CALLS = 7"),
    "a key that the run writes": ('"strict": True}', '"strict": True, "last": 3, "answers": [1]}'),
    "the quotes of a default": ('(self, tone="kind"', "(self, tone='kind'"),
}  # fmt: skip

CHANGED = {
    "a constant": ("in French", "in German", "PROMPT has changed"),
    "an item of a dict": ('"fast": "small"', '"fast": "tiny"', "MODELS has changed"),
    "the order of a dict": (
        '{"fast": "small", "good": "large"}', '{"good": "large", "fast": "small"}',
        "MODELS has changed",
    ),
    "an item of a set": ('"three"}', '"four"}', "WORDS has changed"),
    "a date": ("1, 31", "1, 30", "SINCE has changed"),
    "a pattern": ("[0-9]+", "[0-9]*", "NUMBER has changed"),
    "the type of a constant": ('PROMPT = "Answer', 'PROMPT = b"Answer', "PROMPT has changed"),
    "a function that a function calls": ("text[:limit]", "text[1:limit]", "shorten has changed"),
    "a default": ("limit=80", "limit=81", "shorten(limit=) has changed"),
    "the name of a parameter": (
        'text, limit=80):\n    """Make a text short."""\n    return text[:limit]',
        "text, most=80):\n    return text[:most]",
        "shorten has changed, shorten(limit=) is gone, shorten(most=) is new",
    ),
    "a closure's variable": ('answer_in("kind")', 'answer_in("cool")', "tone in inner has changed"),
    "a closure's code": ('f"{tone}: {text}"', 'f"{tone}! {text}"', "inner has changed"),
    "a decorator's argument": ("times=2", "times=3", "times in wrapper has changed"),
    "a decorator's code": ("range(times)", "range(times + 1)", "wrapper has changed"),
    "a method under a decorator": ("if question not in CACHE", "if CACHE", "Ask.exec_async has changed"),
    "a method": ('"check" if shared', '"chec" if shared', "Ask.post_async has changed"),
    "a method of a base class": ("text + self", "self.tone + self", "Base.translated has changed"),
    "a property": ("return 'ask'", "return 'asks'", "Ask.heading has changed"),
    "a class attribute": ('language = "fr"', 'language = "de"', "Base.language has changed"),
    "a member of an Enum": ("SHORT = 1", "SHORT = 3", "Ask.style has changed, Style.SHORT has changed"),
    "which member of an Enum": ("style = Style.SHORT", "style = Style.LONG", "Ask.style has changed"),
    "a field of a dataclass": ("Settings()", "Settings('large')", "settings.model has changed"),
    "a base class": ("class Check(AsyncNode)", "class Check(Base)", None),
    "an attribute of a node": ("Ask(), Check()", "Ask('cool'), Check()", "Ask().tone has changed"),
    "a function kept on a node": (
        "Ask(), Check()", "Ask(scorer=shorten), Check()", "Ask().scorer has changed",
    ),
    "an attribute of PocketFlow's": ("max_retries=2", "max_retries=3", None),
    "an attribute more": ("ask - ", "ask.more = 1\nask - ", "Ask().more is new"),
    "a key of shared": ('{"model": "small"', '{"model": "large"', "shared['model'] has changed"),
    "a key less": ('{"model": "small", ', "{", "shared['model'] is gone"),
    "an action": ('ask - "check"', 'ask - "chec"', "Ask().successors has changed"),
    "the start of the flow": ("start=ask", "start=check", None),
    "a constant of a module": (
        "import prompts\n", "import prompts; prompts.SYSTEM = 'Be long.'\n",
        "prompts.SYSTEM has changed",
    ),
    "a constant that becomes a class": ("CALLS = 0", "CALLS = 0; MODELS = dict", "MODELS has changed"),
    "a lambda": ("lambda text: 1", "lambda text: 2", "Ask.<lambda> has changed"),
}  # fmt: skip


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_an_edit_that_changes_nothing_is_no_change(notebook, edit):
    """Nor is a reload, or what the run itself changes."""
    before = taken(notebook())
    edits = [edit]
    if edit[1] == "" and edit[0]:  # it stands further down
        edits.append(("class Check(", f"    {edit[0].strip()}\n\nclass Check("))
    assert before.differences(taken(notebook(*edits))) == []


@pytest.mark.parametrize(("old", "new", "said"), CHANGED.values(), ids=CHANGED)
def test_a_change_is_reported_by_name(notebook, old, new, said):
    """That of what was edited, and of nothing else."""
    before = taken(notebook())
    found = ", ".join(before.differences(taken(notebook((old, new)))))
    assert found == said or (said is None and found), found


def test_the_whole_fingerprint_comes_back_from_its_text(notebook):
    """As the journal keeps it."""
    before = taken(notebook())
    before.edited.append("PROMPT")
    again = Fingerprint.from_json(before.to_json())
    assert again == before
    assert json.loads(before.to_json())["digests"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "[]",
        "{}",
        '{"digests": {"a": 1}, "packages": {}}',
        '{"digests": [], "packages": {}}',
        '{"digests": {}, "packages": {}, "edited": 1}',
        '{"digests": {}, "packages": {}, "edited": [1]}',
        '{"digests": {}, "packages": {}, "python": 1}',
        '{"digests": {}, "packages": {}, "more": 1}',
    ],
)
def test_a_text_that_is_no_fingerprint_is_refused(text):
    """With an error that the reader of a journal expects."""
    with pytest.raises((ValueError, TypeError)):
        Fingerprint.from_json(text)


words = st.text("abcdefghij", min_size=1, max_size=8)


@settings(max_examples=40)  # each runs the notebook twice
@given(
    st.lists(
        st.sampled_from(
            [
                ("PROMPT", "in French"),
                ("shorten", "[:limit]"),
                ("kept", 'answer_in("kind")'),
                ("Base.language", '"fr"'),
                ("Ask().tone", "Ask(), "),
            ]
        ),
        unique=True,
    ),
    words,
    st.lists(st.sampled_from(sorted(SAME)), unique=True, max_size=4),
)
def test_random_edits_change_what_was_edited_and_nothing_else(edits, word, harmless):
    """Whatever comments, docstrings and quotes are edited along with it."""
    module = types.ModuleType("prompts")
    module.SYSTEM = "Be brief."
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "prompts", module)
        cells = Cells(patch)
        before = taken(cells.run(NOTEBOOK))
        code = NOTEBOOK
        for each in harmless:
            old, new = SAME[each]
            code = code.replace(old, new) if new else code
        replaced = {
            "PROMPT": f"in {word}X",
            "shorten": f"[:limit + len({word!r})]",
            "kept": f'answer_in("{word}")',
            "Base.language": f'"{word}X"',
            "Ask().tone": f"Ask({word!r}), ",
        }
        for name, old in edits:
            code = code.replace(old, replaced[name])
        found = before.differences(taken(cells.run(code)))
    named = {"kept": "tone in inner"}
    assert found == sorted(f"{named.get(name, name)} has changed" for name, _ in edits)


MODULE = """
from pocketflow import AsyncFlow, AsyncNode
def build(question):
    return f"{question}?"
class Ask(AsyncNode):
    async def exec_async(self, question):
        return build(question)
flow = AsyncFlow(start=Ask())
shared = {}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the file and the name of a module that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "module_of_the_project.py"
    file.write_text(MODULE)
    yield file, file.stem
    sys.modules.pop(file.stem, None)


def test_a_module_that_is_edited_after_its_import_counts_as_it_runs(project):
    """The file has another text, but nothing has imported it yet."""
    file, name = project
    module = importlib.import_module(name)
    before = taken(module)
    file.write_text(MODULE.replace("?", "!") + "\n")
    assert before.differences(taken(module)) == []
    module = importlib.reload(module)
    assert before.differences(taken(module)) == [f"{name}.build has changed"]


def test_a_kernel_that_begins_with_an_edited_module_still_knows_the_code(project):
    """Of the run before, the source is known; now, only the code that runs is."""
    file, name = project
    before = taken(importlib.import_module(name))
    sys.modules.pop(name)
    module = importlib.import_module(name)
    file.write_text("\n\n" + MODULE.replace("?", "!"))
    now = taken(module)
    assert now.digests[f"{name}.build"].startswith(":")
    assert before.differences(now) == now.differences(before) == []


def test_a_reload_of_the_same_code_is_no_change(project):
    """With another line before it, too."""
    file, name = project
    module = importlib.import_module(name)
    before = taken(module)
    file.write_text(f"# edited\n\n{MODULE}")
    assert before.differences(taken(importlib.reload(module))) == []


def made(result="1"):
    names = {"__name__": "__main__"}
    code = MODULE.replace("flow = ", "").replace("AsyncFlow(start=Ask())", "")
    exec(code.replace('f"{question}?"', result), names)
    return types.SimpleNamespace(flow=names["Ask"](), shared={})


def test_without_a_source_the_code_counts():
    """As `exec` makes it."""
    before = taken(made())
    assert before.differences(taken(made())) == []
    assert before.differences(taken(made("2"))) == ["build has changed"]
    # Equal sets, which have their items in another order in another process.
    assert taken(made("1 in {0, 8}")).differences(taken(made("1 in {8, 0}"))) == []


def test_another_version_of_python_is_named_if_code_has_no_source(notebook):
    """It compiles the same source to other code; where the source is known, it makes no difference."""
    other = "cpython-309"
    before, with_source = taken(made()), taken(notebook())
    for each in (before, with_source):
        each.python = other
        # As the other version would compile it.
        each.digests = {
            name: f"{digest.partition(':')[0]}:{other}" if ":" in digest else digest
            for name, digest in each.digests.items()
        }
    (said,) = before.differences(taken(made()))
    assert said.endswith(
        "and was cpython-309, and Ask.exec_async, build cannot be compared without a source"
    )
    assert with_source.differences(taken(notebook())) == []


def test_another_version_of_a_package_is_named(notebook):
    """PocketFlow's too; a package that is used no longer, or now, as well."""
    before = taken(notebook())
    before.packages["pocketflow"] = "0.0.1"
    before.packages["gone"] = "1"
    now = taken(notebook())
    now.packages["new"] = "1"
    version = now.packages["pocketflow"]
    assert before.differences(now) == [
        "gone is gone",
        "new is new",
        f"pocketflow is {version} and was 0.0.1",
    ]


SECRET = """
from pocketflow import AsyncNode
API_KEY = "sk-12345678"
class Ask(AsyncNode):
    token = "tk-12345678"
    def __init__(self):
        super().__init__()
        self.password = "hunter2222"
        self.headers = {"Authorization": "Bearer 12345678", "accept": "json"}
        self.url = "https://a?key=sk-12345678"
    async def exec_async(self, prepared):
        secret = "in the code"
        return API_KEY, self.token, secret
flow, shared = Ask(), {"api_key": "sk-12345678", "model": "small"}
"""


@pytest.mark.parametrize(
    "old", ["sk-12345678", "tk-12345678", "hunter2222", "Bearer 12345678", "in the code"]
)
def test_another_secret_is_no_change(cells, old):
    """In globals, attributes, code and shared, at any depth, and where another text quotes it."""
    before = taken(cells.run(SECRET))
    assert old not in before.to_json()
    assert before.differences(taken(cells.run(SECRET.replace(old, f"another-{old[::-1]}")))) == []
    changed = SECRET.replace('"json"', '"text"').replace("?key", "?q")
    assert before.differences(taken(cells.run(changed))) == [
        "Ask().headers has changed",
        "Ask().url has changed",
        "Ask.__init__ has changed",
    ]


def test_what_is_left_out_of_one_of_two_is_not_compared(notebook):
    """With all that begins with its name."""
    before, now = (
        taken(notebook()),
        taken(notebook(("Settings()", "Settings('large')"), ("in French", ""))),
    )
    assert before.differences(now) == ["PROMPT has changed", "settings.model has changed"]
    assert before.differences(now, left_out=["settings"]) == ["PROMPT has changed"]
    before.left_out["PROMPT"] = "no exact form"
    now.left_out["settings"] = "too large"
    assert before.differences(now) == now.differences(before) == []
    assert before.changed_by_run == ["CACHE", "CALLS", "shared['answers']", "shared['last']"]


def watched(names):
    return LiveFingerprint(names.flow, names.shared, frozenset())


def test_what_the_run_changes_in_place_is_left_out_when_it_has_ended(notebook):
    """Where nothing in the code shows it: through another name, or in a library."""
    names = notebook(
        ("CALLS += 1", "log, memory = WORDS, self.scorer.memory"),
        ("ask, check =", "Ask.scorer = None; ask, check ="),
    )
    live = watched(names)
    before = Fingerprint.from_json(live.value.to_json())
    names.WORDS.add("four")
    names.shared["found"] = 1
    names.shared["model"] = "large"
    assert not live.look()
    assert live.look(at_end=True)
    found = {"WORDS", "shared['found']", "shared['model']"}
    assert {*live.value.changed_by_run} - {*before.changed_by_run} == found
    assert not live.value.edited
    assert not live.look(at_end=True)
    assert live.value.differences(taken(names)) == []
    # Of a run that was killed, the file knows only how it began.
    assert before.differences(taken(names)) == [
        "WORDS has changed",
        "shared['found'] is new",
        "shared['model'] has changed",
    ]
    assert before.differences(taken(names), left_out=live.value.changed_by_run) == []


@pytest.mark.parametrize(
    ("cell", "edited"),
    [
        ("PROMPT = 'In German: {q}'", "PROMPT"),
        ("def build(question): return question", "build"),
        ("kindly = answer_in('cool')", "tone in inner"),
        ("kindly = shorten", "kindly"),
        ("MODELS = {'fast': 'tiny'}", "MODELS"),
        ("settings = Settings('large')", "settings.model"),
        ("ask.tone = 'cool'", "Ask().tone"),
        ("build.__code__ = (lambda question: 3).__code__", "build"),
        ("ask >> Check()", "Ask().successors"),
    ],
)
@pytest.mark.parametrize("at_end", [False, True])
def test_what_another_cell_edits_during_the_run_is_not_taken_for_the_runs_own_work(
    cells, notebook, cell, edited, at_end
):
    """Nobody knows which rows saw which of the two, so that they are not restored in silence."""
    live = watched(notebook())
    in_place = edited in ("build", "Ask().successors") and not cell.startswith("def")
    names = cells.run(cell)
    names.WORDS.add("four")  # the run's own work
    assert live.look(at_end=at_end) == (at_end or not in_place)
    if live.value.edited:
        assert live.value.edited[0] == edited
        assert f"{edited} was changed while it ran" in live.value.differences(taken(names))
    else:
        assert in_place and not at_end
    assert ("WORDS" in live.value.left_out) == at_end
    assert not live.look()


@pytest.mark.parametrize(
    ("cell", "edited"),
    [("PROMPT = 'In German: {q}'", "PROMPT"), ("WORDS.add('four')", "WORDS"), ("1", None)],
)
def test_what_changes_between_the_end_of_a_run_and_its_retry_is_edited(
    cells, notebook, cell, edited
):
    """No instance ran that could have changed it."""
    live = watched(notebook())
    assert not live.look(at_end=True)
    names = cells.run(cell)
    assert not live.look()
    assert live.reopen() == (edited is not None)
    assert live.value.edited == ([] if edited is None else [edited])
    assert not live.look()
    names.WORDS.add("five")
    assert live.look(at_end=True) == (edited != "WORDS")


def test_cells_that_are_run_again_unchanged_edit_nothing(notebook):
    """Each function is another object then, and all is the same."""
    live = watched(notebook())
    notebook()
    assert not live.look()
    assert not live.look(at_end=True)
    assert live.value.edited == []


def test_a_lock_has_no_exact_form_and_is_left_out(cells):
    """With the reason."""
    names = cells.run(
        "from pocketflow import AsyncNode\nimport threading\n"
        "lock = threading.Lock()\n"
        "class Ask(AsyncNode):\n    def exec(self, _): return lock\n"
        "flow, shared = Ask(), {'lock': threading.Lock()}\n"
    )
    assert taken(names).left_out == {"lock": "no exact form", "shared['lock']": "no exact form"}
    assert isinstance(names.lock, type(threading.Lock()))


def test_nodes_in_a_circle_are_read_once():
    """Each node counts once."""
    one, other = AsyncNode(), AsyncNode()
    one >> other
    other >> one
    found = fingerprint_of(AsyncFlow(start=one), {})
    assert len(found.digests["AsyncNode().max_retries"].split()) == 2


def test_a_nodes_own_getattr_is_not_called():
    """It may raise, or return anything."""

    class Trap(AsyncNode):
        def __getattr__(self, name):
            raise ConnectionError(name)

    assert any(name.endswith("Trap.__getattr__") for name in fingerprint_of(Trap(), {}).digests)
