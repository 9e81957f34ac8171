"""Values of numpy and pandas in a journal."""

from __future__ import annotations

import datetime as dt

import pytest

from flowmagic.journal.codec import decoded, encoded


def test_numpy_comes_back_as_numpy():
    """Scalars with their type, arrays with their shape."""
    np = pytest.importorskip("numpy")
    scalar = decoded(encoded(np.float32(0.1)))
    assert (scalar, type(scalar)) == (np.float32(0.1), np.float32)
    array = np.arange(6, dtype="int16").reshape(2, 3)
    again = decoded(encoded({"a": array}))["a"]
    assert again.dtype == array.dtype
    assert (again == array).all()


def test_rows_of_a_dataframe_have_a_form():
    """Its dates, and its gaps."""
    pd = pytest.importorskip("pandas")
    when = dt.datetime(2026, 1, 31, 12, 5, 1, 7)  # noqa: DTZ001 - as a frame has it
    frame = pd.DataFrame({"at": [when, None], "n": pd.array([1, None], dtype="Int64")})
    rows = decoded(encoded(frame.to_dict(orient="records")))
    assert rows == [{"at": when, "n": 1}, {"at": None, "n": None}]
    assert type(rows[0]["at"]) is dt.datetime
    zone = dt.timezone(dt.timedelta(hours=2))
    assert decoded(encoded(pd.Timestamp(when, tz=zone))) == when.replace(tzinfo=zone)


@pytest.mark.parametrize("text", ["2026-01-31T12", "NaT"])
def test_dates_of_numpy_come_back_as_they_were(text):
    """With their unit, also where there is none."""
    np = pytest.importorskip("numpy")
    for value in (np.datetime64(text, "ns"), np.datetime64(text, "h"), np.timedelta64(5, "D")):
        again = decoded(encoded(value))
        assert again.dtype == value.dtype
        assert str(again) == str(value)
    array = np.array([text, "2026-02-01"], dtype="datetime64[s]")
    assert str(decoded(encoded(array))) == str(array)
