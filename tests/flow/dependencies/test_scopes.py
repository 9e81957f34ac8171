"""What functions read and change that is not local to them."""

from __future__ import annotations

import pytest

from .definitions import syntax

READS = [
    ("def f(): return PROMPT", "PROMPT"),
    ("def f(): return config.models.fast", "config.models.fast"),
    ("def f(): return config.models().fast", "config.models"),
    ("def f(x): return x.y + z", "z"),
    ("def f():\n    model = self.model\n    return model", "self.model"),
    ("def f():\n    for x in y: x\n    return x", "y"),
    ("def f():\n    with a as b: b\n    return b", "a"),
    ("def f():\n    try: a()\n    except B as c: c\n    return c", "B a"),
    ("def f(): return [x for x in x]", "x"),
    ("def f(): return [x for y in z for x in y if w]", "w z"),
    ("def f(): return {x: y for x, y in z.items()}", "z.items"),
    ("def f():\n    if (n := g()): n\n    return [m := n for _ in h], m", "g h"),
    ("def f():\n    def g(a=A): return a + B\n    return g", "A B"),
    ("def f(): return (lambda x: x + y)", "y"),
    ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y\n    return g", "y"),
    ("def f():\n    x = 1\n    def g(): return x\n    return g", ""),
    ("def f():\n    x = 1\n    def g():\n        global x\n        return x\n    return g", "x"),
    ("def f():\n    class A(B):\n        c = C\n        def m(self): return c\n    return A", "B C c"),
    ("def f():\n    class A:\n        c = 1\n        class D: d = c\n    return A", "c"),
    ("def f():\n    match x:\n        case {'a': y, **rest}: y, rest", "x"),
    ("def f():\n    match x:\n        case [z, *w]: z, w\n        case P(q=v) as u: u, v", "P x"),
    ("def f(a: A) -> B: return a", ""),
    ("@decorate\ndef f(a=DEFAULT): return a", ""),
    ("lambda x: x + y", "y"),
    ("async def f():\n    async for x in y: await x\n    async with a as b: b", "a y"),
    ("def f():\n    del x\n    return y", "y"),
    ("def f():\n    x: A = y\n    return x", "A y"),
    ("def f(*args, **kwargs): return args, kwargs, len", "len"),
    ("def f(): return f'{a} {b:{c}}'", "a b c"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "reads"), READS)
def test_a_function_reads_what_it_does_not_bind_itself(code, reads):
    """By Python's own rules: a name that is assigned anywhere in a function is local to it."""
    found = syntax(code).names.reads
    assert sorted(".".join(chain) for chain in found) == reads.split()


IMPORTS = [
    ("def f():\n    import prompts\n    return prompts.SYSTEM", "prompts.SYSTEM"),
    ("def f():\n    import a.prompts\n    return a.prompts.SYSTEM", "a.prompts.SYSTEM"),
    ("def f():\n    import a.prompts as p\n    return p.SYSTEM", "a.prompts|SYSTEM"),
    ("def f():\n    from prompts import SYSTEM as s\n    return s.format", "prompts.SYSTEM.format"),
    ("def f():\n    from . import prompts\n    return prompts.SYSTEM", ".|prompts.SYSTEM"),
    ("def f():\n    import prompts\n    return lambda: prompts.SYSTEM", "prompts.SYSTEM"),
    ("def f():\n    import prompts", ""),
]


@pytest.mark.parametrize(("code", "imports"), IMPORTS)
def test_what_a_function_imports_itself_is_read_from_the_module(code, imports):
    """Also in a function within it."""
    names = syntax(code).names
    expected = []
    for each in imports.split():
        module, bar, rest = each.partition("|")
        expected.append((module, *rest.split(".")) if bar else tuple(each.split(".")))
    assert sorted(names.imports) == expected
    assert names.reads == set()


CHANGES = [
    ("def f(k): CACHE[k] = 1", "CACHE"),
    ("def f(k): del CACHE[k]", "CACHE"),
    ("def f(k): CACHE[k] += 1", "CACHE"),
    ("def f(k): CACHE[k].parts[1].append(1)", "CACHE"),
    ("def f(k): LOG.append(k)", "LOG"),
    ("def f(k): STATE.items.append(k)", "STATE.items"),
    ("def f(k): STATE.items[0].append(k)", "STATE.items"),
    ("def f(): STATE.count += 1", "STATE.count"),
    ("def f():\n    global COUNT\n    COUNT += 1", "COUNT"),
    ("def f():\n    global COUNT\n    def g(): COUNT[1] = 1", "COUNT"),
    ("def f():\n    global g\n    def g(): ...", "g"),
    ("def f(): return [SEEN.add(x) for x in y]", "SEEN"),
    ("def f():\n    found = []\n    found.append(1)\n    found[0] = 2", ""),
    ("def f(found): found.append(1)", ""),
    ("def f(): return LOG.index(1), LOG[1], STATE.count", ""),
    ("def f(): g().append(1)", ""),
    ("def f(): (a or b).append(1)", ""),
]


@pytest.mark.parametrize(("code", "changes"), CHANGES)
def test_what_a_function_changes_is_found_where_it_is_written_out(code, changes):
    """In place, or as a global; not what is local to it."""
    found = syntax(code).names.changes
    assert sorted(".".join(chain) for chain in found) == changes.split()


SELF = [
    ("def f(self): self.count += 1", "", "count"),
    ("def f(self, k): self.cache[k] = 1", "cache", ""),
    ("def f(me, k): me.log.append(k)", "log", ""),
    ("def f(self): self.state.count = 1", "state.count", ""),
    ("def f(self):\n    def g(): self.log.append(1)", "log", ""),
    ("def __init__(self):\n    self.cache = {}\n    self.cache[1] = 2", "", ""),
    ("def f(self):\n    def g(self): self.log.append(1)", "", ""),
]


@pytest.mark.parametrize(("code", "in_place", "assigned"), SELF)
def test_the_attributes_that_a_method_changes_are_found(code, in_place, assigned):
    """What it assigns apart from what it changes in place, and not while the object is being made."""
    names = syntax(code).names
    assert sorted(".".join(chain) for chain in names.changes_on_self) == in_place.split()
    assert sorted(".".join(chain) for chain in names.assigns_on_self) == assigned.split()
    assert names.changes == set()


SHARED = [
    ("def post(self, shared, a, b): shared['x'] = 1", {"x"}),
    ("def post(self, store, a, b): store['x'] = 1", {"x"}),
    ("def other(self, store): store['x'] = 1", set()),
    ("def helper(shared): shared['x'].append(1)", {"x"}),
    ("def helper(shared, i): shared.setdefault('x', {})[i] = 1", {"x"}),
    ("def helper(shared, i): shared['x'][i]['y'] = 1", {"x"}),
    ("def helper(shared): shared.get('x').add('y')", {"x"}),
    ("def helper(shared): del shared['x'], shared[2]", {"x", 2}),
    ("def helper(shared): shared['x'] += 1", {"x"}),
    ("def helper(shared, key): shared[key] = 1", set()),
    ("def helper(shared, key): shared[key].append('x')", set()),
    ("def helper(shared): return shared['x'], shared.get('y')", set()),
    ("def helper(shared):\n    def inner(): shared['x'] = 1", {"x"}),
]


@pytest.mark.parametrize(("code", "keys"), SHARED)
def test_the_keys_of_shared_that_a_function_writes_are_found(code, keys):
    """By the name `shared`, and in PocketFlow's hooks by the parameter."""
    names = syntax(code).names
    assert names.changes_in_shared == keys
    assert names.changes == names.changes_on_self == set()
