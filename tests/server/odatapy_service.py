"""odatapy in a process of its own: an OData server that nobody here wrote, with real delta links."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "examples" / "sources" / "odata" / "service.py"


@contextmanager
def odatapy(document: bytes) -> Iterator[str]:
    """Runs the service of a `$metadata` document while the block runs; yields its address."""
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(tempfile.TemporaryDirectory())
        file = Path(folder) / "metadata.xml"
        file.write_bytes(document)
        yield cleanup.enter_context(_running([sys.executable, str(SERVICE), str(file)]))


@contextmanager
def _running(command: list[str]) -> Iterator[str]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, "odatapy did not start"
            yield address
        finally:
            process.stdin.close()
