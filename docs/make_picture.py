"""Make docs/panel.png: the panel during a run, in a real JupyterLab. Run: python docs/make_picture.py.

Needs what the browser tests need: the `test` extra and a Chromium.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import QUIET, Notebook, Server  # noqa: E402 - needs the path above

FLOW = """
%load_ext flowmagic
import asyncio, random
import flowmagic
from pocketflow import AsyncFlow, AsyncNode

random.seed(7)

class LoadUser(AsyncNode):
    async def exec_async(self, _):
        await asyncio.sleep(random.uniform(0.1, 0.3))
        return {"name": f"user {self.params['user_id']}", "city": "Lisbon"}
    async def post_async(self, shared, _, loaded):
        if self.params["type"] == "premium":
            self.params["agent"] = "senior"
        return "found"

class WriteLetter(AsyncNode):
    async def exec_async(self, _):
        async with flowmagic.limit("post office", tokens=40):
            await asyncio.sleep(random.uniform(0.3, 0.9))
        if self.params["user_id"] % 23 == 6:
            raise ValueError(f"no address for user {self.params['user_id']}")
        return f"Dear {self.params['type']} user {self.params['user_id']}, thank you for your order."
    async def post_async(self, shared, _, letter):
        return "sent"

load = LoadUser()
load - "found" >> WriteLetter()
letters = AsyncFlow(start=load)
flowmagic.set_limit("post office", concurrency=10, tokens_per_minute=60_000)
"""
CELL = """%%batchflow letters --adaptive 2-8-20 --retries 1 -o run
[{"user_id": n, "type": ["premium", "standard"][n % 2], "api_key": "sk-live-12345"} for n in range(120)]"""


def main() -> None:
    """Open a notebook, run it, and take the picture while it runs."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server = Server("lab", Path(folder))
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        browser = driver.chromium.launch(executable_path=path, args=QUIET)
        try:
            page = browser.new_context(
                viewport={"width": 1180, "height": 1300}, device_scale_factor=2
            ).new_page()
            book = Notebook(server, page, [FLOW, CELL])
            book.run(0)
            book.run(1)
            book.panel.wait_for()
            book.until("run.counts.ended > 40")
            book.row(6).click()
            page.wait_for_function("() => document.querySelector('pre') !== null")
            book.panel.evaluate("panel => panel.scrollIntoView()")
            page.wait_for_timeout(300)
            book.panel.screenshot(path=str(ROOT / "docs" / "panel.png"))
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
