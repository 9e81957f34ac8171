"""Whether and how a run is to be written down."""

import pytest

from flowmagic.errors import JournalError
from flowmagic.journal.options import JournalOptions

DEFAULTS = {"resume": False, "sync": "normal", "secrets": False, "in_doubt": "run"}


def test_without_a_path_there_is_no_journal():
    """Whatever the other options are; only `resume` needs one."""
    written = {"resume": False, "sync": "full", "secrets": True, "in_doubt": "skip"}
    assert JournalOptions.of(None, **written) is None
    with pytest.raises(JournalError, match="no journal to resume from"):
        JournalOptions.of(None, **{**written, "resume": True})


def test_written_options_become_values():
    """As `batchflow` takes them."""
    asked = JournalOptions.of("runs", resume="anyway", sync="full", secrets=True, in_doubt="skip")
    assert asked == JournalOptions(
        "runs", resume="anyway", full=True, secrets=True, in_doubt="skip"
    )
    assert JournalOptions.of("runs", **DEFAULTS) == JournalOptions("runs")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"resume": "yes"}, r"resume is a str \('yes'\). Write resume=True, or resume='anyway'"),
        ({"in_doubt": True}, r"in_doubt is an? \w+.*\. Write in_doubt='run' or in_doubt='skip'"),
        ({"sync": "often"}, r"sync is a str \('often'\). Write sync='normal' or sync='full'"),
    ],
)
def test_a_wrong_option_is_refused_with_a_correct_line(wrong, said):
    """In one line."""
    with pytest.raises(JournalError, match=said):
        JournalOptions.of("runs", **{**DEFAULTS, **wrong})
