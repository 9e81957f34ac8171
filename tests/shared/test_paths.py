"""The names of places in the shared store."""

from flowmagic.shared.paths import name_of_path
from flowmagic.text.redact import MASK


def test_a_place_is_named_as_one_would_write_it():
    """A key, and what leads into its value; long keys are cut, and secrets masked."""
    assert name_of_path(("by",)) == "shared['by']"
    assert name_of_path(("by", 3, "k")) == "shared['by'][3]['k']"
    assert len(name_of_path(("x" * 500,))) < 80
    assert name_of_path(("my-own-secret-1",), {"my-own-secret-1"}) == f"shared['{MASK}']"
