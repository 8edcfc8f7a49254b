"""odatapy in a process of its own: an OData server that nobody here wrote, with real delta links."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "examples" / "sources" / "odata" / "service.py"


@contextmanager
def odatapy(document: Path) -> Iterator[str]:
    """Runs the service while the block runs; yields its address."""
    command = [sys.executable, str(SERVICE), str(document)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, "odatapy did not start"
            yield address
        finally:
            process.stdin.close()
