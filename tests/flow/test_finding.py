"""Findings in words."""

from __future__ import annotations

from flowmagic.flow.finding import Finding, Place, indices_text
from flowmagic.notebook.summary.notices import MOST, finding_lines, findings_text


def test_a_finding_says_where_what_why_and_what_instead():
    """In one paragraph, with the short name of the file."""
    found = Finding(
        "It is odd.", "That matters.", "Write it even.", "Node", Place("/a/b/agent.py", 12)
    )
    assert str(found) == "Node, agent.py, line 12: It is odd. That matters. Write it even."
    assert Finding("It is odd.", "That matters.").text() == "It is odd. That matters."
    assert found.where(lambda _: "Cell In[3]") == "Node, Cell In[3], line 12"
    assert str(Place("/tmp/ipykernel_12/345.py", 3)) == "its cell, line 3"


def test_instances_are_named_while_they_are_few():
    """And counted beyond."""
    assert indices_text((3,), 1) == "instance 3"
    assert indices_text((3, 17), 2) == "instances 3 and 17"
    assert indices_text((1, 2, 3, 4, 5), 102) == "instances 1, 2, 3, 4, 5 and 97 more"


def test_what_is_shown_of_findings_is_bounded():
    """Notes are told apart from what is wrong; a panel has room for some."""
    wrong, note = Finding("w", "y"), Finding("n", "y", note=True)
    assert findings_text([wrong, note]) == "⚠ w y\nnote: n y"
    assert findings_text([]) == "Nothing was found that is likely to go wrong."
    assert finding_lines([wrong, note]) == ["w y", "n y"]
    lines = finding_lines([Finding("x" * 5_000, "y")] * (MOST + 5))
    assert len(lines) == MOST + 1
    assert lines[-1].startswith("… and 5 more")
    assert all(len(each) <= 600 for each in lines)
