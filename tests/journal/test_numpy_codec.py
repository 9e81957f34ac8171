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


def test_rows_of_a_dataframe_can_be_stored():
    """With their dates and their gaps."""
    pd = pytest.importorskip("pandas")
    when = dt.datetime(2026, 1, 31, 12, 5, 1, 7)  # noqa: DTZ001 - as a frame has it
    frame = pd.DataFrame({"at": [when, None], "n": pd.array([1, None], dtype="Int64")})
    rows = [*frame.to_dict(orient="records"), {"at": pd.NaT, "n": pd.NA}]
    first, second, third = decoded(encoded(rows))
    assert first == {"at": when, "n": 1}
    assert type(first["at"]) is pd.Timestamp
    assert (second["at"] is pd.NaT, second["n"] is rows[1]["n"]) == (True, True)
    assert (third["at"] is pd.NaT, third["n"] is pd.NA) == (True, True)
    zone = dt.timezone(dt.timedelta(hours=2))
    assert decoded(encoded(pd.Timestamp(when, tz=zone))) == when.replace(tzinfo=zone)


def test_times_of_pandas_come_back_to_the_nanosecond():
    """With their class; those that are too long for nanoseconds with their own unit."""
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    for value in (
        pd.Timestamp("2026-01-31T12:05:01.000007008"),
        pd.Timestamp("2026-01-31T12:05:01.000007008", tz="Europe/Berlin"),
        pd.Timedelta(-1, "ns"),
        pd.Timedelta(np.timedelta64(10**12, "s")),
    ):
        again = decoded(encoded([value]))[0]
        assert (type(again), again) == (type(value), value)


@pytest.mark.parametrize("text", ["2026-01-31T12", "NaT"])
def test_numpy_dates_come_back_as_they_were(text):
    """With their unit, and NaT too."""
    np = pytest.importorskip("numpy")
    for value in (np.datetime64(text, "ns"), np.datetime64(text, "h"), np.timedelta64(5, "D")):
        again = decoded(encoded(value))
        assert again.dtype == value.dtype
        assert str(again) == str(value)
    array = np.array([text, "2026-02-01"], dtype="datetime64[s]")
    assert str(decoded(encoded(array))) == str(array)
