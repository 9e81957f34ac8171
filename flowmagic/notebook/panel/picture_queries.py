"""Renders the pictures that pages ask for, one after the other, in a thread of their own.

A figure may take a second, for which the event loop must not wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...records.store import RecordStore
from ..pictures import LARGE, THUMBNAIL, Picture, render
from .output_detail import output_at

_MAX_WANTED = 200  # pictures that wait to be rendered

_Wanted = tuple[str, int, int, int, bool]
"""Page, row, attempt, node copy, and whether it is large."""


class PictureQueries:
    """Takes queries for pictures, and keeps the answers until the panel sends them.

    Args:
        records: returns the records of the run that is shown.
        call_on_loop: calls a function with arguments on the loop, from any thread.
        on_ready: called when a picture is ready.
    """

    def __init__(
        self,
        records: Callable[[], RecordStore],
        call_on_loop: Callable[..., None],
        on_ready: Callable[[], None],
    ) -> None:
        self._records = records
        self._call_on_loop = call_on_loop
        self._on_ready = on_ready
        self._wanted: dict[_Wanted, None] = {}
        self._rendering: _Wanted | None = None
        self._rendered: list[tuple[str, bytes]] = []

    @property
    def has_answers(self) -> bool:
        """Whether a picture is ready to be sent."""
        return bool(self._rendered)

    def clear(self) -> None:
        """Drop the queries about rows that are no longer shown."""
        self._wanted.clear()
        self._rendered.clear()
        self._rendering = None

    def query(
        self, client: str, index: int, attempt: int = 0, copy: int = -1, *, large: bool
    ) -> None:
        """Have a picture rendered; see `output_at`. Of very many, the oldest queries are dropped."""
        self._wanted[client, index, attempt, copy, large] = None
        while len(self._wanted) > _MAX_WANTED:
            del self._wanted[next(iter(self._wanted))]
        if self._rendering is None:
            self._render_next()

    def _render_next(self) -> None:
        records = self._records()
        self._rendering = wanted = next(iter(self._wanted), None)
        if wanted is None:
            return
        del self._wanted[wanted]
        _, index, attempt, copy, large = wanted
        output = output_at(records, index, attempt, copy) if index < len(records) else None

        def work() -> None:
            self._call_on_loop(self._take, wanted, render(output, LARGE if large else THUMBNAIL))

        threading.Thread(target=work, name="flowmagic picture", daemon=True).start()

    def _take(self, wanted: _Wanted, picture: Picture | None) -> None:
        if wanted is not self._rendering:  # of a run that is no longer shown
            return
        client, index, attempt, copy, large = wanted
        media, data = picture or ("", b"")
        name = f"picture {client} {index} {attempt} {copy} {'large' if large else 'small'} {media}"
        self._rendered.append((name, data))
        self._on_ready()
        self._render_next()

    def take(self) -> list[tuple[str, Any]]:
        """Return the pictures that are ready, with the names of their buffers."""
        rendered, self._rendered = self._rendered, []
        return rendered
