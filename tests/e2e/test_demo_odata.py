"""`make demo-odata` plays to its end, and everything is as it should be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "sources" / "odata" / "demo.py"
SECONDS_MAX = 170


def test_every_check_of_the_demo_holds() -> None:
    played = subprocess.run(
        [sys.executable, str(DEMO)], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert " checks hold" in played.stdout, played.stdout
