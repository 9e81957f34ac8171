"""The options of a run: checked together, before anything runs."""

from __future__ import annotations

import inspect
import pathlib
import typing

import pytest

import flowmagic
from flowmagic.errors import LimitError
from flowmagic.limits.adaptive import Adaptive
from flowmagic.limits.limits import Limits
from flowmagic.run.failures import ErrorBudget, Retries
from flowmagic.run.journaled_options import options_kept
from flowmagic.run.options import (
    KEEP,
    OPTIONS,
    BatchKeywords,
    Options,
    RunArguments,
    RunKeywords,
)

NOT_IN_THE_JOURNAL = {"journal", "resume", "in_doubt", "reuse", "sync", "journal_secrets"}
"""Options that say how the journal is written, not how the run is."""

TYPES = typing.get_type_hints(RunArguments)
DOCS = pathlib.Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_the_same_everywhere(name):
    """The same name, default, type and description in each function, TypedDict and journal.

    Its argument in the magic: tests/notebook/test_arguments.py.
    """
    option = OPTIONS[name]
    doc, python = option.metadata["doc"], option.metadata["python"]
    assert doc.endswith(".")
    for function in (flowmagic.batchflow, flowmagic.run_batch, flowmagic.resume):
        parameters = inspect.signature(function).parameters
        if function is flowmagic.resume and name in {"journal", "resume"}:
            assert name not in parameters
            continue
        parameter = parameters[name]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert (parameter.default, parameter.annotation) == (option.default, option.type)
        described = f"{name}: {doc[0].lower()}{doc[1:]} {python}".rstrip()
        assert f" {described} " in " ".join(function.__doc__.split())
    assert typing.get_type_hints(BatchKeywords)[name] == TYPES[name]
    kept = options_kept(Options.of())
    assert (name in kept) == (name not in NOT_IN_THE_JOURNAL)
    if name != "merge":  # a function, which no line can hold
        flag = {"track_shared": "no-track", "threads": "no-threads"}.get(name, name)
        assert f"--{flag.replace('_', '-')}" in (DOCS / "magic.md").read_text(encoding="utf-8")


def test_nothing_else_is_an_option():
    """Neither a key of a TypedDict nor a value in the journal."""
    assert typing.get_type_hints(BatchKeywords).keys() == OPTIONS.keys()
    assert typing.get_type_hints(RunKeywords).keys() == OPTIONS.keys() - {"journal", "resume"}
    assert options_kept(Options.of()).keys() == OPTIONS.keys() - NOT_IN_THE_JOURNAL


@pytest.mark.parametrize("name", OPTIONS.keys() - NOT_IN_THE_JOURNAL - {"limit"})
def test_what_the_journal_keeps_by_default_is_the_default(name):
    """Of `limit`, whose default depends on `adaptive`, it keeps the number that was used."""
    kept, default = options_kept(Options.of())[name], OPTIONS[name].default
    assert kept == (list(default) if isinstance(default, tuple) else default)


def test_a_misspelt_option_is_refused_with_the_one_that_was_meant():
    """TypeError, as for any wrong keyword argument."""
    with pytest.raises(TypeError, match=r"There is no option 'limt'. Did you mean limit=5\?"):
        Options.of(limt=5)
    with pytest.raises(TypeError, match="There is no option 'shared'"):
        Options.of(shared={})
    with pytest.raises(TypeError, match="There is no option 'colour'.$"):
        flowmagic.run_batch(object(), colour="red")


def test_the_defaults_limit_only_the_concurrency():
    """Five instances at once, and nothing else."""
    assert Options.of() == Options()
    assert Options() == Options(
        Limits(5, None, 1), None, None, None, Retries(0), threads=True, keep=KEEP
    )


def test_written_options_become_values():
    """Each in the forms that a user may write."""
    options = Options.of(
        per_minute=60, burst=3, adaptive="2-10-50", timeout=3, max_errors="20%", retries=2
    )
    assert options.limits == Limits(10, 60, 3)
    assert options.adaptive == Adaptive(2, 10, 50)
    assert (options.timeout, options.max_errors) == (3.0, ErrorBudget(share=0.2))
    assert options.retries == Retries(2)
    chosen = Retries(3, wait=0.1)
    assert Options.of(retries=chosen).retries is chosen


def test_two_options_for_how_many_at_once_are_refused():
    """The message says which to write."""
    with pytest.raises(
        LimitError, match=r'limit=5 and adaptive="2-10-50" both set .*begins with 10'
    ):
        Options.of(limit=5, adaptive="2-10-50")


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "many", None])
def test_keep_must_be_a_number_of_rows(wrong):
    """ValueError, with the corrected line."""
    with pytest.raises(LimitError, match=r"keep is .*not a number of rows\. Write .*keep=1000"):
        Options.of(keep=wrong)


def test_an_adaptive_limit_continues_from_other_limits():
    """Its bounds widen where the new limit lies outside."""
    options = Options.of(adaptive="2-10-50")
    assert options.with_limits(Limits(20)).adaptive == Adaptive(2, 20, 50)
    assert options.with_limits(Limits(1)).adaptive == Adaptive(1, 1, 50)
    assert options.with_limits(Limits(90)).adaptive == Adaptive(2, 90, 90)
    assert Options().with_limits(Limits(9)).adaptive is None
