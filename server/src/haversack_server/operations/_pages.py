"""Metrics and health over HTTP: `/metrics`, `/healthz`, `/readyz`.

They are served by threads of their own, so that they answer while the event loop is busy.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from haversack_server.errors import RequestInvalid

CONNECTIONS_MAX = 16
"""Connections at once; more are closed at once."""

REQUEST_SECONDS_MAX = 10.0
"""How long a connection may be silent."""

STOP_SECONDS = 0.1
"""How long it may take to notice that it is to stop."""

_log = structlog.get_logger()
_TEXT = "text/plain; charset=utf-8"


class Pages:
    """The HTTP server of the pages."""

    def __init__(self, *, metrics: Callable[[], bytes], unready: Callable[[], str]) -> None:
        """Takes what renders the metrics, and what says why the server is not ready (empty if it is)."""
        self._metrics = metrics
        self._unready = unready
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, listen: str) -> str:
        """Begins to listen at "host:port"; returns the bound address. Raises RequestInvalid if it is taken."""
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), self._answer)
        except (OSError, ValueError, OverflowError) as error:
            raise RequestInvalid(
                f"cannot listen on {listen} for metrics: {error}; choose another address with metrics_listen"
            ) from error
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(STOP_SECONDS,), name="pages", daemon=True)
        self._thread.start()
        return f"{host}:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Takes no more requests."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        match path.partition("?")[0]:
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics()
            case "/healthz":
                return HTTPStatus.OK, _TEXT, b"ok\n"
            case "/readyz":
                reason = self._unready()
                status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
                return status, _TEXT, f"{reason or 'ok'}\n".encode()
            case _:
                return HTTPStatus.NOT_FOUND, _TEXT, b"there are /metrics, /healthz and /readyz\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], answer: Callable[[str], tuple[HTTPStatus, str, bytes]]) -> None:
        self.answer = answer
        self._places = threading.Semaphore(CONNECTIONS_MAX)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serves a connection in a thread, if there is a place for it."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves a connection, and gives its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs what went wrong with a connection, unless its client only went away."""
        if not isinstance(sys.exc_info()[1], OSError):
            _log.exception("a page could not be shown")


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_SECONDS_MAX
    server: _Server

    def do_GET(self) -> None:
        """Answers a page."""
        status, kind, content = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: whoever scrapes does so all day."""
