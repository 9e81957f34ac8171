"""JupyterLite for real: a site with this checkout in it, driven in a browser; `nox -s lite`.

It is the site that docs/try.md links to; given a folder, it is left there.

Pyodide's runtime comes from npm, and what the kernel wants of its distribution from PyPI, in the
versions of its lock. So no other network is asked, and npm and Chromium have to be there.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

import nbformat
from jupyterlite_pyodide_kernel.constants import PYODIDE_VERSION
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parent.parent
TRY = ROOT / "docs" / "try.ipynb"
WANTED = ["micropip", "ipython", "jedi", "typing-extensions"]  # of Pyodide's own distribution
PURE = [
    "anywidget",
    "comm",
    "ipywidgets",
    "jupyterlab-widgets",
    "nest-asyncio2",
    "pocketflow",
    "psygnal",
]
SETTINGS = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "exposeAppInBrowser": True,
        "litePluginSettings": {
            "@jupyterlite/pyodide-kernel-extension:kernel": {"disablePyPIFallback": True}
        },
    },
}
CELLS = [
    "%pip install -q jupyter-flowmagic",
    """%load_ext flowmagic
import asyncio, flowmagic, os, sys
from pocketflow import AsyncNode, Node

class Ask(AsyncNode):
    async def exec_async(self, _):
        print("asking", self.params["n"])
        await asyncio.sleep(0.05)
        assert self.params["n"] != 7

class Sync(Node):
    def post(self, shared, *_):
        return str(self.params["n"])

ask, sync = Ask(), Sync()
print(sys.version.split()[0])""",
    "%%batchflow ask --limit 3 -o run\n[{'n': n} for n in range(2_000)]",
    "%%batchflow sync -o small\n[{'n': n} for n in range(3)]",
    "await small\nprint(small.results)",
    "print(flowmagic.batchflow(ask, [{'n': 0}]).wait().ok)",
    "%%batchflow sync --journal runs.journal\n[{'n': 1}]",
    "print(os.path.exists('runs.journal'))",
]


def called(*command: str, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", *command], cwd=cwd, check=True)


def fetched(folder: Path, *wanted: str) -> list[Path]:
    """Download pure wheels of PyPI for Pyodide's Python."""
    options = ["-q", "--no-deps", "--only-binary", ":all:", "--platform", "any", "-d", "."]
    folder.mkdir(parents=True, exist_ok=True)
    called("pip", "download", *options, "--python-version", "3.14", *wanted, cwd=folder)
    return sorted(folder.glob("*.whl"))


def make_runtime(folder: Path) -> None:
    """Lay Pyodide into a folder, and what the kernel loads from its distribution."""
    folder.mkdir(parents=True)
    subprocess.run(["npm", "pack", f"pyodide@{PYODIDE_VERSION}"], cwd=folder, check=True)
    with tarfile.open(folder / f"pyodide-{PYODIDE_VERSION}.tgz") as archive:
        for member in archive.getmembers():
            member.name = member.name.removeprefix("package/")
            archive.extract(member, folder)
    lock = json.loads((folder / "pyodide-lock.json").read_text())
    names, left = set(), list(WANTED)
    while left:
        if (name := left.pop().replace("_", "-")) not in names:
            names.add(name)
            left += lock["packages"][name]["depends"]
    wanted = [f"{name}=={lock['packages'][name]['version']}" for name in sorted(names)]
    for wheel in fetched(folder, *wanted):
        entry = lock["packages"][wheel.name.partition("-")[0].replace("_", "-")]
        entry["file_name"] = wheel.name
        entry["sha256"] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "pyodide-lock.json").write_text(json.dumps(lock))


def make_site(folder: Path) -> Path:
    """Build a site with the notebook to try and the one with our cells, and return its folder."""
    site, wheels = folder / "site", folder / "wheels"
    make_runtime(site / "static" / "pyodide")
    (site / "jupyter-lite.json").write_text(json.dumps(SETTINGS))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in CELLS])
    book.metadata["kernelspec"] = {"name": "python", "display_name": "Python (Pyodide)"}
    (site / "files").mkdir()
    nbformat.write(book, site / "files" / "trial.ipynb")
    shutil.copy(TRY, site / "files")
    wheels.mkdir()
    called("pip", "wheel", "-q", "--no-deps", "-w", ".", str(ROOT), cwd=wheels)
    index = [part for each in fetched(wheels, *PURE) for part in ("--piplite-wheels", str(each))]
    called("jupyterlite_core", "build", "--output-dir", "../out", *index, cwd=site)
    return folder / "out"


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".mjs": "text/javascript", ".js": "text/javascript", "": "text/html",
                      ".wasm": "application/wasm", ".json": "application/json"}  # fmt: skip

    def log_message(self, *_):
        pass


class Notebook:
    """A notebook in its page."""

    def __init__(self, page, address: str, name: str) -> None:
        self.page = page
        page.set_default_timeout(180_000)
        page.goto(f"{address}/lab/index.html?path={name}")
        page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady")

    def run(self, index: int) -> str:
        """Run a cell; return what it has put out as text."""
        outputs = self.page.evaluate(
            """async index => {
                const {content} = window.jupyterapp.shell.currentWidget;
                content.activeCellIndex = index;
                await window.jupyterapp.commands.execute("notebook:run-cell");
                return content.widgets[index].model.sharedModel.toJSON().outputs;
            }""",
            index,
        )
        text = "".join("".join(each.get("text", each.get("evalue", ""))) for each in outputs)
        print(f"cell {index}: {text.strip()}")
        return text.strip()

    def button(self, name: str):
        return self.panel.get_by_role("button", name=name, exact=True)

    @property
    def panel(self):
        return self.page.get_by_role("region", name="Batch run").first


def drive(book: Notebook) -> None:
    """Steer a run in the panel, then try what is different without threads."""
    book.run(0)
    assert re.fullmatch(r"3\.\d+\.\d+", book.run(1))
    book.run(2)
    expect(book.panel).to_contain_text("1 failed")
    book.panel.get_by_role("slider", name="Concurrency limit").focus()
    for _ in range(5):
        book.page.keyboard.press("ArrowRight")
    expect(book.panel).to_contain_text("8 running")
    book.button("Pause").click()
    expect(book.panel).to_contain_text("paused")
    book.button("Resume").click()
    book.button("Cancel").click()
    expect(book.button("Run")).to_be_enabled()
    book.panel.locator(".fm-row").nth(2).click()
    expect(book.panel).to_contain_text("asking ")
    expect(book.panel).not_to_contain_text(re.compile("undefined|NaN"))
    book.button("Run").click()
    expect(book.button("Stop")).to_be_enabled()
    book.button("Stop").click()
    expect(book.panel).to_contain_text("stopped")
    book.run(3)
    assert book.run(4) == "['0', '1', '2']"
    assert book.run(5).endswith("True")
    assert re.fullmatch(r"UsageError: A journal .* Leave journal out\.", book.run(6))
    assert book.run(7) == "False"


def follow(book: Notebook) -> None:
    """Run the notebook to try as it says, from top to bottom."""
    kinds = [cell.cell_type for cell in nbformat.read(TRY, as_version=4).cells]
    *first, last = [index for index, kind in enumerate(kinds) if kind == "code"]
    for index in first:
        assert not book.run(index)
    expect(book.panel).to_contain_text("100/100")
    assert re.match(
        r"\d+ succeeded, \d+ failed\n{'user_id': 0, 'type': 'standard'} -> ", book.run(last)
    )


if __name__ == "__main__":
    expect.set_options(timeout=60_000)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        site = make_site(Path(folder))
        handler = functools.partial(Handler, directory=str(site))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = shutil.which("chromium") or shutil.which("google-chrome")
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        address = f"http://127.0.0.1:{server.server_port}"
        drive(Notebook(chromium.new_page(), address, "trial.ipynb"))
        follow(Notebook(chromium.new_page(), address, TRY.name))
        chromium.close()
        server.shutdown()
        if sys.argv[1:]:
            (site / "files" / "trial.ipynb").unlink()
            shutil.copytree(site, sys.argv[1], dirs_exist_ok=True)
