"""What the nodes of a flow depend on."""

from __future__ import annotations

import enum
import sys
import types

import pytest
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.flow.dependencies import reader as reader_module
from flowmagic.flow.dependencies.reader import CHANGED_BY_RUN, NOT_IMPORTED, Reader

HEAD = "from pocketflow import AsyncFlow, AsyncNode, Node\n"


@pytest.fixture
def read(cells):
    """Run a cell that defines `node`, and read that node."""

    def run(code, **names):
        cells.names.update(names)
        reader = Reader()
        reader.read_node(cells.run(HEAD + code).node)
        return reader

    return run


def in_exec(body, before=""):
    """Return a cell with a node whose exec has this body."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return f"{before}\nclass Ask(Node):\n    def exec(self, prepared):\n{lines}node = Ask()\n"


def names_of(reader):
    """Return the names that were read, without those that any node has."""
    usual = {"Ask", "Ask.exec", "Ask().max_retries", "Ask().wait"}
    assert usual <= {*reader.digests}
    return sorted({*reader.digests} - usual)


FOLLOWED = [
    ("A = 1; B = 2", "return A", ["A"]),
    ("A = 1\ndef f(): return A\ndef g(): return f()", "return g()", ["A", "f", "g"]),
    ("A = 1", "return [(lambda: A) for _ in prepared]", ["A"]),
    ("A = 1\ndef f(): return f() + A", "return f()", ["A", "f"]),
    ("A = 1\nf = lambda: A", "return f()", ["A", "f"]),
    ("A = 1\nclass C:\n    x = 1\n    def m(self): return A\nC.__module__", "return C().m()",
     ["A", "C", "C.m", "C.x"]),
    ("A = 1\nclass B:\n    def m(self): return A\nclass C(B): ...", "return C", ["A", "B", "B.m", "C"]),
    ("A = 1\nclass C:\n    @classmethod\n    def m(cls): return A", "return C.m()", ["A", "C", "C.m"]),
    ("A = 1\nclass C:\n    def __init__(self): self.x = A\nc = C()", "return c",
     ["A", "C", "C.__init__", "c", "c.x"]),
    ("def f(): return 1\nTOOLS = {'f': f}", "return TOOLS", ["TOOLS", "f"]),
    ("class C: pass\nITEMS = [C()]", "return ITEMS", ["C", "ITEMS", "ITEMS[0]"]),
    ("import functools\ndef f(a): return 1\ng = functools.partial(f, 1)", "return g()", ["f", "g"]),
    ("import functools\n@functools.cache\ndef f(a): return 1", "return f(1)", ["f"]),
    ("class C:\n    def m(self): return 1\nm = C().m", "return m()", ["C", "C.m", "m"]),
    ("def f(a=1, *, b=2): return a", "return f()", ["f", "f(a=)", "f(b=)"]),
    ("def f(): return 1\nf.tag = 3", "return f()", ["f", "f.tag"]),
    ("def make(a):\n    def f(): return a\n    return f\nf, g = make(1), make(2)", "return f(), g()",
     ["a in f", "f", "g"]),
    ("import json, math, re", "return json.dumps(math.pi), re.sub, len, missing", []),
]  # fmt: skip


@pytest.mark.parametrize(("before", "body", "names"), FOLLOWED)
def test_names_are_followed_through_the_code_of_the_notebook(read, before, body, names):
    """Functions, classes, objects, closures, defaults and what containers hold."""
    assert names_of(read(in_exec(body, before))) == names


def test_two_functions_of_one_name_have_their_digests_in_one_text(read):
    """In the order in which they are found, so that exchanging them is a change."""
    code = "def make(a):\n    def f(): return a\n    return f\n"
    one = read(in_exec("return g, h", f"{code}g, h = make(1), make(2)"))
    other = read(in_exec("return g, h", f"{code}g, h = make(2), make(1)"))
    assert len(one.digests["a in f"].split()) == len(one.digests["f"].split()) == 2
    assert one.digests["a in f"] == " ".join(reversed(other.digests["a in f"].split()))
    # Also where both are reached in another way before.
    code += "g, h = make(1), make(2)\nFIRST = [g, h]\n"
    one = read(in_exec("return FIRST, SECOND", f"{code}SECOND = [g, h]"))
    other = read(in_exec("return FIRST, SECOND", f"{code}SECOND = [h, g]"))
    assert one.digests["SECOND"] != other.digests["SECOND"]


@pytest.fixture
def prompts(monkeypatch):
    """Make a module of the project."""
    module = types.ModuleType("prompts")
    exec("SYSTEM, OTHER = 1, 2\ndef build(): return SYSTEM\n", vars(module))
    monkeypatch.setitem(sys.modules, "prompts", module)
    return module


@pytest.mark.parametrize(
    ("before", "body", "names"),
    [
        ("import prompts", "return prompts.SYSTEM", ["prompts.SYSTEM"]),
        ("import prompts as p", "return p.build()", ["prompts.SYSTEM", "prompts.build"]),
        ("from prompts import SYSTEM", "return SYSTEM", ["SYSTEM"]),
        ("", "import prompts\nreturn prompts.SYSTEM", ["prompts.SYSTEM"]),
        ("", "from prompts import build as b\nreturn b()", ["prompts.SYSTEM", "prompts.build"]),
        (
            "import prompts",
            "return getattr(prompts, prepared)",
            ["prompts.OTHER", "prompts.SYSTEM", "prompts.build"],
        ),
    ],
)
@pytest.mark.usefixtures("prompts")
def test_names_are_followed_into_the_modules_of_the_project(read, before, body, names):
    """Under whatever name they are imported; one that is used as a whole counts as a whole."""
    found = read(in_exec(body, before))
    assert [name for name in names_of(found) if name != "prompts"] == names


def test_a_module_that_is_not_imported_yet_is_left_out(read, monkeypatch):
    """Its own code would have to run. An installed package counts by its version all the same."""
    monkeypatch.delitem(sys.modules, "iniconfig", raising=False)
    imports = "import iniconfig, json, no_such_module\nfrom . import x\n"
    found = read(in_exec(f"{imports}return iniconfig.a, json.b, no_such_module.c, x"))
    assert found.left_out["no_such_module"] == NOT_IMPORTED
    assert "iniconfig" in found.packages
    assert "iniconfig" not in found.left_out


def test_installed_packages_count_by_their_version(read):
    """That a function, class, module or object of theirs is used; Python's and flowmagic's do not count."""
    import hypothesis

    before = "import hypothesis.strategies as st, json, flowmagic\nfrom hypothesis import given"
    found = read(in_exec("return st.text, given, json, flowmagic.limit", before))
    assert found.packages.keys() == {"pocketflow", "hypothesis"}
    assert found.packages["hypothesis"] == hypothesis.__version__


CHANGED = [
    ("CACHE = {}", "CACHE[prepared] = 1", "CACHE"),
    ("N = 1", "global N\nN += 1", "N"),
    ("class S: n = 1\nS.n", "S.n += 1", "S.n"),
    ("class S:\n    def __init__(self): self.n = 1\ns = S()", "s.n += 1", "s.n"),
    (
        "class S:\n    def __init__(self): self.n = 1\n    def up(self): self.n += 1\ns = S()",
        "s.up()",
        "s.n",
    ),
    ("class S:\n    seen = []\n    def up(self): self.seen.append(1)\ns = S()", "s.up()", "S.seen"),
    ("LOG = []\ndef log(x): LOG.append(x)", "log(1)", "LOG"),
    ("", "self.cache[prepared] = 1", "Ask().cache"),
]


@pytest.mark.parametrize(("before", "body", "changed"), CHANGED)
def test_what_the_code_changes_is_left_out(read, before, body, changed):
    """Wherever it is kept."""
    assert read(in_exec(body, before)).left_out[changed] == CHANGED_BY_RUN


def test_what_is_left_out_is_not_followed(read):
    """A cache may hold anything; what it holds makes no other flow."""
    code = (
        "class Answer:\n    def m(self): return OTHER\nOTHER = 1\nCACHE, KEPT = {1: Answer()}, {}"
    )
    found = read(in_exec("CACHE[prepared] = 1\nreturn KEPT", code))
    assert names_of(found) == ["KEPT"]


def test_what_a_node_assigns_to_itself_counts_unless_it_is_the_flow(cells):
    """Each instance has a copy of the node, and the flow is not copied."""
    names = cells.run(
        HEAD
        + "class Ask(AsyncNode):\n    def prep(self, shared): self.tone = 1; self.log.append(1)\n"
        "class Own(AsyncFlow):\n    def prep(self, shared): self.total = 1\n"
        "flow = Own(start=Ask())\n"
    )
    reader = Reader()
    reader.read_flow(names.flow, {})
    assert reader.left_out.keys() == {"Ask().log", "Own().total"}


def test_the_graph_counts(cells):
    """Where each node leads to, and where a flow begins; nested flows too."""
    names = cells.run(
        HEAD + "class A(AsyncNode): pass\nclass B(AsyncNode): pass\n"
        "a, b, c = A(), B(), A()\n"
        "inner = AsyncFlow(start=b)\na - 'x' >> inner\ninner >> c\nflow = AsyncFlow(start=a)\n"
    )

    def digests():
        reader = Reader()
        reader.read_flow(names.flow, {})
        return reader.digests

    before = digests()
    assert {"A().successors", "AsyncFlow().start_node", "B().max_retries"} <= {*before}
    names.inner.successors["default"] = names.a
    assert {name for name, digest in digests().items() if before[name] != digest} == {
        "AsyncFlow().successors",
        # Of the other node of that class, nothing is reached any more.
        "A().max_retries", "A().successors", "A().wait",
    }  # fmt: skip


def test_shared_counts_by_key():
    """Whatever the keys are; a store of another kind, or a very large one, counts as a whole."""

    def read_shared(shared):
        reader = Reader()
        reader.read_flow(AsyncFlow(start=AsyncNode()), shared)
        return {name for name in reader.digests if name.startswith("shared")}

    assert read_shared({"a": 1, 2: 3, (4,): 5}) == {"shared['a']", "shared[2]", "shared[tuple]"}
    assert read_shared({n: n for n in range(1_001)}) == {"shared"}
    assert read_shared([1, 2]) == {"shared"}


def test_one_node_alone_has_what_it_depends_on(cells):
    """Of which a key for its outputs can be made: not the other nodes, and not where it leads to."""
    names = cells.run(
        HEAD + "PROMPT, OTHER = 'a', 'b'\n"
        "class Ask(AsyncNode):\n    def exec(self, _): return PROMPT\n"
        "class Check(AsyncNode):\n    def exec(self, _): return OTHER\n"
        "one, other = Ask(), Check()\none >> other\n"
    )
    found = []
    for node in (names.one, names.other):
        reader = Reader()
        reader.read_node(node)
        found.append(set(reader.digests))
    assert found == [
        {"Ask", "Ask.exec", "PROMPT", "Ask().max_retries", "Ask().wait"},
        {"Check", "Check.exec", "OTHER", "Check().max_retries", "Check().wait"},
    ]


def test_a_node_has_the_same_digests_alone_as_in_its_flow(cells):
    """Both come from one reading."""
    names = cells.run(
        HEAD + "class Ask(AsyncNode): pass\nnode = Ask()\nflow = AsyncFlow(start=node)\n"
    )
    alone, whole = Reader(), Reader()
    alone.read_node(names.node)
    whole.read_flow(names.flow, {})
    assert alone.digests.items() <= whole.digests.items()


def test_a_class_alone_is_read_without_an_object():
    """To tell two of one name apart."""
    reader = Reader()
    reader.read_class(types.FunctionType)
    assert reader.digests == {}

    class Ask(AsyncNode):
        style = 1

    reader.read_class(Ask)
    assert reader.digests.keys() == {f"{__name__}.Ask", f"{__name__}.Ask.style"}


def test_a_metaclass_of_python_counts_only_by_its_bases(read):
    """Python 3.11 has another name for that of an Enum; the flow of 3.10 is the same."""
    code = in_exec("return Colour.RED", "import enum\nclass Colour(enum.Enum):\n    RED = 1")
    meta, before = type(enum.Enum), read(code).digests
    name = meta.__qualname__
    meta.__qualname__ = "AnotherName"
    try:
        assert read(code).digests == before
    finally:
        meta.__qualname__ = name


def test_a_metaclass_of_the_notebook_counts(read):
    """It may change what the class does."""
    code = "class Meta(type): ...\nclass C(metaclass={}): ..."
    one, other = (read(in_exec("return C", code.format(meta))) for meta in ("type", "Meta"))
    assert one.digests["C"] != other.digests["C"]
    assert "Meta" in other.digests


def test_limits_of_our_classes_do_not_count(cells):
    """They change no answer, and an adaptive one changes by itself."""

    def read_node(**options):
        reader = Reader()
        reader.read_node(flowmagic.ThrottledParallelBatchNode(**options))
        return reader

    one, other = read_node(max_concurrent=3), read_node(max_concurrent=4)
    assert one.digests == other.digests
    assert one.left_out == {}


def test_bindings_tell_whether_a_name_was_bound_anew(read):
    """A global, or an attribute of a node."""
    found = read(in_exec("return A", "A = [1]"))
    by_name = {each.name: each for each in found.bindings}
    assert by_name.keys() == {"A", "Ask().max_retries", "Ask().wait"}
    assert by_name["A"].is_bound
    by_name["A"].value.append(2)
    assert by_name["A"].is_bound
    by_name["A"].namespace["A"] = [1, 2]
    assert not by_name["A"].is_bound
    del by_name["A"].namespace["A"]
    assert not by_name["A"].is_bound


def test_what_has_too_many_names_is_left_out(read, monkeypatch):
    """So that a run starts in time; the rest counts."""
    monkeypatch.setattr(reader_module, "_MOST_NAMES", 10)
    code = "class C:\n    def __init__(self): vars(self).update({f'a{n}': n for n in range(100)})\nc = C()"
    found = read(in_exec("return c", code))
    assert len(found.digests) < 20
    assert found.left_out


def test_objects_that_raise_whatever_is_asked_of_them_end_nothing(read):
    """They are the user's."""
    code = """
class Trap:
    def __getattr__(self, name): raise RuntimeError(name)
    def __eq__(self, other): raise RuntimeError
    def __hash__(self): raise RuntimeError
    def __repr__(self): raise RuntimeError
    def __iter__(self): raise RuntimeError
    def __reduce_ex__(self, _): raise RuntimeError
class TrapDict(dict):
    def keys(self): raise RuntimeError
    def items(self): raise RuntimeError
trap, traps = Trap(), [Trap(), {"a": Trap()}, TrapDict(a=1)]
"""
    found = read(in_exec("return trap, traps", code))
    assert {"trap", "traps", "Trap.__eq__"} <= {*found.digests}
