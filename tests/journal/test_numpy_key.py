"""Which arrays and tables are the same, and which are not. Numbers and times: test_row_key.py."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

from flowmagic.journal.row_key import NoRowKeyError, canonical_text  # noqa: E402

NAN = float("nan")
OTHER_NAN = np.frombuffer(np.uint64(0xFFF8000000000001).tobytes(), dtype="float64")
NS = pd.Timestamp("2026-07-01 12:05:01.000007008")
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})

EQUAL = [
    (np.array([1, 2]), np.array([1, 2])), (np.arange(4).reshape(2, 2),
    np.arange(4).reshape(2, 2, order="C")),
    (np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]], order="F")),
    (np.array([1, 2, 3])[::2], np.array([1, 3])),
    (np.array([NAN, 1]), np.concatenate([OTHER_NAN, [1.0]])),
    (np.array([complex(1, NAN)]), np.array([complex(1, -NAN)])),
    (np.array([NAN], dtype="float16"), np.array([-NAN], dtype="float16")),
    (np.array([1, "a", None], dtype=object), np.array([1, "a", None], dtype=object)),
    (np.array([0.5], dtype="longdouble"), np.array([0.5], dtype="longdouble")),
    (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), np.array([(1, 2.0)], dtype=[("a", "i4"),
    ("b", "f8")])),
    (FRAME, FRAME.copy()), (FRAME["a"], pd.Series([1, 2], name="a")), (FRAME.index, pd.Index([0, 1])),
    (pd.Series([1, None], dtype="Int64"), pd.Series([1, None], dtype="Int64")),
    (pd.Series([NS]), pd.Series([NS])),
    (pd.Series(["x", "y"], dtype="category"), pd.Series(["x", "y"], dtype="category")),
    (FRAME.set_index(["a", "b"]), FRAME.copy().set_index(["a", "b"])),
]  # fmt: skip

DIFFERENT = [
    (np.array([1, 2]), [1, 2]), (np.array([1, 2]), np.array([1.0, 2.0])), (np.array([1, 2]),
    np.array([2, 1])),
    (np.array([1, 2], dtype="int32"), np.array([1, 2], dtype="int64")), (np.array(1), 1),
    (np.array([1, 2]), np.array([[1, 2]])), (np.arange(4).reshape(2, 2), np.arange(4).reshape(2, 2).T),
    (np.array([complex(1, NAN)]), np.array([complex(2, NAN)])), (np.array([0.0]), np.array([-0.0])),
    (np.array(["a"]), np.array([b"a"])), (np.array([1, None]), np.array([True, None])),
    (np.array([b"ab"], dtype="S2"), np.array([b"ac"], dtype="S2")),
    (FRAME, FRAME.rename(columns={"a": "c"})), (FRAME, FRAME[["b", "a"]]), (FRAME, FRAME.iloc[::-1]),
    (FRAME, FRAME.astype({"a": "float"})), (FRAME["a"], FRAME["a"].rename("c")),
    (FRAME["a"], FRAME["a"].set_axis([1, 2])), (FRAME["a"], [1, 2]),
    (FRAME["a"], FRAME["a"].to_numpy()), (FRAME, FRAME.set_axis([1, 2])), (FRAME["a"], FRAME[["a"]]),
    (pd.Series([NS]), pd.Series([NS + pd.Timedelta(1, "ns")])),
    (pd.Series([1, None], dtype="Int64"), pd.Series([1, None])),
    (pd.Series(["x"], dtype="category"), pd.Series(["x"], dtype=pd.CategoricalDtype(["x", "y"]))),
    (pd.Series(["x"], dtype="category"), pd.Series(["x"], dtype=pd.CategoricalDtype(["x"], ordered=True))),
    (FRAME.set_index(["a", "b"]), FRAME.set_index(["b", "a"])), (FRAME.index, FRAME.index.rename("a")),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=lambda value: type(value).__name__)
def test_arrays_and_tables_with_the_same_types_labels_and_content_are_the_same(one, other):
    """However they lie in memory."""
    assert canonical_text([one]) == canonical_text([other])


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=lambda value: type(value).__name__)
def test_other_arrays_and_tables_are_not_the_same(one, other):
    """Nor is an array the list of its items."""
    assert canonical_text([one]) != canonical_text([other])


@pytest.mark.parametrize(
    "value",
    [np.ma.array([1]), np.array([1]).view(np.matrix), np.array([object()]), pd.Period("2026-07", "M"),
     pd.Series([object()]), pd.Series(pd.period_range("2026-07", periods=2, freq="M"))],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_holds_more_than_its_items_or_other_objects_has_no_form(value):
    """A masked array, a matrix, a period; an array of objects that nothing identifies."""
    with pytest.raises(NoRowKeyError):
        canonical_text(value)


def test_a_large_array_has_a_short_form():
    """A digest of its bytes."""
    assert len(canonical_text(np.zeros(1_000_000))) < 200


def test_bytes_between_numbers_do_not_count():
    """A longdouble takes more bytes than it uses, and what the others hold is chance."""
    number = np.array([0.5], dtype="longdouble")
    if number.itemsize != 16:
        pytest.skip("here it uses all of them")
    data = bytearray(number.tobytes())
    data[10:] = b"chance"
    assert canonical_text(np.frombuffer(data, dtype="longdouble")) == canonical_text(number)
