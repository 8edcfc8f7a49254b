"""odatapy's in-memory service: an OData server with real delta links, to try a source of kind `odata` against.

    python service.py METADATA

serves the entity sets of a `$metadata` document on loopback until its standard input ends, and prints its address.
"""

from __future__ import annotations

import socketserver
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from odatapy.edm.xml_io import XmlEdmProvider
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryDataStore, InMemoryProcessor
from odatapy.server.processor import CustomETagSupport

PAGE_ROWS = 500


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Versioned(CustomETagSupport):
    def has_etag(self, entity_set_or_singleton: object) -> bool:
        return True


def main(document: str) -> None:
    """Serves until standard input ends."""
    odata = OData.new_instance()
    handler = odata.create_handler(odata.create_service_metadata(XmlEdmProvider.from_file(document)))
    handler.register(_Versioned())
    handler.register(InMemoryProcessor(InMemoryDataStore(), page_size=PAGE_ROWS))
    with make_server("127.0.0.1", 0, ODataWSGIApp(handler), server_class=_Server, handler_class=_Quiet) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
