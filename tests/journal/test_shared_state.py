"""What a journal says of the shared store of a run."""

from __future__ import annotations

from flowmagic.journal.shared_state import SharedState, findings


def test_a_state_comes_back_as_it_was():
    """Nothing is written while there is nothing to say."""
    state = SharedState(
        "because", is_assigned=True, changed={"shared['a']": "why"}, is_compared=True
    )
    assert SharedState.from_json(state.to_json()) == state
    assert SharedState.from_json(None) == SharedState()


def test_changed_keys_are_given_with_their_reasons():
    """Of a run whose assignments are not known, the keys that were found changed, or all."""
    changed = {"shared['a']": "why"}
    assert SharedState(changed=changed).reasons(3) == changed
    assert SharedState("it is untracked", changed=changed, is_compared=True).reasons(3) == {
        "shared['a']": "in run 3, it is untracked"
    }
    assert SharedState("it is untracked", is_compared=True).reasons(3) == {}
    assert SharedState("it is untracked").reasons(3) == {"shared": "in run 3, it is untracked"}


def test_keys_with_one_reason_are_one_finding():
    """The first of them are named; a note tells what a later run will lack."""
    changed = {**{f"shared[{n}]": "why" for n in range(8)}, "shared['a']": "another"}
    one, other = findings(changed, is_resumed=True)
    assert one.what == (
        "shared[0], shared[1], shared[2], shared[3], shared[4] and 3 more are not as before: why."
    )
    assert other.what == "shared['a'] is not as before: another."
    assert not one.note
    assert "run.outputs" in one.instead
    (note,) = findings({"shared['a']": "why"}, is_resumed=False)
    assert note.note
    assert findings({}, is_resumed=True) == []
