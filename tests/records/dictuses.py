"""Whatever can be done with a dict, to compare dicts of other classes with it."""

from __future__ import annotations

import copy
import pickle
import pprint


def of(function, params):
    """Return what a function does with params: what it returns, or raises, and what it leaves."""
    try:
        result = function(params)
    except Exception as error:
        result = (type(error), str(error))
    return (type(result), result, list(dict.items(params)))


ANY = {
    "[]": lambda p, k, o: p[k],
    "get": lambda p, k, o: p.get(k),
    "get or": lambda p, k, o: p.get(k, "default"),
    "in": lambda p, k, o: k in p,
    "pop": lambda p, k, o: p.pop(k),
    "pop or": lambda p, k, o: p.pop(k, "default"),
    "setdefault": lambda p, k, o: p.setdefault(k, 5),
    "[] =": lambda p, k, o: p.__setitem__(k, 7),
    "del": lambda p, k, o: p.__delitem__(k),
    "update": lambda p, k, o: p.update(o),
    "update by name": lambda p, k, o: p.update(o, z=1),
    "|=": lambda p, k, o: dict(p.__ior__(o)),
    "clear": lambda p, k, o: p.clear(),
    "popitem": lambda p, k, o: p.popitem(),
    "|": lambda p, k, o: p | o,
    "reversed |": lambda p, k, o: o | p,
    "== ": lambda p, k, o: (p == o, o == p, p != o, o != p, p == 5),
    "**": lambda p, k, o: {**p, **o},
    "dict": lambda p, k, o: dict(p),
    "copy": lambda p, k, o: p.copy(),
    "copy.copy": lambda p, k, o: copy.copy(p),
    "deepcopy": lambda p, k, o: copy.deepcopy(p),
    "pickle": lambda p, k, o: pickle.loads(pickle.dumps(p)),
    "old pickle": lambda p, k, o: pickle.loads(pickle.dumps(p, 0)),
    "list": lambda p, k, o: [list(p), list(p.keys()), list(p.values()), list(p.items())],
    "reversed": lambda p, k, o: list(reversed(p)),
    "len": lambda p, k, o: (len(p), bool(p), p.__sizeof__() > 0),
    "repr": lambda p, k, o: (repr(p), str(p), f"{p}"),
    "pprint": lambda p, k, o: pprint.pformat(p),
    "isinstance": lambda p, k, o: isinstance(p, dict),
    "hash": lambda p, k, o: hash(p),
    "attribute": lambda p, k, o: p.nothing,
    "type": lambda p, k, o: type(p)(p),
    "type by name": lambda p, k, o: type(p)(o, x=1),
    "fromkeys": lambda p, k, o: p.fromkeys([k]),
    "unhashable": lambda p, k, o: p.get([]) and p[[]],
    "<": lambda p, k, o: p < o,
}  # fmt: skip
"""By name, functions of a dict, a key, and another dict."""
