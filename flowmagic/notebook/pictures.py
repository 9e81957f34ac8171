"""Pictures among the outputs: PNG and JPEG, as bytes or as objects that can be rendered to them.

Bytes are recognised by their first bytes; SVG and HTML, which can run scripts, are no pictures here.
Objects are Pillow's images, matplotlib's figures, and what has a `_repr_png_`. They are rendered when a
picture is asked for, since that runs their code and may take long. Imports neither library unless an
output needs it.
"""

from __future__ import annotations

import io
import struct
from typing import Any, NamedTuple

from ..text.formatting import truncate
from ..text.user_objects import get, or_none

THUMBNAIL, LARGE = 160, 1_200
"""The greatest width and height of a picture in a row, and in an opened instance, in pixels."""

_MAX_BYTES = {THUMBNAIL: 100_000, LARGE: 3_000_000}
_MAX_PIXELS = 50_000_000  # a larger one takes too long to decode
_DPI = 100
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


class Picture(NamedTuple):
    """A picture to show: `media` is "image/png" or "image/jpeg"."""

    media: str
    data: bytes


def is_picture(value: object) -> bool:
    """Whether a value is a picture, as far as can be told without rendering it."""
    return bool(label(value))


def is_quick(value: object) -> bool:
    """Whether a picture can be rendered in milliseconds, and by none of its own code."""
    return isinstance(value, (bytes, bytearray)) or _is_image(type(value))


def label(value: object) -> str:
    """Return a picture in words, such as "PNG, 640 x 480"; empty for any other value. Never raises."""
    return or_none(_label, value) or ""


def _label(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        name = _name(value)
        size = _size(bytes(value[:65_536])) if name else None
        return f"{name}, {size[0]:,} x {size[1]:,}" if size else name
    kind = type(value)
    if kind.__module__ in ("builtins", "numpy"):
        return ""
    if _is_image(kind):
        width, height = value.size
        return f"image, {width:,} x {height:,}"
    if _is_figure(kind):
        return "figure"
    return truncate(kind.__name__, 40) if callable(get(kind, "_repr_png_")) else ""


def render(value: object, side: int) -> Picture | None:
    """Return a picture of at most `side` pixels in width and height, if Pillow is there to shrink it.

    Args:
        value: an output.
        side: `THUMBNAIL` or `LARGE`.

    Returns:
        None if the value is no picture, cannot be rendered, or is too large.
    """
    return or_none(_render, value, side)


def _render(value: Any, side: int) -> Picture | None:
    kind = type(value)
    if _is_image(kind):
        return _shrunk(value, side) if value.width * value.height <= _MAX_PIXELS else None
    if isinstance(value, (bytes, bytearray)):
        data = bytes(value)
    elif _is_figure(kind):
        file = io.BytesIO()
        inches = max(float(each) for each in value.get_size_inches())
        value.savefig(file, format="png", dpi=min(_DPI, side / max(inches, 0.1)))
        data = file.getvalue()
    elif callable(get(kind, "_repr_png_")):
        data = value._repr_png_()
        data = data[0] if isinstance(data, tuple) else data  # IPython's (data, metadata)
    else:
        return None
    size = _size(data) if _name(data) else None
    if size is None or size[0] * size[1] > _MAX_PIXELS:
        return None
    if max(size) > side and (image := _opened(data)) is not None:
        return _shrunk(image, side)
    if len(data) > _MAX_BYTES[side]:
        return None
    return Picture("image/png" if data.startswith(_PNG) else "image/jpeg", data)


def _opened(data: bytes) -> Any:
    """Return a picture as an image of Pillow, turned as it says; None without Pillow."""
    try:
        from PIL import Image, ImageOps  # type: ignore[import-not-found]  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data), formats=("PNG", "JPEG")))


def _shrunk(image: Any, side: int) -> Picture | None:
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    copy = image.convert("RGBA" if has_alpha else "RGB")
    copy.thumbnail((side, side))
    file = io.BytesIO()
    copy.save(file, "PNG" if has_alpha else "JPEG")
    data = file.getvalue()
    if len(data) > _MAX_BYTES[side]:
        return None
    return Picture("image/png" if has_alpha else "image/jpeg", data)


def _is_image(kind: type) -> bool:
    return any(base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in kind.__mro__)


def _is_figure(kind: type) -> bool:
    return any(base.__module__ == "matplotlib.figure" for base in kind.__mro__)


def _name(data: bytes | bytearray) -> str:
    return "PNG" if data.startswith(_PNG) else "JPEG" if data.startswith(_JPEG) else ""


def _size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that the head of a PNG or JPEG tells; None if it does not."""
    if data.startswith(_PNG):
        return struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" else None
    at = 2
    while data.startswith(_JPEG) and at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - a marker
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # noqa: PLR2004 - a frame's head
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
