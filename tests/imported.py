"""What a piece of code imports, in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def imported_by(code: str, *names: str) -> str:
    """Run code, and return which of these modules it has imported, printed as a list."""
    shown = f"{code}; import sys; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", shown], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()
