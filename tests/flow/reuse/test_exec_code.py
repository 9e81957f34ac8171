"""What an exec can run and read."""

from __future__ import annotations

import pytest

from flowmagic.flow.reuse.exec_code import ExecCode

HEAD = "from pocketflow import AsyncNode, Node\n"


def cell(body, before="", more=""):
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    methods = "".join(f"    {line}\n" for line in more.splitlines())
    head = f"{HEAD}{before}\nclass Ask(Node):\n    def exec(self, prepared):\n"
    return f"{head}{lines}{methods}node = Ask()\n"


DEEP = """
import time
def a(): return time.time()
def b(): return a()
def c(): return b()
def d(): return c()
"""
IMPURE = [
    ("import time", "return time.time()"),
    ("import time", "return time.perf_counter()"),
    ("from time import time", "return time()"),
    ("import datetime as dt", "return dt.datetime.now()"),
    ("from datetime import date", "return date.today()"),
    ("import random", "return random.random()"),
    ("from random import choice", "return choice([1])"),
    ("import uuid", "return uuid.uuid4()"),
    ("import secrets", "return secrets.token_hex()"),
    ("import os", "return os.urandom(1)"),
    ("", "return open('a').read()"),
    ("from pathlib import Path", "return Path('a').read_text()"),
    ("import os", "return os.listdir('.')"),
    ("import subprocess", "return subprocess.run(['ls'])"),
    ("import os", "return os.system('ls')"),
    ("import sys", "return sys.argv"),
    ("", "return input()"),
    ("", "return hash(prepared)"),
    ("import numpy as np", "return np.random.rand()"),
    ("import pandas as pd", "return pd.read_csv('a')"),
    ("import os", "return os.environ[prepared]"),
    ("import os", "return dict(os.environ)"),
    ("", "import time\nreturn time.time()"),
    ("import time\ndef now(): return time.time()", "return now()"),
    (DEEP, "return d()"),
    ("import time\nclass Clock:\n    def now(self): return time.time()", "return Clock().now()"),
    ("import time, functools\nnow = functools.partial(lambda f: time.time(), 1)", "return now()"),
    ("", "return [f() for f in (lambda: __import__('time'),)]"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "body"), IMPURE)
def test_an_exec_is_impure_that_uses_what_may_differ_from_call_to_call(cells, before, body):
    """Also through helpers, however deep, and through classes."""
    assert ExecCode(cells.run(cell(body, before)).node).why_impure


PURE = [
    ("", "return prepared"),
    ("import time", "time.sleep(1)\nreturn prepared"),
    ("import os", "return os.path.join('a', 'b')"),
    ("import os", "return os.environ['MODEL'] + os.getenv('KEY', '') + os.environ.get('B')"),
    ("import json, re, math, datetime", "return json.dumps(datetime.timedelta(1).days)"),
    ("import time\ndef unused(): return time.time()", "return 1"),
]


@pytest.mark.parametrize(("before", "body"), PURE)
def test_an_exec_is_not_impure_without_such_things(cells, before, body):
    """A pause changes no output, and what other functions of the notebook use does not matter."""
    assert ExecCode(cells.run(cell(body, before)).node).why_impure == ""


def test_what_only_prep_and_post_use_does_not_matter(cells):
    """They run in any case."""
    more = "def prep(self, shared): return time.time()\ndef post(self, s, p, e): self.log()\n"
    more += "def log(self): open('a')"
    code = ExecCode(cells.run(cell("return self.style", "import time", more)).node)
    assert (code.why_impure, code.uses("style"), code.uses("log")) == ("", True, False)


def test_the_environment_variables_are_known_that_are_written_out(cells):
    """By whatever way they are read."""
    body = "return os.environ['A'] + os.getenv('B') + os.environ.get('C', environ['D'])"
    code = ExecCode(cells.run(cell(body, "import os\nfrom os import environ")).node)
    assert code.environment == {"A", "B", "C", "D"}


def test_methods_are_followed_that_the_exec_calls_on_self(cells):
    """Those of base classes, too."""
    base = "import time\nclass Base(Node):\n    def now(self): return time.time()\n"
    cells.run(HEAD + base + "    def exec(self, p): return 1\n")
    node = cells.run(
        "class Ask(Base):\n    def exec(self, p): return self.now()\nnode = Ask()"
    ).node
    assert "time.time" in ExecCode(node).why_impure
    node = cells.run(
        "class B2(Base):\n    def exec(self, p): return super().exec(p)\nnode = B2()"
    ).node
    assert ExecCode(node).why_impure == ""


def test_an_exec_that_passes_self_on_may_use_every_attribute(cells):
    """As `getattr` does."""
    code = ExecCode(cells.run(cell("return getattr(self, 'style')")).node)
    assert code.uses("anything")
    assert not code.uses("params")


def test_a_decorator_of_the_exec_is_looked_at(cells):
    """It runs with it."""
    source = HEAD + (
        "import functools, time\n"
        "def timed(f):\n    @functools.wraps(f)\n    def inner(self, p):\n"
        "        return f(self, p), time.time()\n    return inner\n"
        "class Ask(Node):\n    @timed\n    def exec(self, p): return self.style\nnode = Ask()\n"
    )
    code = ExecCode(cells.run(source).node)
    assert "time.time" in code.why_impure
    assert code.uses("style")


def test_a_function_whose_source_is_not_known_counts_as_impure(cells):
    """Nobody knows what it does."""
    cells.run(HEAD + "exec('def helper(): return 1')")
    node = cells.run("class Ask(Node):\n    def exec(self, p): return helper()\nnode = Ask()").node
    assert ExecCode(node).why_impure == "uses helper, whose source is not known"
