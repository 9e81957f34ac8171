"""Pictures among the outputs."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmagic.notebook.pictures import LARGE, THUMBNAIL, is_picture, is_quick, label, render


def png(width, height, noise=b""):
    """Return a PNG of one colour, with `noise` as a comment that makes it larger."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress((b"\0" + b"\x20\x80\xc0" * width) * height)
    comment = chunk(b"tEXt", b"Comment\0" + noise) if noise else b""
    parts = [chunk(b"IHDR", head), comment, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080078005001011100ffd9")


class Chart:
    """Renders itself, as figures of many libraries do, and counts how often."""

    rendered = 0

    def _repr_png_(self):
        self.rendered += 1
        return png(80, 60)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (png(80, 60), "PNG, 80 x 60"),
        (bytearray(png(8, 6)), "PNG, 8 x 6"),
        (JPEG, "JPEG, 80 x 120"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (Chart(), "Chart"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ""),
        (b"<html>", ""),
        ("data:image/png;base64,AAAA", ""),
        (b"", ""),
        (None, ""),
        (Chart, ""),
    ],
)
def test_pictures_are_known_by_their_first_bytes_or_by_what_they_can(value, words):
    """What can run scripts is no picture; nor is a class."""
    assert (label(value), is_picture(value)) == (words, bool(words))


def test_a_picture_of_bytes_is_shown_as_it_is():
    """If it is small enough."""
    data = png(80, 60)
    assert render(data, LARGE) == ("image/png", data)
    assert render(JPEG, THUMBNAIL) == ("image/jpeg", JPEG)
    assert render(b"<svg/>", LARGE) is None
    assert render(b"\x89PNG\r\n\x1a\n", LARGE) is None


def test_an_object_is_rendered_only_when_asked_for():
    """Looking whether it is a picture runs none of its code."""
    chart = Chart()
    assert is_picture(chart)
    assert chart.rendered == 0
    assert render(chart, THUMBNAIL) == ("image/png", png(80, 60))


def test_a_picture_whose_own_code_draws_it_is_not_quick():
    """It may take long, so that nothing must wait for it."""
    assert is_quick(png(8, 6))
    assert not is_quick(Chart())
    assert not is_quick("text")


def test_a_picture_that_claims_to_be_huge_is_not_decoded():
    """A few bytes may ask for gigabytes of pixels."""
    bomb = bytearray(png(10, 10))
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    assert render(bytes(bomb), LARGE) is None


def test_what_cannot_be_rendered_is_no_picture():
    """Its code may raise, or return something else."""

    class Broken:
        def _repr_png_(self):
            raise RuntimeError("no backend")

    class Text:
        def _repr_png_(self):
            return "<svg/>"

    class Markup:
        def _repr_png_(self):
            return b"<svg/>"

    assert [render(kind(), LARGE) for kind in (Broken, Text, Markup)] == [None] * 3


def test_without_pillow_a_large_picture_is_shown_only_if_it_is_few_bytes(monkeypatch):
    """The page scales it down."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert render(png(900, 600), THUMBNAIL) == ("image/png", png(900, 600))
    assert render(png(900, 600, b"x" * 200_000), THUMBNAIL) is None


def test_pillow_shrinks_pictures():
    """Also its own images; what is transparent stays so."""
    image = pytest.importorskip("PIL.Image")
    for value in (png(900, 600), image.new("RGB", (900, 600)), image.new("RGBA", (900, 600))):
        for side in (THUMBNAIL, LARGE):
            picture = render(value, side)
            size = image.open(io.BytesIO(picture.data)).size
            assert size == ((160, 107) if side == THUMBNAIL else (900, 600))
    assert label(image.new("L", (5, 4))) == "image, 5 x 4"
    assert render(image.new("RGBA", (900, 600)), THUMBNAIL).media == "image/png"


def test_a_figure_of_matplotlib_is_bounded_in_pixels():
    """However large it is on paper."""
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure(figsize=(100, 50))
    assert label(figure) == "figure"
    data = render(figure, LARGE).data
    assert struct.unpack(">II", data[16:24]) == (1_200, 600)


@given(st.binary(), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b""]))
def test_any_bytes_can_be_asked_for(data, start):
    """Cut off, or made to break a reader."""
    label(start + data)
    render(start + data, THUMBNAIL)
