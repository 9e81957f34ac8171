"""Write the journal of the present format: `python -m tests.journal.golden`."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from typing import Any
from unittest import mock

import flowmagic
from flowmagic.journal.database import VERSION
from flowmagic.notebook import streams
from flowmagic.records.batch import as_batch
from flowmagic.run.api import start
from flowmagic.run.options import Options

from . import FOLDER, flow, killed_rows, rows


def _run(journal: pathlib.Path, rows: list[dict[str, Any]], **options: Any) -> None:
    async def main() -> None:
        parsed = Options.of(journal=journal, limit=3, **options)
        # As the notebook sets it: what the instances print is in the file.
        await start(flow(), as_batch(rows), shared={}, options=replace(parsed, capture=True))

    asyncio.run(main())


def _die(journal: pathlib.Path) -> None:
    async def main() -> None:
        run = flowmagic.batchflow(flow(), killed_rows(), journal=journal, limit=1)
        while run.counts.running == 0 or run.counts.succeeded == 0:
            await asyncio.sleep(0.001)
        await run.journal.settled()
        os._exit(0)

    os.environ["FLOWMAGIC_GOLDEN_HANGS"] = "1"
    asyncio.run(main())


def _make(journal: pathlib.Path) -> None:
    """Make four runs: of all values, resumed, isolated, and one whose kernel dies."""
    _run(journal, rows(), reuse=True, retries=1)
    _run(journal, [*rows(), {"name": "new"}], resume=True)
    _run(journal, [{"name": "isolated"}], isolate=True)
    _die(journal)


def main() -> None:
    """Have a process make the runs and die, and keep what is in the file."""
    golden = FOLDER / f"version_{VERSION}.journal"
    golden.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as name:
        journal = pathlib.Path(name, "runs.journal")
        subprocess.run([sys.executable, "-m", __package__, journal], check=True, timeout=60)
        with sqlite3.connect(journal) as connection:
            # Tracebacks name the folder of whoever writes the file.
            root = str(FOLDER.parents[2])
            connection.execute("UPDATE instances SET error = replace(error, ?, '')", (root,))
            # And the kernel has just died, which cannot be seen from elsewhere.
            connection.execute("UPDATE runs SET beat = beat - 3600")
        connection.close()
        with flowmagic.open_journal(journal) as opened:
            opened.backup(golden)
            print(opened)
    print(f"{golden.name}: {golden.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        streams.install()
        with (
            mock.patch("platform.node", return_value="golden"),
            mock.patch("flowmagic.journal.process._scope", return_value="golden"),
        ):
            _make(pathlib.Path(sys.argv[1]))
