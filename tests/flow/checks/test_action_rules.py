"""Findings about the actions that a node returns, and where they lead."""

from __future__ import annotations

import functools

import pytest
from pocketflow import AsyncFlow, AsyncNode, Flow, Node

from flowmagic.flow.checks import check
from flowmagic.flow.checks.action_rules import is_ending, meant_by

from .checked import Plain, said


class Decide(AsyncNode):
    async def post_async(self, shared, prepared, executed):
        if executed:
            return "serch"
        return "answer"


def test_actions_without_a_successor_and_successors_without_an_action_are_found():
    """With the successor that was meant, if a similar one exists."""
    decide = Decide()
    decide - "search" >> Plain()
    decide - "answer" >> Plain()
    text = said(AsyncFlow(start=decide))
    assert 'It can return "serch", but has successors only for "search", "answer".' in text
    assert 'Did you mean "search"?' in text
    assert 'Its successor for "search" is never reached: it can only return' in text
    # A node without successors may return any action.
    assert said(AsyncFlow(start=Decide())) == ""


class Judge(Node):
    def post(self, shared, prepared, executed):
        return "Approve" if executed else "Disapprove"


def test_an_action_that_the_node_returns_too_is_not_suggested():
    """A judge that approves ends the flow; led back to the draft, it would never end."""
    judge, draft = Judge(), Plain()
    judge - "Disapprove" >> draft
    draft >> judge
    assert "Did you mean" not in said(AsyncFlow(start=draft))
    assert all(each.note for each in check(AsyncFlow(start=draft)))


class Retries(Node):
    def post(self, shared, prepared, executed):
        return "retry 1" if executed else "retry 2"


class Completes(Node):
    def post(self, shared, prepared, executed):
        return "complete" if executed else "again"


def test_a_similar_action_is_suggested_only_if_the_node_never_returns_it():
    """Two that it returns are two; but an ending may be the misspelling of a successor."""
    retries = Retries()
    retries - "retry 1" >> Plain()
    (found,) = check(AsyncFlow(start=retries))
    assert found.note
    completes = Completes()
    completes - "again" >> completes
    completes - "completed" >> Plain()
    assert 'Did you mean "completed"?' in said(AsyncFlow(start=completes))


ENDINGS = ["success", "Pass", "finalize", "max_iterations", "end_conversation", "done", "approved"]


@pytest.mark.parametrize("action", ENDINGS)
def test_what_ends_a_flow_by_its_name_is_no_finding(action):
    """Nor is it a misspelling of an action that leads on."""

    class Ends(Node):
        def post(self, shared, prepared, executed):
            return ending if executed else "again"

    ending = action
    Ends.post.__globals__["ending"] = action
    ends = Ends()
    ends - "again" >> ends
    assert is_ending(action)
    assert said(Flow(start=ends)) == ""


class Fails(Node):
    def post(self, shared, prepared, executed):
        return "error" if executed else "default"


def test_an_end_that_is_written_down_is_no_finding():
    """`>> None` says that the flow ends there. Without it, a note says how to write it."""
    fails = Fails()
    fails >> Plain()
    (found,) = check(AsyncFlow(start=fails))
    assert found.note
    assert found.instead == 'Add node - "error" >> another_node, or >> None if the flow ends there.'
    fails - "error" >> None
    assert said(AsyncFlow(start=fails)) == ""


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        ("serch", "search"),
        ("searc", "search"),
        ("Approve", ""),
        ("no_search", ""),
        ("tea", ""),
    ],
)
def test_a_misspelling_is_told_from_another_word(action, meant):
    """Words that contain each other differ on purpose, if by more than a letter."""
    assert meant_by(action, ["search", "Disapprove"]) == meant


class Returns(Node):
    def post(self, shared, prepared, executed):
        if executed:
            return {"answer": executed}
        return {}


class Lists(Node):
    def post(self, shared, prepared, executed):
        return [executed]


def test_what_is_no_action_is_found():
    """A note where nothing is looked up; in front of successors the instance would fail."""
    (found,) = check(Flow(start=Returns()))
    assert found.what == "post returns a dict, which is no action."
    assert found.note
    assert "run.outputs" in found.instead
    assert said(Lists()) == "", "a single node is not looked up in PocketFlow either"
    lists = Lists()
    lists >> Plain()
    found = check(AsyncFlow(start=lists))[0]
    assert found.what == "post returns a list, which is no action."
    assert "raises a TypeError" in found.why
    assert not found.note


def loud(function):
    @functools.wraps(function)
    async def louder(*args):
        return (await function(*args)).upper()

    return louder


class Louder(AsyncNode):
    @loud
    async def post_async(self, shared, prepared, executed):
        return "next"


class Led(AsyncFlow):
    def get_next_node(self, node, action):
        return node.successors["next"]


def test_decorated_posts_and_overridden_orchestrations_are_trusted():
    """A decorator may change the action, and a flow of the user where it leads."""
    node = Louder()
    node - "NEXT" >> Plain()
    assert said(AsyncFlow(start=node)) == ""
    decide = Decide()
    decide - "next" >> Plain()
    assert said(Led(start=decide)) == ""
