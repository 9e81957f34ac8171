"""Record a short run for docs/live/player.js, which shows it in a page with the panel's own script.

mkdocs calls `on_files` while it builds the site.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import random
import time
from typing import Any

from mkdocs.structure.files import File, Files
from pocketflow import AsyncFlow, AsyncNode

import flowmagic
from flowmagic.notebook.panel.widget import Panel

ROWS = [{"user_id": n, "type": ["premium", "standard"][n % 2]} for n in range(60)]


class LoadUser(AsyncNode):
    """Stands for a look into a database."""

    async def exec_async(self, _: Any) -> str:
        """Return the name of the user."""
        await asyncio.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - no secret
        return f"user {self.params['user_id']}"


class WriteLetter(AsyncNode):
    """Stands for a call of a model, which sometimes fails."""

    async def exec_async(self, _: Any) -> str:
        """Return the letter."""
        await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - no secret
        if self.params["user_id"] % 23 == 6:  # noqa: PLR2004 - three of them
            raise ValueError(f"no address for user {self.params['user_id']}")
        return f"Dear {self.params['type']} user {self.params['user_id']}"


class RecordedPanel(Panel):
    """A panel that keeps what it sends to its page."""

    def __init__(self, *arguments: Any) -> None:
        self.began = time.monotonic()
        self.sent: list[dict[str, Any]] = []
        super().__init__(*arguments)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        encoded = [base64.b64encode(each).decode("ascii") for each in buffers or ()]
        self.sent.append({"at": time.monotonic() - self.began, **msg, "buffers": encoded})


async def _recorded() -> dict[str, Any]:
    random.seed(7)
    load = LoadUser()
    load >> WriteLetter()
    run = flowmagic.batchflow(AsyncFlow(start=load), ROWS, limit=6)
    run.name = "letters"
    panel = RecordedPanel("letters", lambda *_: run)
    panel.show(run)
    await run
    await asyncio.sleep(0.5)  # until it has sent the end
    whole = [sent for sent in panel.sent if sent["method"] == "custom" or "header" in sent["state"]]
    state = {"panel_id": panel.panel_id, "style_sheet": panel.style_sheet}
    return {"script": panel._esm, "state": state, "messages": whole}


@functools.cache
def _record() -> str:
    return json.dumps(asyncio.run(_recorded()), default=str)


def on_files(files: Files, *, config: Any) -> Files:
    """Add the recorded run."""
    files.append(File.generated(config, "live/run.json", content=_record()))
    return files
