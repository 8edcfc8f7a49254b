"""odatapy's in-memory service in a process of its own: an OData server that nobody here wrote, with real delta links.

    python odatapy_service.py METADATA

serves the entity sets of a `$metadata` document on loopback until its standard input ends, and prints its address.
"""

from __future__ import annotations

import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def main(document: str) -> None:
    """Serves until standard input ends."""
    from odatapy.edm.xml_io import XmlEdmProvider
    from odatapy.server import OData
    from odatapy.server.adapters import ODataWSGIApp
    from odatapy.server.inmemory import InMemoryDataStore, InMemoryProcessor
    from odatapy.server.processor import CustomETagSupport

    class Versioned(CustomETagSupport):
        def has_etag(self, entity_set_or_singleton: object) -> bool:
            return True

    odata = OData.new_instance()
    handler = odata.create_handler(odata.create_service_metadata(XmlEdmProvider.from_file(document)))
    handler.register(Versioned())
    handler.register(InMemoryProcessor(InMemoryDataStore(), page_size=500))
    with make_server("127.0.0.1", 0, ODataWSGIApp(handler), server_class=_Server, handler_class=_Quiet) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()


@contextmanager
def odatapy(document: Path) -> Iterator[str]:
    """Runs the service while the block runs; yields its address."""
    command = [sys.executable, __file__, str(document)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, "odatapy did not start"
            yield address
        finally:
            process.stdin.close()


if __name__ == "__main__":
    main(sys.argv[1])
